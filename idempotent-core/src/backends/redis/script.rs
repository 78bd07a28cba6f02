//! The scripts that compare and set, and how they are called: by digest, or by code for a server that
//! does not know them.

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind};

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
    /// The same for a step that begins: a server that has reached its memory limit refuses it.
    pub(super) begin_step: Script,
    pub(super) resume: Script,
    pub(super) suspend: Script,
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
}

/// The answer of a script that did nothing, because the record turned out to have a journal, whose key was not given.
/// So calls without steps send none.
pub(super) const NEEDS_JOURNAL: i64 = 2;

/// A script of that file, after what all of them know of records.
macro_rules! script {
    ($file:literal, $flags:literal) => {
        Script::new(concat!(
            "#!lua",
            $flags,
            "\n",
            include_str!("scripts/record.lua"),
            include_str!(concat!("scripts/", $file)),
        ))
    };
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            complete: script!("complete.lua", " flags=allow-oom"),
            renew: script!("renew.lua", " flags=allow-oom"),
            release: script!("release.lua", " flags=allow-oom"),
            abandon: script!("abandon.lua", " flags=allow-oom"),
            load: script!("load.lua", " flags=no-writes,allow-oom"),
            confirm: script!("confirm.lua", " flags=allow-oom"),
            correct: script!("correct.lua", " flags=allow-oom"),
            purge: script!("purge.lua", " flags=allow-oom"),
            write_step: script!("write_step.lua", " flags=allow-oom"),
            begin_step: script!("write_step.lua", ""),
            resume: script!("resume.lua", " flags=allow-oom"),
            suspend: script!("suspend.lua", " flags=allow-oom"),
        }
    }
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, digest: redis::Script::new(code).get_hash().to_owned() }
    }

    /// The call by digest, which is short.
    pub(super) fn by_digest(&self, keys: ScriptKeys<'_>, arguments: &[&[u8]]) -> Cmd {
        call("EVALSHA", &self.digest, keys, arguments)
    }

    /// The call for a server that does not know the script, and knows it from then on.
    pub(super) fn by_code(&self, keys: ScriptKeys<'_>, arguments: &[&[u8]]) -> Cmd {
        call("EVAL", self.code, keys, arguments)
    }
}

impl<'a> ScriptKeys<'a> {
    /// The key of a record that has no journal, as far as anybody here knows.
    pub(super) const fn of_record(record: &'a str) -> Self {
        Self { record, journal: None }
    }
}

/// Whether the server does not know a script: it was restarted, or somebody flushed its scripts.
pub(super) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn call(command: &str, script: &str, keys: ScriptKeys<'_>, arguments: &[&[u8]]) -> Cmd {
    let journal = keys.journal.unwrap_or_default();
    let bytes: usize = arguments.iter().map(|argument| argument.len()).sum();
    let bytes = bytes + script.len() + keys.record.len() + journal.len() + 16;
    let mut call = Cmd::with_capacity(5 + arguments.len(), bytes);
    call.arg(command).arg(script);
    match keys.journal {
        None => call.arg(1).arg(keys.record),
        Some(journal) => call.arg(2).arg(keys.record).arg(journal),
    };
    for argument in arguments {
        call.arg(*argument);
    }
    call
}
