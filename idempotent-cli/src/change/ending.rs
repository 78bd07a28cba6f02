//! What a call turned out to be, as an operator writes it.

use std::io::Read as _;
use std::time::Duration;
use std::{fs, io};

use idempotent_core::engine::{Inspection, Resolution};
use idempotent_core::model::StepEntry;

use super::response;
use crate::args::Ending;
use crate::failure::Failure;
use crate::output::{ResultDocument, Value};

/// What a call turned out to be.
pub(crate) struct Said {
    pub(crate) resolution: Resolution,
    /// Its name in the audit line.
    pub(crate) name: &'static str,
    /// What retries replay, to be shown before it is recorded.
    pub(crate) result: Option<ResultDocument>,
}

/// The resolution that is meant; `None` if nothing is said.
pub(crate) fn resolution(
    seen: &Inspection,
    ending: &Ending,
    is_response: bool,
    keep_for: Option<Duration>,
) -> Result<Option<Said>, Failure> {
    let (text, is_error) = match (&ending.happened, &ending.failed) {
        (Some(text), _) => (text, false),
        (None, Some(text)) => (text, true),
        (None, None) => return Ok(None),
    };
    let json = read(text)?;
    let types = seen.result_types();
    let expected = types.and_then(|types| if is_error { types.err } else { Some(types.ok) });
    let (resolution, result) =
        if !is_error && (is_response || expected.is_some_and(response::is_one)) {
            let response = response::parse(&json)?;
            let resolution = Resolution::completed_binary(&response).of_any_type();
            (resolution, ResultDocument::response(&response))
        } else {
            let value = parse(&json)?;
            if let Some(problem) = expected.and_then(|name| mismatch("operation", name, &value)) {
                return Err(Failure::usage(problem));
            }
            let result = ResultDocument::value(value.clone(), is_error);
            let resolution = match is_error {
                false => Resolution::completed(value).of_any_type(),
                true if types.is_some() && expected.is_none() => {
                    return Err(Failure::usage(
                        "the operation does not memoize errors, so no retry could replay this one",
                    ));
                }
                true => Resolution::failed(value).of_any_type(),
            };
            (resolution, result)
        };
    let resolution = match keep_for {
        Some(time) => resolution.keep_for(time),
        None => resolution,
    };
    let name = if is_error { "failed" } else { "happened" };
    Ok(Some(Said { resolution, name, result: Some(result) }))
}

/// The resolution of a step that happened with this result, or never did.
pub(crate) fn step_resolution(step: &StepEntry, happened: Option<&str>) -> Result<Said, Failure> {
    let Some(text) = happened else {
        let resolution = Resolution::never_happened_and_owner_is_dead();
        return Ok(Said { resolution, name: "never_happened_and_owner_is_dead", result: None });
    };
    let value = parse(&read(text)?)?;
    let types = step.result_types();
    if let Some(problem) = types.and_then(|types| mismatch("step", types.ok, &value)) {
        return Err(Failure::usage(problem));
    }
    let result = Some(ResultDocument::value(value.clone(), false));
    let resolution = Resolution::completed(value).of_any_type();
    Ok(Said { resolution, name: "happened", result })
}

fn parse(json: &str) -> Result<Value, Failure> {
    serde_json::from_str(json).map_err(|error| {
        let is_word = json.trim_start().starts_with(|c: char| c.is_alphanumeric());
        let hint = if is_word && !json.contains(['\'', '"', '\n']) {
            format!(
                ": a text has quotes of its own, which the shell must not take: '\"{}\"'",
                json.trim()
            )
        } else {
            String::new()
        };
        Failure::usage(format!("that is no JSON ({error}){hint}"))
    })
}

/// JSON as it stands, from a file, or from stdin.
fn read(text: &str) -> Result<String, Failure> {
    let Some(file) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    let read = if file == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    read.map_err(|error| Failure::usage(format!("{file} cannot be read: {error}")))
}

/// What is wrong with a value, if its type is one whose JSON is known.
fn mismatch(whose: &str, name: &str, value: &Value) -> Option<String> {
    let is_number = matches!(value, Value::Signed(_) | Value::Unsigned(_));
    let (fits, wanted) = match name {
        "alloc::string::String" | "char" => (matches!(value, Value::Text(_)), "a text in quotes"),
        "bool" => (matches!(value, Value::Bool(_)), "true or false"),
        "()" => (matches!(value, Value::Null), "null"),
        "f32" | "f64" => (is_number || matches!(value, Value::Float(_)), "a number"),
        "u8" | "u16" | "u32" | "u64" | "usize" => {
            (matches!(value, Value::Unsigned(_)), "a whole number that is not negative")
        }
        "i8" | "i16" | "i32" | "i64" | "isize" => (is_number, "a whole number"),
        _ if name.starts_with("alloc::vec::Vec<") => (matches!(value, Value::List(_)), "a list"),
        _ => return None,
    };
    (!fits).then(|| format!("the {whose} returns a `{name}`, so its JSON has to be {wanted}"))
}
