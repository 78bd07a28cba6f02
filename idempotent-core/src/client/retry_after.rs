//! Parsing the `Retry-After` header: seconds, or a date.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

/// How long the server asks to wait: the longest time, if a proxy has added its own. An invalid header is
/// ignored.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let values = headers.get_all(RETRY_AFTER).into_iter();
    values.filter_map(|value| one(value.to_str().ok()?.trim(), headers, now)).max()
}

fn one(value: &str, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits fail to parse only if the number is too large.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    // The clocks of server and client may differ, so the date is compared with the server's own `Date`.
    let now =
        text(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
    Some(date.duration_since(now).unwrap_or_default())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::to_str)?.ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "Wed, 21 Oct 2015 12:00:00 GMT";

    fn read(headers: &[(HeaderName, &str)]) -> Option<u64> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        let now = httpdate::parse_http_date(NOON).unwrap();
        retry_after(&map, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_are_read() {
        for (value, secs) in
            [("0", 0), ("120", 120), (" 7 ", 7), ("99999999999999999999", u64::MAX)]
        {
            assert_eq!(read(&[(RETRY_AFTER, value)]), Some(secs), "{value}");
        }
    }

    #[test]
    fn a_date_is_read_in_each_form_of_http() {
        for date in [
            "Wed, 21 Oct 2015 12:01:30 GMT",
            "Wednesday, 21-Oct-15 12:01:30 GMT",
            "Wed Oct 21 12:01:30 2015",
        ] {
            assert_eq!(read(&[(RETRY_AFTER, date)]), Some(90), "{date}");
        }
    }

    #[test]
    fn a_date_is_compared_with_the_servers_own_clock() {
        let headers = [
            (RETRY_AFTER, "Wed, 21 Oct 2015 13:00:30 GMT"),
            (DATE, "Wed, 21 Oct 2015 13:00:00 GMT"),
        ];
        assert_eq!(read(&headers), Some(30));
    }

    #[test]
    fn a_date_in_the_past_asks_for_no_pause() {
        assert_eq!(read(&[(RETRY_AFTER, "Wed, 21 Oct 2015 11:00:00 GMT")]), Some(0));
    }

    #[test]
    fn of_two_values_the_longer_counts() {
        let headers: Vec<_> = ["5", "soon", "120", "7"].map(|value| (RETRY_AFTER, value)).into();
        assert_eq!(read(&headers), Some(120));
    }

    #[test]
    fn an_invalid_value_is_ignored() {
        for value in ["", "-1", "+1", "1.5", "soon", "Wed, 21 Oct 2015"] {
            assert_eq!(read(&[(RETRY_AFTER, value)]), None, "{value}");
        }
        assert_eq!(read(&[]), None);
    }
}
