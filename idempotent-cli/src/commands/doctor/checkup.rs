//! What a checkup has found so far.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use idempotent_core::backends::ServerSettings;
use idempotent_core::store::StoreError;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// A choice whose price one should know.
    Note,
    /// A guarantee holds less often than it seems.
    Warning,
    /// A guarantee does not hold.
    Error,
}

impl Severity {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something that makes a guarantee weaker.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    pub(super) server: String,
    pub(super) what: String,
    pub(super) means: &'static str,
    pub(super) mend: String,
}

/// What was looked at.
#[derive(Debug, Default)]
pub(super) struct Checkup {
    /// When the servers were asked, which tell their time then.
    pub(super) asked: Option<SystemTime>,
    pub(super) findings: Vec<Finding>,
    pub(super) servers: Vec<String>,
    pub(super) checks: u64,
    /// What was looked for, and at which server.
    pub(super) looked_for: BTreeSet<(String, &'static str)>,
    /// What a server does not tell.
    pub(super) unknown: Vec<String>,
}

/// Leases are compared by one clock, and times are shown by another one.
const MOST_SKEW_SECONDS: f64 = 2.0;

impl Checkup {
    /// Records one check: what is weak, if anything.
    pub(super) fn check(
        &mut self,
        server: &str,
        (code, severity): (&'static str, Severity),
        weak: Option<String>,
        means: &'static str,
        mend: impl Into<String>,
    ) {
        let is_new = self.looked_for.insert((server.to_owned(), code));
        self.checks += u64::from(is_new);
        if let Some(what) = weak {
            let (server, mend) = (server.to_owned(), mend.into());
            self.findings.push(Finding { code, severity, server, what, means, mend });
        }
    }

    /// A value, or a note that the server does not tell it.
    pub(super) fn ask<'a>(&mut self, server: &'a ServerSettings, name: &str) -> Option<&'a str> {
        let value = server.get(name);
        if value.is_none() && !self.unknown.iter().any(|known| known == name) {
            self.unknown.push(name.to_owned());
        }
        value
    }

    /// Whether the store takes new calls.
    pub(super) fn takes_calls(&mut self, server: &str, error: Option<&StoreError>) {
        let weak = error.map(ToString::to_string);
        self.check(
            server,
            ("not-serving", Severity::Error),
            weak,
            "New calls are refused.",
            "connect to the server that takes writes, as a user who may write",
        );
    }

    /// Whether a server's clock is that of this machine.
    pub(super) fn clock(&mut self, server: &ServerSettings) {
        let seconds =
            |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let now = seconds(SystemTime::now());
        let asked = self.asked.map_or(now, seconds);
        let there = self.ask(server, "time").and_then(|time| time.parse::<f64>().ok());
        // It said so at some moment between the two.
        let skew = there.map(|there| (there - now).max(0.0) + (there - asked).min(0.0));
        let skew = skew.filter(|skew| skew.abs() > MOST_SKEW_SECONDS);
        let weak = skew.map(|skew| {
            let direction = if skew > 0.0 { "ahead of" } else { "behind" };
            format!("its clock is {:.0} seconds {direction} this machine's", skew.abs())
        });
        self.check(
            &server.server,
            ("clock", Severity::Warning),
            weak,
            "Leases hold, since one clock judges them; ages and audit lines are off, and a clock that is set back keeps \
             leases too long.",
            "let NTP set both clocks: timedatectl set-ntp true",
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn found_with_skew(seconds: f64) -> Vec<Finding> {
        found_with_skew_after(Duration::ZERO, seconds)
    }

    /// In a checkup that has taken so long already.
    fn found_with_skew_after(took: Duration, seconds: f64) -> Vec<Finding> {
        let now = SystemTime::now();
        let said = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() + seconds;
        let mut server = ServerSettings::default();
        server.values.insert("time".to_owned(), said.to_string());
        let mut checkup = Checkup { asked: Some(now - took), ..Checkup::default() };
        checkup.clock(&server);
        assert_eq!((checkup.checks, checkup.unknown.len()), (1, 0));
        checkup.findings
    }

    #[test]
    fn a_clock_that_is_ahead_or_behind_is_found_and_says_which() {
        for (skew, says) in [(3600.0, "seconds ahead of"), (-3600.0, "seconds behind")] {
            let found = found_with_skew(skew);
            assert_eq!((found.len(), found[0].code), (1, "clock"));
            assert!(found[0].what.contains(says), "{}", found[0].what);
        }
        assert!(found_with_skew(0.0).is_empty());
    }

    #[test]
    fn the_time_that_a_checkup_takes_is_no_skew() {
        let took = Duration::from_secs(60);
        assert!(found_with_skew_after(took, -59.0).is_empty());
        let found = found_with_skew_after(took, -90.0);
        assert!(found[0].what.contains("30 seconds behind"), "{}", found[0].what);
        let found = found_with_skew_after(took, 30.0);
        assert!(found[0].what.contains("30 seconds ahead of"), "{}", found[0].what);
    }

    #[test]
    fn a_server_that_does_not_tell_its_time_is_not_said_to_be_right() {
        let mut checkup = Checkup::default();
        checkup.clock(&ServerSettings::default());
        assert_eq!(checkup.unknown, ["time"]);
    }
}
