//! [`Packed`]: a state in four words, as the search keeps it.

use super::journal::{Journal, Nonce, Once};
use super::property::Property;
use super::record::{Phase, Record};
use super::request::Requests;
use super::run::{Kind, Progress, RUNS, Run, Stage};
use super::state::{Effects, Seen, State};

/// A state in a word for each run, and one for the rest.
pub type Packed = [u64; RUNS + 1];

/// A word that is written from its low end, and read in the same order.
#[derive(Default)]
struct Word {
    bits: u64,
    at: u32,
}

impl Word {
    fn put(&mut self, value: impl Into<u64>, width: u32) {
        let value = value.into();
        debug_assert!(value >> width == 0, "{value} does not fit into {width} bits");
        self.bits |= value << self.at;
        self.at += width;
    }

    fn take(&mut self, width: u32) -> u16 {
        let value = self.bits & ((1 << width) - 1);
        self.bits >>= width;
        u16::try_from(value).unwrap_or(u16::MAX)
    }

    fn small(&mut self, width: u32) -> u8 {
        u8::try_from(self.take(width)).unwrap_or(u8::MAX)
    }

    fn flag(&mut self) -> bool {
        self.take(1) == 1
    }

    fn one_of<T: Copy>(&mut self, all: &[T], width: u32) -> T {
        all[usize::from(self.take(width))]
    }
}

const STAGES: [Stage; 6] =
    [Stage::Idle, Stage::Reserving, Stage::Resuming, Stage::Loading, Stage::Running, Stage::Ended];
const KINDS: [Kind; 3] = [Kind::Client, Kind::OtherPayload, Kind::Recovery];
const PROGRESS: [Progress; 9] = [
    Progress::Idle,
    Progress::Beginning,
    Progress::Begun,
    Progress::Recording,
    Progress::TakingBack,
    Progress::Done,
    Progress::Failed,
    Progress::Lost,
    Progress::InDoubt,
];
const PHASES: [Phase; 5] =
    [Phase::Vacant, Phase::Reserved, Phase::Lapsed, Phase::Indeterminate, Phase::Completed];
const fn nonce(bits: u8) -> Nonce {
    Nonce { run: bits >> 1, second: bits & 1 == 1 }
}

/// What is known of `m`, in four bits.
fn take_once(word: &mut Word) -> Once {
    match word.small(4) {
        0 => Once::Unknown,
        1 => Once::Recorded,
        bits @ 2..8 => Once::Begun(nonce(bits - 2)),
        bits => Once::Tried(nonce(bits - 8)),
    }
}

fn put_once(word: &mut Word, m: Once) {
    let bits = |nonce: Nonce| 2 * nonce.run + u8::from(nonce.second);
    let bits = match m {
        Once::Unknown => 0,
        Once::Recorded => 1,
        Once::Begun(nonce) => 2 + bits(nonce),
        Once::Tried(nonce) => 8 + bits(nonce),
    };
    word.put(bits, 4);
}

fn put_run(run: &Run) -> u64 {
    let mut word = Word::default();
    word.put(run.stage as u8, 3);
    word.put(run.kind as u8, 2);
    word.put(run.second_payload, 1);
    word.put(run.seen, 2);
    word.put(run.late, 1);
    word.put(run.knows_journal, 1);
    word.put(run.a as u8, 4);
    word.put(run.m as u8, 4);
    word.put(run.second, 1);
    word.put(run.z as u8, 4);
    word.put(run.sent.bits(), 15);
    word.put(run.uncommitted.bits(), 15);
    word.bits
}

fn take_run(bits: u64) -> Run {
    let mut word = Word { bits, at: 0 };
    Run {
        stage: word.one_of(&STAGES, 3),
        kind: word.one_of(&KINDS, 2),
        second_payload: word.flag(),
        seen: word.small(2),
        late: word.flag(),
        knows_journal: word.flag(),
        a: word.one_of(&PROGRESS, 4),
        m: word.one_of(&PROGRESS, 4),
        second: word.flag(),
        z: word.one_of(&PROGRESS, 4),
        sent: Requests::from_bits(word.take(15)),
        uncommitted: Requests::from_bits(word.take(15)),
    }
}

fn put_journal(word: &mut Word, journal: &Journal) {
    word.put(journal.exists, 1);
    word.put(journal.a, 1);
    put_once(word, journal.m);
    word.put(journal.z, 1);
    word.put(journal.payloads[0], 1);
    word.put(journal.payloads[1], 1);
}

fn take_journal(word: &mut Word) -> Journal {
    Journal {
        exists: word.flag(),
        a: word.flag(),
        m: take_once(word),
        z: word.flag(),
        payloads: [word.flag(), word.flag()],
    }
}

/// Packs a state.
pub(super) fn pack(state: &State) -> Packed {
    let mut word = Word::default();
    word.put(state.record.phase as u8, 3);
    word.put(state.record.token, 2);
    word.put(state.record.journaled, 1);
    word.put(state.record.due, 1);
    word.put(state.record.second_payload, 1);
    word.put(state.record.told_error, 1);
    word.put(state.record.waits_for_step, 1);
    put_journal(&mut word, &state.journal);
    put_journal(&mut word, &state.leftover);
    word.put(state.effects.a, 1);
    word.put(state.effects.m, 2);
    word.put(state.effects.z, 1);
    word.put(state.era, 2);
    word.put(state.faults, 3);
    word.put(state.errors, 2);
    word.put(state.looks, 2);
    word.put(state.seen.is_some(), 1);
    let seen = state.seen.unwrap_or(Seen { token: 0, m: Once::Unknown, happened: false });
    word.put(seen.token, 2);
    put_once(&mut word, seen.m);
    word.put(seen.happened, 1);
    word.put(state.broken.map_or(0, |broken| broken as u8 + 1), 4);
    let mut packed = [word.bits; RUNS + 1];
    for (word, run) in packed.iter_mut().zip(&state.runs) {
        *word = put_run(run);
    }
    packed
}

fn take_seen(word: &mut Word) -> Option<Seen> {
    let any = word.flag();
    let seen = Seen { token: word.small(2), m: take_once(word), happened: word.flag() };
    any.then_some(seen)
}

/// The state that was packed.
pub(super) fn unpack(packed: &Packed) -> State {
    let mut runs = [Run::default(); RUNS];
    for (run, bits) in runs.iter_mut().zip(packed) {
        *run = take_run(*bits);
    }
    let mut word = Word { bits: packed[RUNS], at: 0 };
    State {
        runs,
        record: Record {
            phase: word.one_of(&PHASES, 3),
            token: word.small(2),
            journaled: word.flag(),
            due: word.flag(),
            second_payload: word.flag(),
            told_error: word.flag(),
            waits_for_step: word.flag(),
        },
        journal: take_journal(&mut word),
        leftover: take_journal(&mut word),
        effects: Effects { a: word.flag(), m: word.small(2), z: word.flag() },
        era: word.small(2),
        faults: word.small(3),
        errors: word.small(2),
        looks: word.small(2),
        seen: take_seen(&mut word),
        broken: match word.small(4) {
            0 => None,
            at => Some(Property::ALL[usize::from(at) - 1]),
        },
    }
}
