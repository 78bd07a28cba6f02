//! The command line.

use idempotent_servers::PostgresVersion;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Durable,
    Volatile,
    Latency,
    Cost,
}

const PARTS: [(&str, Part); 4] = [
    ("durable", Part::Durable),
    ("volatile", Part::Volatile),
    ("latency", Part::Latency),
    ("cost", Part::Cost),
];

#[derive(Default)]
pub(crate) struct Arguments {
    versions: Vec<PostgresVersion>,
    parts: Vec<Part>,
}

impl Arguments {
    pub(crate) fn read() -> Result<Self, String> {
        let mut arguments = Self::default();
        for word in std::env::args().skip(1) {
            match (&*word, PARTS.iter().find(|(name, _)| *name == word)) {
                ("15", _) => arguments.versions.push(PostgresVersion::Distribution),
                ("18", _) => arguments.versions.push(PostgresVersion::V18),
                (_, Some((_, part))) => arguments.parts.push(*part),
                _ => return Err(format!("{word:?} is neither a version nor a part")),
            }
        }
        Ok(arguments)
    }

    /// Both when none is named.
    pub(crate) fn versions(&self) -> Vec<PostgresVersion> {
        match self.versions.is_empty() {
            true => vec![PostgresVersion::Distribution, PostgresVersion::V18],
            false => self.versions.clone(),
        }
    }

    /// Those on a server with this `fsync`; all of them when none is named.
    pub(crate) fn parts(&self, fsync: bool) -> Vec<Part> {
        let all = PARTS.map(|(_, part)| part);
        let parts = if self.parts.is_empty() { &all[..] } else { &self.parts };
        parts.iter().copied().filter(|part| (*part != Part::Volatile) == fsync).collect()
    }
}
