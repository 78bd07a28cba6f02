//! Whether the application's shortest lease outlives what keeps a store from renewing it.

use std::time::Duration;

use humantime::format_duration;
use idempotent_core::backends::ServerSettings;

use super::checkup::Checkup;
use super::checkup::Severity::Warning;

/// A lease is renewed once a third of it is over. So it has to be this many times as long as an answer may take, to be
/// renewed in time by a second attempt.
const ATTEMPTS: u32 = 3;

/// Whether there is time for a second renewal if the first one has no answer.
pub(super) fn against_timeout(
    checkup: &mut Checkup,
    server: &str,
    lease: Duration,
    response_timeout: Duration,
) {
    let least = response_timeout.saturating_mul(ATTEMPTS);
    checkup.check(
        server,
        ("lease-below-timeout", Warning),
        (lease < least).then(|| {
            format!(
                "the lease is {}, and the store waits {} for an answer",
                format_duration(lease),
                format_duration(response_timeout)
            )
        }),
        "A lease is renewed once a third of it is over. If that gets no answer, there is no time to try again, and the \
         lease lapses while its call runs.",
        format!("a lease of at least {}, or a shorter response_timeout", format_duration(least)),
    );
}

/// Whether leases outlive the time that a cluster takes to replace a node.
pub(super) fn against_failover(checkup: &mut Checkup, server: &ServerSettings, lease: Duration) {
    if server.get("cluster_enabled") != Some("1") {
        return;
    }
    let timeout = checkup.ask(server, "cluster-node-timeout");
    let timeout = timeout.and_then(|millis| millis.parse().ok()).map(Duration::from_millis);
    // When a node fails, that much is left of those that are about to be renewed.
    let left = (lease / 3).saturating_mul(2);
    let short = timeout.filter(|timeout| left <= *timeout);
    let least = timeout.unwrap_or_default().saturating_mul(2);
    checkup.check(
        &server.server,
        ("lease-below-failover", Warning),
        short.map(|timeout| {
            format!(
                "the lease is {}, and cluster-node-timeout {}",
                format_duration(lease),
                format_duration(timeout)
            )
        }),
        "A node that fails is missed for that long before a replica takes its place, and no lease is renewed until then: \
         some lapse while their calls run.",
        format!(
            "a lease of at least {}, or a shorter cluster-node-timeout on every node",
            format_duration(least)
        ),
    );
}
