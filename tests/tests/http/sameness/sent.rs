//! A request as it is sent, and how it is shown.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Version};
use idempotent_core::http::RequestFingerprint;

use super::json::Json;
use super::random::Random;

/// A request in parts that can be changed one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) method: &'static str,
    /// What stands before the path in the target: HTTP/2 has the host there.
    pub(super) authority: Option<String>,
    pub(super) path: String,
    /// Name and value of each parameter, as they are written.
    pub(super) query: Vec<(String, Option<String>)>,
    pub(super) lines: Vec<(&'static str, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

pub(super) const HOST: &str = "host";
pub(super) const TYPE: &str = "content-type";
pub(super) const ENCODING: &str = "content-encoding";

impl Sent {
    /// The request that the page changes.
    pub(super) fn plain() -> Self {
        Self {
            method: "POST",
            authority: None,
            path: "/orders".to_owned(),
            query: Vec::new(),
            lines: vec![(HOST, b"shop.example".to_vec())],
            body: Vec::new(),
        }
    }

    /// Any request.
    pub(super) fn random(random: &mut Random) -> Self {
        let mut sent = Self::plain();
        sent.method = random.of(&["POST", "PATCH", "PUT"]);
        sent.path = format!("/{}", random.word(b"abc/.-%2"));
        sent.query = (0..random.below(4)).map(|_| Self::parameter(random)).collect();
        if random.one_in(3) {
            sent.lines.push((ENCODING, b"identity".to_vec()));
        }
        if random.one_in(2) {
            sent.lines.push(("user-agent", random.word(b"abc").into()));
        }
        match random.below(3) {
            0 => {}
            1 => sent = sent.typed("text/plain").with_body(random.word(b"{}[]\":1a \n")),
            _ => {
                let json = Json::random(random, 3).write(random);
                sent = sent.typed("application/json").with_body(json);
            }
        }
        sent
    }

    /// A parameter whose name begins with a letter that no other test of parameters uses.
    fn parameter(random: &mut Random) -> (String, Option<String>) {
        let name = format!("q{}", random.word(b"abAB+._"));
        (name, (!random.one_in(4)).then(|| random.word(b"ab12+~-")))
    }

    pub(super) fn typed(mut self, media_type: impl AsRef<[u8]>) -> Self {
        self.set(TYPE, media_type);
        self
    }

    pub(super) fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn with_query(mut self, parameters: &[(&str, &str)]) -> Self {
        for (name, value) in parameters {
            self.query.push(((*name).to_owned(), Some((*value).to_owned())));
        }
        self
    }

    /// One line of that name, in the place of any others.
    pub(super) fn set(&mut self, name: &'static str, value: impl AsRef<[u8]>) {
        self.lines.retain(|(other, _)| *other != name);
        self.add(name, value);
    }

    /// A further line.
    pub(super) fn add(&mut self, name: &'static str, value: impl AsRef<[u8]>) {
        self.lines.push((name, value.as_ref().to_vec()));
    }

    /// The same with one line more.
    pub(super) fn with_line(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.add(name, value);
        self
    }

    fn target(&self) -> String {
        let parameter = |(name, value): &(String, Option<String>)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        };
        let query: Vec<_> = self.query.iter().map(parameter).collect();
        match query.is_empty() {
            true => self.path.clone(),
            false => format!("{}?{}", self.path, query.join("&")),
        }
    }

    pub(super) fn digest(&self, fingerprint: &RequestFingerprint) -> [u8; 32] {
        let origin =
            self.authority.as_ref().map_or(String::new(), |host| format!("https://{host}"));
        let version = if self.authority.is_some() { Version::HTTP_2 } else { Version::HTTP_11 };
        let request = Request::builder().method(self.method).version(version);
        let request = request.uri(format!("{origin}{}", self.target()));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        for (name, value) in &self.lines {
            let value = HeaderValue::from_bytes(value).unwrap();
            parts.headers.append(HeaderName::from_static(name), value);
        }
        fingerprint.digest(&parts, &Bytes::copy_from_slice(&self.body)).unwrap()
    }

    /// The lines that people write down of a request.
    pub(super) fn shown(&self) -> Vec<String> {
        let mut shown = vec![format!("{} {}", self.method, self.target())];
        shown.extend(self.authority.iter().map(|host| format!(":authority: {host}")));
        for (name, value) in &self.lines {
            let name = match *name {
                HOST => "Host",
                TYPE => "Content-Type",
                ENCODING => "Content-Encoding",
                other => other,
            };
            shown.push(format!("{name}: {}", value.escape_ascii()));
        }
        if !self.body.is_empty() {
            shown.push(String::from_utf8_lossy(&self.body).replace('\n', "\\n"));
        }
        shown
    }
}
