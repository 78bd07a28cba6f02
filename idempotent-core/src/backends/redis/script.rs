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
}

/// A script that acts on one key.
pub(super) struct Script {
    code: &'static str,
    digest: String,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            complete: Script::new(include_str!("scripts/complete.lua")),
            renew: Script::new(include_str!("scripts/renew.lua")),
            release: Script::new(include_str!("scripts/release.lua")),
            abandon: Script::new(include_str!("scripts/abandon.lua")),
            load: Script::new(include_str!("scripts/load.lua")),
            confirm: Script::new(include_str!("scripts/confirm.lua")),
            correct: Script::new(include_str!("scripts/correct.lua")),
        }
    }
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, digest: redis::Script::new(code).get_hash().to_owned() }
    }

    /// The call by digest, which is short.
    pub(super) fn by_digest(&self, key: &str, arguments: &[&[u8]]) -> Cmd {
        call("EVALSHA", &self.digest, key, arguments)
    }

    /// The call for a server that does not know the script, and knows it from then on.
    pub(super) fn by_code(&self, key: &str, arguments: &[&[u8]]) -> Cmd {
        call("EVAL", self.code, key, arguments)
    }
}

/// Whether the server does not know a script: it was restarted, or somebody flushed its scripts.
pub(super) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn call(command: &str, script: &str, key: &str, arguments: &[&[u8]]) -> Cmd {
    let bytes: usize = arguments.iter().map(|argument| argument.len()).sum();
    let mut call = Cmd::with_capacity(4 + arguments.len(), script.len() + key.len() + bytes + 16);
    call.arg(command).arg(script).arg(1).arg(key);
    for argument in arguments {
        call.arg(*argument);
    }
    call
}
