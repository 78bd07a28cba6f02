//! Arbitrary bytes, in the header and in the store.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use idempotent_core::call::BinaryResult;
use idempotent_core::http::{IdempotencyKey, RequestFingerprint, StoredResponse};
use proptest::prelude::*;
use serde_json::Value;

fn stored() -> impl Strategy<Value = StoredResponse> {
    // Not `te`, say: headers of one connection do not come back.
    let name = "x-[a-z0-9-]{0,12}";
    let value = prop::collection::vec(prop_oneof![Just(b'\t'), 32..=126_u8, 128..=255_u8], 0..40);
    let lines = prop::collection::vec((name, value), 0..12);
    let body = prop::collection::vec(any::<u8>(), 0..400);
    (100..=999_u16, lines, body).prop_map(|(status, lines, body)| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::try_from(name).unwrap();
            headers.append(name, HeaderValue::from_bytes(&value).unwrap());
        }
        StoredResponse::new(StatusCode::from_u16(status).unwrap(), headers, Bytes::from(body))
    })
}

fn encoded(stored: &StoredResponse) -> Vec<u8> {
    let mut bytes = Vec::new();
    stored.encode(&mut bytes);
    bytes
}

/// JSON of few values, so that two of them are often the same.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..3_i64).prop_map(Value::from),
        Just(Value::from(9_007_199_254_740_991_i64)),
        (-2..3_i64).prop_map(|whole| Value::from(whole as f64)),
        prop::sample::select(vec![0.5, -0.0, 1e-7, 1e21]).prop_map(Value::from),
        prop::sample::select(vec!["", "a", "1", "é", "\u{10000}", "\u{ffff}"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let name =
            prop::sample::select(vec!["a", "b", "\u{10000}", "\u{ffff}"]).prop_map(String::from);
        let members = prop::collection::vec((name, inner.clone()), 0..3);
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn digest(body: Vec<u8>) -> [u8; 32] {
    let request = http::Request::post("/").header("content-type", "application/json");
    let (parts, ()) = request.body(()).unwrap().into_parts();
    RequestFingerprint::new().digest(&parts, &body.into()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn no_header_makes_the_parser_panic(value in prop::collection::vec(any::<u8>(), 0..300)) {
        let key = IdempotencyKey::from_bytes(&value);
        if let Ok(key) = key {
            prop_assert!((1..=255).contains(&key.as_str().len()));
            prop_assert!(key.as_str().bytes().all(|byte| (32..=126).contains(&byte)));
        }
    }

    #[test]
    fn no_header_of_telling_characters_makes_the_parser_panic(value in r#"[a\\"; ,=1*:?é	-]{0,24}"#) {
        let _ = IdempotencyKey::from_bytes(value.as_bytes());
    }

    #[test]
    fn every_key_is_read_from_what_it_is_sent_as(text in "[ -~]{1,255}") {
        if let Ok(key) = IdempotencyKey::new(&text) {
            let sent = key.to_header_value();
            prop_assert_eq!(IdempotencyKey::from_bytes(sent.as_bytes()), Ok(key));
        } else {
            prop_assert!(text.bytes().all(|byte| byte == b' '));
        }
    }

    #[test]
    fn a_bare_key_is_the_quoted_one(text in r"[!#-+./0-:<-\[\]-~-]{1,255}") {
        let quoted = format!("\"{text}\"");
        let (bare, quoted) =
            (IdempotencyKey::from_bytes(text.as_bytes()), IdempotencyKey::from_bytes(quoted.as_bytes()));
        prop_assert!(bare.is_ok());
        prop_assert_eq!(bare, quoted);
    }

    #[test]
    fn fingerprints_are_equal_exactly_where_rfc_8785_is((one, other) in (json(), json())) {
        let pretty = serde_json::to_vec_pretty(&one).unwrap();
        prop_assert_eq!(digest(one.to_string().into_bytes()), digest(pretty.clone()));
        let canonical = |value| serde_json_canonicalizer::to_vec(value).unwrap();
        let equal = canonical(&one) == canonical(&other);
        prop_assert_eq!(digest(pretty) == digest(other.to_string().into_bytes()), equal);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = StoredResponse::decode(&bytes);
    }

    #[test]
    fn no_change_of_a_stored_response_makes_the_decoder_panic(
        stored in stored(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encoded(&stored);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = StoredResponse::decode(&bytes);
        let _ = StoredResponse::decode(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn a_stored_response_comes_back_as_it_was(stored in stored()) {
        prop_assert_eq!(StoredResponse::decode(&encoded(&stored)), Ok(stored));
    }
}
