//! `doctor`: no check is without a test that fails if it is taken out. The tests compare all that is found, so it is enough
//! that each code is expected somewhere.

const CHECKS: [&str; 9] = [
    include_str!("../../src/commands/doctor/checkup.rs"),
    include_str!("../../src/commands/doctor/connections.rs"),
    include_str!("../../src/commands/doctor/freshness.rs"),
    include_str!("../../src/commands/doctor/lease.rs"),
    include_str!("../../src/commands/doctor/postgres.rs"),
    include_str!("../../src/commands/doctor/readable.rs"),
    include_str!("../../src/commands/doctor/redis.rs"),
    include_str!("../../src/commands/doctor/retention.rs"),
    include_str!("../../src/commands/doctor/sqlite.rs"),
];
const TESTS: [&str; 4] = [
    include_str!("doctor.rs"),
    include_str!("doctor_connections.rs"),
    include_str!("doctor_elsewhere.rs"),
    include_str!("unreadable.rs"),
];

/// The first of each pair of a code and a severity.
fn codes(source: &str) -> impl Iterator<Item = &str> {
    let checks = source.split("#[cfg(test)]").next().unwrap_or_default();
    checks.split("(\"").skip(1).filter_map(|rest| {
        let (code, rest) = rest.split_once('"')?;
        let severity = rest.strip_prefix(", ")?.trim_start_matches("Severity::");
        let is_check = ["Error)", "Warning)", "Note)"].iter().any(|it| severity.starts_with(it));
        is_check.then_some(code)
    })
}

#[test]
fn every_check_is_expected_by_a_test() {
    let all: Vec<&str> = CHECKS.iter().flat_map(|source| codes(source)).collect();
    assert!(all.len() >= 35, "{all:?}");
    for code in all {
        let (value, line) = (format!("\"{code}\""), format!("  {code}\\n"));
        let is_expected = TESTS.iter().any(|tests| tests.contains(&value) || tests.contains(&line));
        assert!(is_expected, "no test expects {code}");
    }
}
