//! The scripts, each of which does in one go what nobody may come in between.

use crate::backends::redis::KeyScript;

/// The scripts of a source.
pub(super) struct Scripts {
    pub(super) claim: KeyScript,
    pub(super) hold: KeyScript,
    pub(super) park: KeyScript,
    pub(super) may_park: KeyScript,
    pub(super) leave: KeyScript,
}

/// A script with these flags. What makes room, or writes no more than a few bytes, runs on a server that is full, too.
macro_rules! script {
    ($flags:literal, $file:literal) => {
        KeyScript::new(concat!("#!lua", $flags, "\n", include_str!(concat!("scripts/", $file))))
    };
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            claim: script!(" flags=allow-oom", "claim.lua"),
            hold: script!(" flags=allow-oom", "hold.lua"),
            park: script!("", "park.lua"),
            may_park: script!(" flags=allow-oom", "may_park.lua"),
            leave: script!(" flags=allow-oom", "leave.lua"),
        }
    }
}
