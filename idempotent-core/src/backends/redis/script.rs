//! The scripts that compare and set, and how they are called: by digest, or by code for a server that
//! does not know them.

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind};

use crate::model::Record;

/// The scripts of a store, with their digests.
pub(super) struct Scripts {
    pub(super) complete: Script,
    pub(super) renew: Script,
    pub(super) release: Script,
    pub(super) abandon: Script,
    pub(super) load: Script,
    pub(super) confirm: Script,
    pub(super) correct: Script,
    pub(super) purge: Script,
    pub(super) write_step: Script,
    /// The same for most steps: one that has a result, of a call that has a journal.
    pub(super) record_step: Script,
    /// The same for the first step of most calls.
    pub(super) begin_journal: Script,
    /// The same for a step that begins: a server that has reached its memory limit refuses it.
    pub(super) begin_step: Script,
    pub(super) resume: Script,
    pub(super) suspend: Script,
    /// Acts on a journal alone.
    pub(super) is_in_doubt: Script,
    /// Reserves a call with an input.
    pub(super) reserve: Script,
    pub(super) due: Script,
    pub(super) due_in: Script,
    pub(super) load_due: Script,
    pub(super) defer: Script,
}

/// A script that acts on a record, and on its journal if need be.
pub(super) struct Script {
    code: &'static str,
    digest: String,
}

/// The keys that a script acts on.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScriptKeys<'a> {
    pub(super) record: &'a str,
    /// Where a call has steps. Scripts that need it and do not have it answer [`NEEDS_JOURNAL`].
    pub(super) journal: Option<&'a str>,
    /// Where a call has an input: the [index](super::due_key) of due calls.
    pub(super) due: Option<&'a str>,
}

/// How many bytes of a record the scripts decide by.
const HEAD: usize = 40;

/// The answer of a script that did nothing, because the record turned out to have a journal, whose key was not given.
/// So calls without steps send none. The same of a purge for the index of due calls.
pub(super) const NEEDS_JOURNAL: i64 = 2;

/// A script with these flags: those files, one after the other.
macro_rules! script {
    ($flags:literal, $($file:literal),+) => {
        Script::new(concat!("#!lua", $flags, "\n", $(include_str!(concat!("scripts/", $file))),+))
    };
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            complete: script!(" flags=allow-oom", "complete.lua"),
            renew: script!(" flags=allow-oom", "record.lua", "expire_together.lua", "renew.lua"),
            release: script!(" flags=allow-oom", "record.lua", "release.lua"),
            abandon: script!(" flags=allow-oom", "record.lua", "abandon.lua"),
            load: script!(" flags=no-writes,allow-oom", "load.lua"),
            confirm: script!(" flags=allow-oom", "record.lua", "write_again.lua", "confirm.lua"),
            correct: script!(" flags=allow-oom", "correct.lua"),
            purge: script!(" flags=allow-oom", "record.lua", "purge.lua"),
            record_step: script!(" flags=allow-oom", "record_step.lua"),
            begin_journal: script!(" flags=allow-oom", "begin_journal.lua"),
            write_step: script!(
                " flags=allow-oom",
                "record.lua",
                "expire_together.lua",
                "now.lua",
                "in_doubt.lua",
                "write_step.lua"
            ),
            begin_step: script!(
                "",
                "record.lua",
                "expire_together.lua",
                "now.lua",
                "in_doubt.lua",
                "write_step.lua"
            ),
            resume: script!(
                " flags=allow-oom",
                "record.lua",
                "expire_together.lua",
                "write_again.lua",
                "now.lua",
                "resume.lua"
            ),
            suspend: script!(
                " flags=allow-oom",
                "record.lua",
                "expire_together.lua",
                "write_again.lua",
                "now.lua",
                "in_doubt.lua",
                "suspend.lua"
            ),
            is_in_doubt: script!(" flags=no-writes,allow-oom", "is_in_doubt.lua"),
            reserve: script!("", "now.lua", "reserve.lua"),
            due: script!(" flags=no-writes,allow-oom,allow-cross-slot-keys", "now.lua", "due.lua"),
            due_in: script!(" flags=no-writes,allow-oom", "record.lua", "now.lua", "due_in.lua"),
            load_due: script!(" flags=no-writes,allow-oom", "now.lua", "load_due.lua"),
            defer: script!(" flags=allow-oom", "record.lua", "now.lua", "defer.lua"),
        }
    }
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, digest: redis::Script::new(code).get_hash().to_owned() }
    }

    /// The call by digest, which is short.
    pub(super) fn by_digest(&self, keys: ScriptKeys<'_>, arguments: &[&[u8]]) -> Cmd {
        call("EVALSHA", &self.digest, keys.all(), arguments)
    }

    /// The call for a server that does not know the script, and knows it from then on.
    pub(super) fn by_code(&self, keys: ScriptKeys<'_>, arguments: &[&[u8]]) -> Cmd {
        call("EVAL", self.code, keys.all(), arguments)
    }

    /// The call by digest, for a script that acts on no record.
    pub(super) fn of_keys(&self, keys: &[String], arguments: &[&[u8]]) -> Cmd {
        call("EVALSHA", &self.digest, keys.iter().map(String::as_str), arguments)
    }

    /// The same by code.
    pub(super) fn of_keys_by_code(&self, keys: &[String], arguments: &[&[u8]]) -> Cmd {
        call("EVAL", self.code, keys.iter().map(String::as_str), arguments)
    }
}

impl<'a> ScriptKeys<'a> {
    /// The key of a record that has no journal, as far as anybody here knows.
    pub(super) const fn of_record(record: &'a str) -> Self {
        Self { record, journal: None, due: None }
    }

    /// With the keys that a script needs only for some calls.
    pub(super) const fn with(
        record: &'a str,
        journal: Option<&'a str>,
        due: Option<&'a str>,
    ) -> Self {
        Self { record, journal, due }
    }

    fn all(self) -> impl Iterator<Item = &'a str> + Clone {
        [Some(self.record), self.journal, self.due].into_iter().flatten()
    }
}

/// What scripts compare of a record that is known.
pub(super) fn head(record: &Record) -> &[u8] {
    let bytes = record.as_bytes();
    bytes.get(..HEAD).unwrap_or(bytes)
}

/// Whether the server does not know a script: it was restarted, or somebody flushed its scripts.
pub(super) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn call<'a>(
    command: &str,
    script: &str,
    keys: impl Iterator<Item = &'a str> + Clone,
    arguments: &[&[u8]],
) -> Cmd {
    let (count, bytes) =
        keys.clone().fold((0, 16), |(count, bytes), key| (count + 1, bytes + key.len()));
    let bytes =
        arguments.iter().map(|argument| argument.len()).sum::<usize>() + bytes + script.len();
    let mut call = Cmd::with_capacity(3 + count + arguments.len(), bytes);
    call.arg(command).arg(script).arg(count);
    for key in keys {
        call.arg(key);
    }
    for argument in arguments {
        call.arg(*argument);
    }
    call
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::model::{Envelope, Guarantee, Record, Runs, Token};

    /// Lua counts from 1.
    #[test]
    fn records_are_laid_out_as_the_scripts_read_them() {
        let retention = Duration::from_secs(0x0102_0304);
        for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
            let envelope = Envelope::new("shop::charge").guarantee(guarantee).retention(retention);
            let plain = Record::reserved(&envelope, Token::from_bytes([9; 16]));
            let journaled = plain.with_journal(plain.token(), retention);
            let with_input = Record::reserved(&envelope.input(b"input"), plain.token());
            let resumed = with_input.with_runs(Runs::default());
            let waiting = journaled.waiting_for_steps();
            for record in [&plain, &journaled, &with_input, &resumed, &waiting] {
                let bytes = record.as_bytes();
                assert!(bytes.len() > 39);
                assert_eq!((bytes[0], bytes[1]), (2, 0), "readable, and a reservation");
                assert_eq!(bytes[2] != 0, record.keeps_lapsed());
                assert_eq!(bytes[2] == 3, record.suspends());
                assert_eq!(bytes[2] == 4, record.waits_for_steps());
                assert_eq!(bytes[4..20], [9; 16]);
                assert_eq!(bytes[30..34], [4, 3, 2, 1]);
                assert_eq!(bytes[38] & 4 != 0, record.has_journal());
                assert_eq!(bytes[39] & 8 != 0, record.has_input());
                assert_eq!(bytes[38] & 6 != 0, record.has_progress());
            }
            assert_ne!(plain.completed(b"").as_bytes()[1], 0);
        }
    }
}
