//! Key strings and the pieces that they are split into.

use super::*;

/// Formats values as `‹source|format›`, and leaves text unchanged.
fn read(text: &str) -> String {
    let piece = |piece| match piece {
        Piece::Text(text) => text,
        Piece::Value { source, format, .. } => match format {
            Some(format) => format!("‹{source}|{format}›"),
            None => format!("‹{source}›"),
        },
    };
    pieces(text).unwrap().into_iter().map(piece).collect()
}

fn fault(text: &str) -> &'static str {
    pieces(text).unwrap_err().what
}

#[test]
fn text_and_values_alternate() {
    assert_eq!(read("order:{order.id}:x"), "order:‹order.id›:x");
    assert_eq!(read("{a}{b}"), "‹a›‹b›");
    assert_eq!(read("plain"), "plain");
}

#[test]
fn doubled_braces_are_braces() {
    assert_eq!(read("{{{a}}}"), "{‹a›}");
    assert_eq!(read("}}{{"), "}{");
}

#[test]
fn the_first_lone_colon_begins_the_spec() {
    assert_eq!(read("{lines.len():>4}"), "‹lines.len()|>4›");
    assert_eq!(read("{Self::id(a)}"), "‹Self::id(a)›");
    assert_eq!(read("{<T as Id>::ID:x}"), "‹<T as Id>::ID|x›");
    assert_eq!(
        read("{v.iter().map(|x: &u8| x).count():02}"),
        "‹v.iter().map(|x: &u8| x).count()|02›"
    );
    assert_eq!(read("{parse::<Vec<u8>>(x)}"), "‹parse::<Vec<u8>>(x)›");
}

#[test]
fn braces_and_quotes_belong_to_the_expression_they_stand_in() {
    assert_eq!(read(r#"{m["}"]}!"#), r#"‹m["}"]›!"#);
    assert_eq!(read(r#"{f("\"}")}!"#), r#"‹f("\"}")›!"#);
    assert_eq!(read(r##"{f(r#""}"#)}!"##), r##"‹f(r#""}"#)›!"##);
    assert_eq!(read("{f('}')}!"), "‹f('}')›!");
    assert_eq!(read(r"{f('\'')}!"), r"‹f('\'')›!");
    assert_eq!(read(r"{f('\u{7d}')}!"), r"‹f('\u{7d}')›!");
    assert_eq!(read("{f::<'a>(x)}!"), "‹f::<'a>(x)›!");
    assert_eq!(read("{if a { b } else { c }}!"), "‹if a { b } else { c }›!");
    assert_eq!(read("{P { x: 1 }.x}!"), "‹P { x: 1 }.x›!");
    assert_eq!(read("{r#type}!"), "‹r#type›!");
    assert_eq!(read("{bar(b\"}\")}!"), "‹bar(b\"}\")›!");
}

#[test]
fn unbalanced_braces_are_faults() {
    assert_eq!(fault("a{b"), "this `{` is never closed");
    assert_eq!(fault("a{b:>4"), "this `{` is never closed");
    assert_eq!(fault("a{\"b}"), "this `{` is never closed");
    assert_eq!(fault("a}b"), "unmatched `}`");
    assert_eq!(fault("{f(a]}"), "the brackets in these braces do not match");
    assert_eq!(fault("{f(a}"), "the brackets in these braces do not match");
}

#[test]
fn empty_braces_are_a_fault() {
    let what = "empty braces: a key string has no positional arguments";
    assert_eq!(fault("a{}"), what);
    assert_eq!(fault("a{ :>4}"), what);
}

#[test]
fn a_piece_knows_its_place() {
    let pieces = pieces("é{a}").unwrap();
    assert!(matches!(&pieces[1], Piece::Value { at, .. } if *at == (2..5)));
}

#[test]
fn no_text_makes_the_scan_panic() {
    let alphabet = ["{", "}", "'", "\"", "\\", ":", "r", "#", "(", "é"];
    let mut texts = vec![String::new()];
    for _ in 0..5 {
        let longer: Vec<_> = texts
            .iter()
            .flat_map(|text| alphabet.iter().map(move |next| format!("{text}{next}")))
            .collect();
        for text in &longer {
            let kept = pieces(text).map_or(0, |pieces| pieces.len());
            assert!(kept <= text.len());
        }
        texts = longer;
    }
}
