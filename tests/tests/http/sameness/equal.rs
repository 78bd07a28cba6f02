//! What is not part of sameness: each writes a request in another way, or changes what does not count.

use idempotent_core::http::RequestFingerprint;

use super::json::Json;
use super::property::Case;
use super::random::Random;
use super::sent::HOST;

pub(super) const CASES: &[Case] = &[
    Case::of("the order of parameters with different names", |random, one| {
        let mut parameters = [("a", "1"), ("b", "2"), ("c", "3"), ("b", "4")];
        let first = one.clone().with_query(&parameters);
        random.shuffle(&mut parameters);
        // The two with one name keep their order.
        let mut values = ["2", "4"].into_iter();
        for parameter in parameters.iter_mut().filter(|(name, _)| *name == "b") {
            parameter.1 = values.next().unwrap();
        }
        (first, one.with_query(&parameters))
    }),
    Case::of("an escape in the query of a character that needs none", |random, one| {
        let text = random.word(b"abAZ09-._~");
        let (name, value) = (escaped(&text, random), escaped(&text, random));
        (one.clone().with_query(&[(&text, &text)]), one.with_query(&[(&name, &value)]))
    }),
    Case::of("the case of digits in an escape in the query", |random, one| {
        let text = random.of(&["%2f", "%3d%2b", "a%26", "%c3%a9"]);
        let upper =
            text.to_ascii_uppercase().replace('A', if text.starts_with('a') { "a" } else { "A" });
        (one.clone().with_query(&[("a", text)]), one.with_query(&[("a", &upper)]))
    }),
    Case::of("the case of the host", |_, mut one| {
        one.set(HOST, "shop.example");
        let mut other = one.clone();
        other.set(HOST, "Shop.EXAMPLE");
        (one, other)
    }),
    Case::of("the version of HTTP, and with it where the host stands", |_, mut one| {
        one.set(HOST, "shop.example");
        let mut other = one.clone();
        other.lines.retain(|(name, _)| *name != HOST);
        other.authority = Some("shop.example".to_owned());
        (one, other)
    }),
    Case {
        fingerprint: || RequestFingerprint::new().any_host(),
        ..Case::of("the host, with `any_host`", |_, mut one| {
            one.set(HOST, "eu.example");
            let mut other = one.clone();
            other.set(HOST, "us.example");
            (one, other)
        })
    },
    Case::of(
        "the case of the media type and of its parameters' names, and spaces around them",
        |random, one| {
            let other = random.of(&[
                "TEXT/Plain ; A=x;b=Y",
                "text/plain;a=x; B=Y",
                "text/plain; a=x ;b=Y;",
            ]);
            (one.clone().typed("text/plain; a=x; b=Y"), one.typed(other))
        },
    ),
    Case::of("UTF-8 as the charset of JSON", |random, one| {
        let other = random.of(&["; charset=utf-8", ";charset=UTF-8", "; Charset=\"utf-8\""]);
        let media_type = random.of(&["application/json", "application/a+json"]);
        (one.clone().typed(media_type), one.typed(format!("{media_type}{other}")))
    }),
    Case::of(
        "spaces, the order of members, escapes and ways to write a number in JSON",
        |random, one| {
            let json = Json::object(random, 3);
            let one = one.typed("application/json");
            (one.clone().with_body(json.write(random)), one.with_body(json.write(random)))
        },
    ),
    Case {
        fingerprint: || RequestFingerprint::new().exclude("/sent_at"),
        ..Case::of("a member of JSON that is left out with `exclude`", |random, one| {
            let one = one.typed("application/json");
            let body = |at| format!("{{\"a\":1,\"sent_at\":{at}}}");
            (one.clone().with_body(body(random.below(9))), one.with_body(body(random.below(9) + 9)))
        })
    },
    Case::of("any other header", |random, one| {
        const NAMES: [&str; 7] = [
            "accept",
            "authorization",
            "cookie",
            "if-match",
            "traceparent",
            "x-forwarded-for",
            "x-forwarded-host",
        ];
        let name = random.of(&NAMES);
        (one.clone(), one.with_line(name, random.word(b"ab1")))
    }),
];

/// The same text, with some of its characters escaped.
fn escaped(text: &str, random: &mut Random) -> String {
    let escape = |byte| match random.one_in(2) {
        true => format!("%{byte:02x}"),
        false => char::from(byte).to_string(),
    };
    text.bytes().map(escape).collect()
}
