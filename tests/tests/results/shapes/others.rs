//! Types of the standard library and of well-known crates.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Tried, shape};

const GROUP: &str = "Other types";

/// JSON text, which has no equality of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Raw {
    body: Box<RawValue>,
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.body.get() == other.body.get()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Paid {
    at: DateTime<FixedOffset>,
}

pub(super) fn shapes() -> Vec<Tried> {
    let at = Utc.with_ymd_and_hms(2024, 2, 29, 23, 59, 58).unwrap() + TimeDelta::nanoseconds(7);
    let offset = |seconds: i32| FixedOffset::east_opt(seconds).unwrap();
    let naive: NaiveDateTime = at.naive_utc();
    let local = offset(28).from_utc_datetime(&naive);
    let ip = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    vec![
        shape(GROUP, "`Duration`, `SystemTime`", (Duration::MAX, SystemTime::UNIX_EPOCH)),
        shape(GROUP, "`IpAddr`, `SocketAddr`", (ip, SocketAddr::new(ip, 80))),
        shape(GROUP, "`PathBuf`", PathBuf::from("/a/b")),
        shape(GROUP, "`uuid::Uuid`", Uuid::max()),
        shape(GROUP, "`serde_json::Value`", json!({"null": null, "list": [1, "x", {}], "": true})),
        shape(
            GROUP,
            "`serde_json::value::RawValue`",
            Raw { body: RawValue::from_string("{}".to_owned()).unwrap() },
        ),
        shape(
            GROUP,
            "`chrono::DateTime<Utc>`, `NaiveDate`",
            (at, DateTime::<Utc>::MAX_UTC, NaiveDate::MIN),
        ),
        shape(
            GROUP,
            "`chrono::DateTime<FixedOffset>` of whole minutes",
            Paid { at: at.with_timezone(&offset(5400)) },
        ),
        shape(
            GROUP,
            "`chrono::DateTime<FixedOffset>` with seconds in its offset",
            Paid { at: local },
        ),
    ]
}
