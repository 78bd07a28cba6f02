//! Times by RFC 3339.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999, since 1970: later ones have no text by RFC 3339.
const LAST_SECOND: i64 = 253_402_300_799;

/// The time, if it is one; `None` also if the system has no such time.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    if !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
        return None;
    }
    let (year, month, day) = (number(date, 0, 4)?, number(date, 5, 2)?, number(date, 8, 2)?);
    let (hour, minute, second) = (number(rest, 0, 2)?, number(rest, 3, 2)?, number(rest, 6, 2)?);
    let separators = [date.as_bytes()[4], date.as_bytes()[7]];
    if separators != [b'-'; 2] || [rest.as_bytes()[2], rest.as_bytes()[5]] != [b':'; 2] {
        return None;
    }
    // A leap second has the time of the one that follows.
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, zone) = fraction(rest.get(8..)?)?;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let seconds = seconds - offset(zone)?;
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = match seconds {
        0.. => UNIX_EPOCH.checked_add(whole),
        _ => UNIX_EPOCH.checked_sub(whole),
    };
    time?.checked_add(Duration::from_nanos(nanos))
}

/// The text of a time that is given in seconds since 1970, by digits alone.
pub(super) fn from_seconds(text: &str) -> Option<String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = text.parse().ok().filter(|seconds| *seconds <= LAST_SECOND)?;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let began = |year, month| days_since_1970(year, month, 1) <= days;
    let year = (1970 + days / 366..).take_while(|year| began(*year, 1)).last()?;
    let month = (1..=12).take_while(|month| began(year, *month)).last()?;
    let day = days - days_since_1970(year, month, 1) + 1;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// Digits, and nothing else.
fn number(text: &str, from: usize, digits: usize) -> Option<i64> {
    let digits = text.get(from..from + digits)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    digits.parse().ok()
}

/// The nanoseconds after the point, if there is one, and what follows.
fn fraction(text: &str) -> Option<(u64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    let (digits, zone) = rest.split_at(end);
    let mut nanos = 0;
    for place in 0..9 {
        let digit = digits.as_bytes().get(place).map_or(0, |digit| digit - b'0');
        nanos = nanos * 10 + u64::from(digit);
    }
    (!digits.is_empty()).then_some((nanos, zone))
}

/// How many seconds the zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(zone, 1, 2)?, number(zone, 4, 2)?);
    let is_offset = zone.len() == 6 && zone.as_bytes()[3] == b':' && hours < 24 && minutes < 60;
    is_offset.then_some(sign * (hours * 3_600 + minutes * 60))
}

fn days_of(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that a leap day is the last day of one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between March of the year 0 and 1970.
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let at = |seconds: u64, nanos: u64| {
            Some(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanos))
        };
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", at(0, 0)),
            ("2018-04-05T17:31:00Z", at(1_522_949_460, 0)),
            ("2018-04-05t19:31:00.25+02:00", at(1_522_949_460, 250_000_000)),
            ("2018-04-05T17:01:00.123456789123-00:30", at(1_522_949_460, 123_456_789)),
            ("2000-02-29T23:59:60Z", at(951_868_800, 0)),
            ("1969-12-31T23:59:59.5Z", Some(UNIX_EPOCH - Duration::from_millis(500))),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn seconds_are_times_up_to_the_year_9999() {
        for (seconds, expected) in [
            ("0", "1970-01-01T00:00:00Z"),
            ("951868799", "2000-02-29T23:59:59Z"),
            ("951868800", "2000-03-01T00:00:00Z"),
            ("1522949460", "2018-04-05T17:31:00Z"),
            ("1735689599", "2024-12-31T23:59:59Z"),
            ("253402300799", "9999-12-31T23:59:59Z"),
        ] {
            let text = from_seconds(seconds).unwrap();
            let at = UNIX_EPOCH + Duration::from_secs(seconds.parse().unwrap());
            assert_eq!((text.as_str(), parse(&text)), (expected, Some(at)));
        }
        for text in ["", "-1", "+1", "1.5", "253402300800", "99999999999999999999", "2018-04-05"] {
            assert_eq!(from_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2018-04-05",
            "2018-04-05T17:31:00",
            "2018-04-05T17:31:00.Z",
            "2018-02-29T00:00:00Z",
            "2018-13-01T00:00:00Z",
            "2018-04-05T24:00:00Z",
            "2018-04-05T17:31Z",
            "2018/04/05T17:31:00Z",
            "2018-04-05T17:31:00+2:00",
            "2018-04-05T17:31:00Z ",
            "+018-04-05T17:31:00Z",
            "2018-04-05T17:31:00é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
