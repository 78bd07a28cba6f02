//! [`Packed`]: a state in one word, as the search keeps it.

use super::property::Property;
use super::state::{Due, Phase, Record, Stage, State, WORKERS, Worker};

/// A state in one word.
pub type Packed = [u64; 1];

/// Each width in bits, in the order in which a state is packed.
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

    fn take(&mut self, width: u32) -> u8 {
        let value = (self.bits >> self.at) & ((1 << width) - 1);
        self.at += width;
        u8::try_from(value).unwrap_or(u8::MAX)
    }

    fn flag(&mut self) -> bool {
        self.take(1) == 1
    }
}

const PHASES: [Phase; 4] = [Phase::Reserved, Phase::Suspended, Phase::Parked, Phase::Completed];
const DUE: [Due; 3] = [Due::Later, Due::Now, Due::Never];
const STAGES: [Stage; 5] =
    [Stage::Idle, Stage::Claiming, Stage::Claimed, Stage::Exhausted, Stage::Running];

/// Packs a state.
pub(super) fn pack(state: &State) -> Packed {
    let mut word = Word { bits: 0, at: 0 };
    let record = state.record;
    word.put(record.phase as u8, 2);
    word.put(record.owner, 2);
    word.put(record.due as u8, 2);
    word.put(record.attempts, 3);
    word.put(record.counted, 2);
    word.put(record.told_error, 1);
    word.put(state.steps, 2);
    for worker in &state.workers {
        word.put(worker.stage as u8, 3);
        word.put(worker.is_current, 1);
        word.put(worker.is_late, 1);
    }
    word.put(state.late_claim.map_or(0, |is_current| 1 + u8::from(is_current)), 2);
    word.put(state.deserved, 3);
    word.put(state.bodies, 3);
    word.put(state.faults, 3);
    word.put(state.errors, 2);
    word.put(state.retries, 2);
    word.put(state.operators, 2);
    word.put(state.broken.map_or(0, |broken| broken as u8 + 1), 4);
    [word.bits]
}

/// The state that was packed.
pub(super) fn unpack(packed: &Packed) -> State {
    let mut word = Word { bits: packed[0], at: 0 };
    let record = Record {
        phase: PHASES[usize::from(word.take(2))],
        owner: word.take(2),
        due: DUE[usize::from(word.take(2))],
        attempts: word.take(3),
        counted: word.take(2),
        told_error: word.flag(),
    };
    let steps = word.take(2);
    let mut workers = [Worker::default(); WORKERS];
    for worker in &mut workers {
        let stage = STAGES[usize::from(word.take(3))];
        *worker = Worker { stage, is_current: word.flag(), is_late: word.flag() };
    }
    State {
        record,
        steps,
        workers,
        late_claim: match word.take(2) {
            0 => None,
            claim => Some(claim == 2),
        },
        deserved: word.take(3),
        bodies: word.take(3),
        faults: word.take(3),
        errors: word.take(2),
        retries: word.take(2),
        operators: word.take(2),
        broken: match word.take(4) {
            0 => None,
            at => Some(Property::ALL[usize::from(at) - 1]),
        },
    }
}
