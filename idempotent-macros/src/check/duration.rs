//! Durations: a string such as `"24h"` is parsed at compile time, any other expression is a `Duration`.

use std::fmt;
use std::time::Duration;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprLit, Lit, LitStr};

use super::value::{ungrouped, written};
use crate::errors::Errors;

/// The length of time that an option is set to.
pub(crate) enum Length {
    /// A string literal, and the duration that it means.
    Fixed(LitStr, Duration),
    /// An expression of type `Duration`.
    Given(Expr),
}

impl Length {
    /// How long it is, if that is known: of a string, and of `Duration::from_secs(5)`.
    pub(super) fn known(&self) -> Option<Duration> {
        let call = match self {
            Self::Fixed(_, duration) => return Some(*duration),
            Self::Given(expr) => match ungrouped(expr) {
                Expr::Call(call) => call,
                _ => return None,
            },
        };
        let (1, Some(Expr::Lit(ExprLit { lit: Lit::Int(number), .. }))) =
            (call.args.len(), call.args.first())
        else {
            return None;
        };
        let number: u64 = number.base10_parse().ok()?;
        let function = call.func.to_token_stream().to_string().replace(' ', "");
        Some(match function.rsplit_once("Duration::")?.1 {
            "from_nanos" => Duration::from_nanos(number),
            "from_micros" => Duration::from_micros(number),
            "from_millis" => Duration::from_millis(number),
            "from_secs" => Duration::from_secs(number),
            "from_mins" => Duration::from_secs(number.checked_mul(60)?),
            "from_hours" => Duration::from_secs(number.checked_mul(3_600)?),
            _ => return None,
        })
    }

    pub(super) fn tokens(&self) -> TokenStream {
        match self {
            Self::Fixed(literal, _) => literal.to_token_stream(),
            Self::Given(expr) => expr.to_token_stream(),
        }
    }
}

/// What is wrong with the text of a duration.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Empty,
    NoNumber(String),
    Unlimited(String),
    /// A duration of ISO 8601, with the same one as it is written here.
    Iso8601(String),
    NoUnit(String),
    Fraction(String),
    UnknownUnit(String),
    TooLong,
    Zero,
}

pub(super) fn check(option: &str, value: Expr, errors: &mut Errors) -> Option<Length> {
    let literal = match ungrouped(&value) {
        Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => literal,
        Expr::Lit(number) => {
            errors.at(
                number,
                format_args!("`{option}` must be a duration with a unit"),
                format_args!("write `{option} = \"30s\"`, or an expression of type `Duration`"),
            );
            return None;
        }
        Expr::Path(path) if path.path.is_ident("None") => {
            errors.at(
                path,
                format_args!("`{option}` must be a duration, not an `Option`"),
                format_args!("remove `{option}` to get its default"),
            );
            return None;
        }
        Expr::Call(call) if matches!(&*call.func, Expr::Path(path) if path.path.is_ident("Some")) =>
        {
            errors.at(
                call,
                format_args!("`{option}` must be a duration, not an `Option`"),
                format_args!("write `{option} = {}`", written(&call.args)),
            );
            return None;
        }
        _ => return Some(Length::Given(value)),
    };
    match parse(&literal.value()) {
        Ok(duration) => Some(Length::Fixed(literal.clone(), duration)),
        Err(fault) => {
            errors.at(literal, &fault, fault.help());
            None
        }
    }
}

/// Parses the grammar of the `humantime` crate: numbers with units that add up, as in `1h 30m`.
fn parse(text: &str) -> Result<Duration, Fault> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(Fault::Empty);
    }
    if let Some(units) = iso8601(rest) {
        return Err(Fault::Iso8601(units));
    }
    if UNLIMITED.iter().any(|word| rest.eq_ignore_ascii_case(word)) {
        return Err(Fault::Unlimited(rest.to_owned()));
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (number, tail) = split(rest, |c| c.is_ascii_digit());
        let (unit, tail) = split(tail.trim_start(), |c| !c.is_ascii_digit() && !c.is_whitespace());
        if number.is_empty() {
            return Err(Fault::NoNumber(unit.to_owned()));
        }
        if unit.is_empty() {
            return Err(Fault::NoUnit(number.to_owned()));
        }
        if unit.starts_with(['.', ',']) {
            return Err(Fault::Fraction(text.to_owned()));
        }
        let unit = unit_nanos(unit).ok_or_else(|| Fault::UnknownUnit(unit.to_owned()))?;
        let number: u128 = number.parse().map_err(|_| Fault::TooLong)?;
        nanos = number
            .checked_mul(unit)
            .and_then(|length| nanos.checked_add(length))
            .ok_or(Fault::TooLong)?;
        rest = tail.trim_start();
    }
    if nanos == 0 {
        return Err(Fault::Zero);
    }
    let seconds = u64::try_from(nanos / SECOND).map_err(|_| Fault::TooLong)?;
    Ok(Duration::from_secs(seconds) + Duration::from_nanos((nanos % SECOND) as u64))
}

/// Words for a duration that does not end, which no option has.
const UNLIMITED: [&str; 8] =
    ["forever", "never", "infinite", "infinity", "unlimited", "always", "permanent", "none"];

/// A duration of ISO 8601, such as `P1DT12H`, as numbers with units.
fn iso8601(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix(['P', 'p'])?;
    let mut is_time = false;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix(['T', 't']) {
            is_time = true;
            rest = time;
        }
        let (number, tail) = split(rest, |c| c.is_ascii_digit());
        let unit = tail.chars().next()?.to_ascii_lowercase();
        let unit = match (unit, is_time) {
            _ if number.is_empty() => return None,
            ('m', false) => 'M',
            ('y' | 'w' | 'd', false) | ('h' | 'm' | 's', true) => unit,
            _ => return None,
        };
        parts.push(format!("{number}{unit}"));
        rest = &tail[1..];
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

const SECOND: u128 = 1_000_000_000;

fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "nsec" | "ns" => 1,
        "usec" | "us" | "µs" => 1_000,
        "msec" | "ms" => 1_000_000,
        "seconds" | "second" | "sec" | "s" => SECOND,
        "minutes" | "minute" | "mins" | "min" | "m" => 60 * SECOND,
        "hours" | "hour" | "hrs" | "hr" | "h" => 3_600 * SECOND,
        "days" | "day" | "d" => 86_400 * SECOND,
        "weeks" | "week" | "wks" | "wk" | "w" => 604_800 * SECOND,
        "months" | "month" | "M" => 2_630_016 * SECOND,
        "years" | "year" | "yrs" | "yr" | "y" => 31_557_600 * SECOND,
        _ => return None,
    })
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a duration cannot be empty"),
            Self::NoNumber(text) => write!(f, "expected a number before `{text}`"),
            Self::Unlimited(text) => {
                write!(f, "`{text}` is not a duration: every duration must end")
            }
            Self::Iso8601(_) => write!(f, "durations are not written as in ISO 8601"),
            Self::NoUnit(number) => write!(f, "`{number}` has no unit"),
            Self::Fraction(text) => {
                write!(f, "`{text}` has a fraction, which durations cannot have")
            }
            Self::UnknownUnit(unit) => write!(f, "`{unit}` is not a unit of time"),
            Self::TooLong => write!(f, "this duration is too long"),
            Self::Zero => write!(f, "a duration cannot be zero"),
        }
    }
}

impl Fault {
    fn help(&self) -> String {
        match self {
            Self::NoNumber(text) if unit_nanos(text).is_some() => {
                format!("write a number, as in `\"1{text}\"`")
            }
            Self::Empty | Self::NoNumber(_) => "write a number and a unit, as in `\"24h\"`".to_owned(),
            Self::Unlimited(_) => {
                "write the longest time that is needed, as in `\"1y\"`"
                    .to_owned()
            }
            Self::Iso8601(units) => format!("write `\"{units}\"`"),
            Self::NoUnit(number) => format!("write a unit, as in `\"{number}s\"`"),
            Self::Fraction(_) => "write whole numbers of smaller units, as in `\"1h 30m\"`".to_owned(),
            Self::UnknownUnit(_) => {
                "the units are `ns`, `us`, `ms`, `s`, `m` (minutes), `h`, `d`, `w`, `M` (months) and `y`"
                    .to_owned()
            }
            Self::TooLong => "write a duration of less than 584942417355 years".to_owned(),
            Self::Zero => "write a longer duration, as in `\"24h\"`".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_add_up() {
        let read = |text: &str| parse(text).unwrap();
        assert_eq!(read("24h"), Duration::from_secs(86_400));
        assert_eq!(read("1h 30m"), Duration::from_secs(5_400));
        assert_eq!(read("1h30m"), Duration::from_secs(5_400));
        assert_eq!(read("500ms"), Duration::from_millis(500));
        assert_eq!(read(" 1 day "), Duration::from_secs(86_400));
        assert_eq!(read("2s 3us 1ns"), Duration::new(2, 3_001));
        assert_eq!(read("1M"), Duration::from_secs(2_630_016));
    }

    #[test]
    fn each_fault_is_told_apart() {
        let fault = |text: &str| parse(text).unwrap_err();
        assert_eq!(fault(""), Fault::Empty);
        assert_eq!(fault("h"), Fault::NoNumber("h".to_owned()));
        assert_eq!(fault("Forever"), Fault::Unlimited("Forever".to_owned()));
        assert_eq!(fault("P1D"), Fault::Iso8601("1d".to_owned()));
        assert_eq!(fault("P1Y2MT3H4M5S"), Fault::Iso8601("1y 2M 3h 4m 5s".to_owned()));
        assert_eq!(fault("PT"), Fault::NoNumber("PT".to_owned()));
        assert_eq!(fault("P"), Fault::NoNumber("P".to_owned()));
        assert_eq!(fault("10"), Fault::NoUnit("10".to_owned()));
        assert_eq!(fault("1.5h"), Fault::Fraction("1.5h".to_owned()));
        assert_eq!(fault("3 fortnights"), Fault::UnknownUnit("fortnights".to_owned()));
        assert_eq!(fault("0s"), Fault::Zero);
        assert_eq!(fault("600000000000y"), Fault::TooLong);
        assert_eq!(fault(&"9".repeat(60)), Fault::NoUnit("9".repeat(60)));
        assert_eq!(fault(&format!("{}s", "9".repeat(60))), Fault::TooLong);
    }
}
