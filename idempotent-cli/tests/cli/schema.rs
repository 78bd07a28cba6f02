//! Whether documents are as `schema/output.json` says. It knows the words that the schema uses and no others, so one
//! that it would not check fails.

use serde_json::Value;

const SCHEMA: &str = include_str!("../../schema/output.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("the schema is JSON")
}

/// Fails unless a document is as the schema says.
pub(crate) fn check(document: &Value) {
    let root = schema();
    if let Err(why) = fits(&root, &root, document, "$") {
        panic!("{why}\n{document:#}");
    }
}

fn fits(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let words = schema.as_object().ok_or("a schema is an object")?;
    for (word, says) in words {
        match word.as_str() {
            "$schema" | "$defs" | "title" | "description" | "required" | "additionalProperties" => {
            }
            "$ref" => {
                let name =
                    says.as_str().and_then(|path| path.strip_prefix("#/$defs/")).ok_or("a path")?;
                fits(root, &root["$defs"][name], value, at)?;
            }
            "const" => ensure(says == value, || format!("{at} is not {says}"))?,
            "enum" => {
                let is_one = says.as_array().is_some_and(|all| all.contains(value));
                ensure(is_one, || format!("{at} is {value}, none of {says}"))?;
            }
            "type" => ensure(has_type(says, value), || format!("{at} is no {says}"))?,
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    fits(root, says, item, &format!("{at}[{index}]"))?;
                }
            }
            "allOf" => {
                for part in says.as_array().into_iter().flatten() {
                    fits(root, part, value, at)?;
                }
            }
            "oneOf" | "anyOf" => {
                let parts = says.as_array().ok_or("a list")?;
                let tried: Vec<_> = parts.iter().map(|part| fits(root, part, value, at)).collect();
                let fitting = tried.iter().filter(|it| it.is_ok()).count();
                if fitting == 0 || (word == "oneOf" && fitting > 1) {
                    let kind = &value["kind"];
                    let why: Vec<_> = tried.into_iter().filter_map(Result::err).collect();
                    let why = why.iter().filter(|why| !why.contains("kind")).collect::<Vec<_>>();
                    return Err(format!("{at}: {fitting} fit {kind}: {why:?}"));
                }
            }
            "properties" => properties(root, schema, value, at)?,
            other => {
                return Err(format!("the schema uses {other}, which this test does not check"));
            }
        }
    }
    Ok(())
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn properties(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Some(object) = value.as_object() else { return Ok(()) };
    let empty = Vec::new();
    for name in schema["required"].as_array().unwrap_or(&empty) {
        let name = name.as_str().ok_or("a name")?;
        if !object.contains_key(name) {
            return Err(format!("{at} has no {name}"));
        }
    }
    for (name, field) in object {
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(says), _) => fits(root, says, field, &format!("{at}.{name}"))?,
            (None, Some(Value::Bool(false))) => return Err(format!("{at} has a field {name}")),
            _ => {}
        }
    }
    Ok(())
}

fn has_type(says: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("the schema has a type {other}"),
    };
    match says {
        Value::String(name) => is(name),
        says => says.as_array().into_iter().flatten().filter_map(Value::as_str).any(is),
    }
}

#[test]
fn a_document_that_is_not_as_the_schema_says_is_found() {
    let document = serde_json::json!({ "kind": "unreadable", "id": null, "key": "k", "reason": "r", "newer": false });
    check(&document);
    for (field, value) in [("key", Value::Null), ("more", Value::Null), ("kind", "record".into())] {
        let mut wrong = document.clone();
        wrong[field] = value;
        assert!(fits(&schema(), &schema(), &wrong, "$").is_err(), "{field}");
    }
}
