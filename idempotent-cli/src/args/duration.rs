//! Times, as they are written on the command line.

use std::time::Duration;

/// A time: a number and its unit, or several of them.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text)
        .map_err(|_| "a time is a number and its unit: 90s, 15m, 2h, 3days")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_is_told_how_one_is_written() {
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5_400)));
        for wrong in ["yesterday", "15", "15 parsecs", ""] {
            assert!(duration(wrong).is_err_and(|says| says.contains("15m")), "{wrong}");
        }
    }
}
