//! What is part of sameness: each changes one thing of a request.

use http::header::IF_MATCH;
use idempotent_core::http::RequestFingerprint;

use super::json::Json;
use super::property::Case;
use super::sent::{ENCODING, HOST, Sent, TYPE};

pub(super) const CASES: &[Case] = &[
    Case::of("the method", |_, one| {
        let method = if one.method == "DELETE" { "POST" } else { "DELETE" };
        (one.clone(), Sent { method, ..one })
    }),
    Case::of("a header that overrides the method", |random, one| {
        const NAMES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];
        let name = random.of(&NAMES);
        (one.clone(), one.with_line(name, random.of(&["DELETE", "PUT"])))
    }),
    Case::of("the host", |_, mut one| {
        one.set(HOST, "eu.example");
        let mut other = one.clone();
        other.set(HOST, "us.example");
        (one, other)
    }),
    Case::of("the port of the host", |_, one| {
        let mut other = one.clone();
        other.set(HOST, "shop.example:8443");
        (one, other)
    }),
    Case::of("the path", |random, one| {
        let path = format!("{}{}", one.path, random.of(&["/", "a", "/7", "%2F"]));
        (one.clone(), Sent { path, ..one })
    }),
    Case::of("the value of a parameter", |random, one| {
        let value = random.word(b"ab1");
        let longer = format!("{value}{}", random.of(&["1", "a", "%26", "%20"]));
        (one.clone().with_query(&[("a", &value)]), one.with_query(&[("a", &longer)]))
    }),
    Case::of("the name of a parameter", |random, one| {
        let (name, value) = (random.word(b"ab"), random.word(b"12"));
        let longer = format!("{name}{}", random.of(&["c", "%26", "[]"]));
        (one.clone().with_query(&[(&name, &value)]), one.with_query(&[(&longer, &value)]))
    }),
    Case::of("a parameter without a value, or with an empty one", |random, one| {
        let name = random.word(b"ab");
        let mut other = one.clone().with_query(&[(&name, "")]);
        other.query.last_mut().unwrap().1 = None;
        (one.with_query(&[(&name, "")]), other)
    }),
    Case::of("how often a parameter is there", |random, one| {
        let parameter = (&*random.word(b"ab"), "1");
        (one.clone().with_query(&[parameter]), one.with_query(&[parameter, parameter]))
    }),
    Case::of("the order of parameters with the same name, however it is written", |random, one| {
        const NAMES: [&str; 6] = ["a", "%61", "A", "%41", "a", "%61"];
        let (first, second) = ((random.of(&NAMES), "1"), (random.of(&NAMES), "2"));
        (one.clone().with_query(&[first, second]), one.with_query(&[second, first]))
    }),
    Case::of("`+`, `%20` and `%2B` in the query", |random, one| {
        let mut forms = ["+", "%20", "%2B"];
        random.shuffle(&mut forms);
        (one.clone().with_query(&[("a", forms[0])]), one.with_query(&[("a", forms[1])]))
    }),
    Case::of("a character that separates, and its escape", |random, one| {
        let (plain, escaped) =
            [("1&b", "1%26b"), ("1=b", "1%3Db"), ("1/b", "1%2Fb")][random.below(3)];
        (one.clone().with_query(&[("a", plain)]), one.with_query(&[("a", escaped)]))
    }),
    Case::of("the media type", |random, one| {
        let types = ["text/plain", "application/json", "application/a+json", "text/html"];
        let at = random.below(4);
        let other = types[(at + 1 + random.below(3)) % 4];
        (one.clone().typed(types[at]), one.typed(other))
    }),
    Case::of("a parameter of the media type", |random, one| {
        let media_type =
            random.of(&["application/vnd.shop+json", "application/json", "text/plain"]);
        let version = random.below(9);
        let typed = |version| one.clone().typed(format!("{media_type}; v={version}"));
        (typed(version), typed(version + 1))
    }),
    Case::of("the charset of a type that is not JSON", |_, one| {
        (one.clone().typed("text/plain"), one.typed("text/plain; charset=utf-8"))
    }),
    Case::of("bytes of the type that are not ASCII", |random, one| {
        let byte = 0x80 + random.below(0x7f) as u8;
        (one.clone().typed([byte]), one.typed([byte + 1]))
    }),
    Case::of("a second type", |_, one| {
        let one = one.typed("text/plain");
        (one.clone(), one.with_line(TYPE, "text/html"))
    }),
    Case::of("the encoding of the body", |random, mut one| {
        one.set(ENCODING, "gzip");
        let mut other = one.clone();
        match random.one_in(2) {
            true => other.set(ENCODING, "br"),
            false => other.add(ENCODING, "br"),
        }
        (one, other)
    }),
    Case {
        fingerprint: || RequestFingerprint::new().header(IF_MATCH),
        ..Case::of("a header that is named with `header`", |random, one| {
            let tag = random.word(b"ab");
            let other = one.clone().with_line("if-match", format!("{tag}x"));
            (one.with_line("if-match", tag), other)
        })
    },
    Case::of("the bytes of a body that is not JSON", |random, one| {
        let body = random.word(b"ab 1").into_bytes();
        let mut other = body.clone();
        match random.below(3) {
            0 => other.push(b' '),
            1 => other.insert(0, b'\n'),
            _ => other[0] ^= 1,
        }
        let one = one.typed("text/plain");
        (one.clone().with_body(body), one.with_body(other))
    }),
    Case::of("a value, a name or a member of JSON", |random, one| {
        let json = Json::object(random, 3);
        let mut other = json.clone();
        other.change(random);
        pair_of_json(one, json.write(random), other.write(random))
    }),
    Case::of("the order of items in an array of JSON", |random, one| {
        let item = Json::Number(random.below(100) as i64);
        let mut other = item.clone();
        other.change(random);
        let array = |items: [&Json; 2]| Json::Array(items.map(Json::clone).to_vec());
        let (first, second) = (array([&item, &other]), array([&other, &item]));
        pair_of_json(one, first.write(random), second.write(random))
    }),
    Case::of("numbers of JSON that doubles do not tell apart", |random, one| {
        let number = 9_007_199_254_740_992 + random.below(1_000_000) as u64;
        pair_of_json(one, format!("[{number}]"), format!("[{}]", number + 1))
    }),
    Case::of(
        "the bytes of JSON with a name twice, or a number that no double is",
        |random, one| {
            let json =
                random.of(&[r#"{"a":1,"a":2}"#, "[9007199254740993]", r#"{"a":{"b":1,"b":1}}"#]);
            pair_of_json(one, json.to_owned(), format!("{json} "))
        },
    ),
];

fn pair_of_json(one: Sent, first: String, second: String) -> (Sent, Sent) {
    let one = one.typed("application/json");
    (one.clone().with_body(first), one.with_body(second))
}
