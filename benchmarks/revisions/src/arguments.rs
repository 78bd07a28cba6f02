//! The command line.

use idempotent_servers::PostgresVersion;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Durable,
    Volatile,
    Latency,
    Cost,
    Memory,
    Redis,
}

const PARTS: [(&str, Part); 6] = [
    ("durable", Part::Durable),
    ("volatile", Part::Volatile),
    ("latency", Part::Latency),
    ("cost", Part::Cost),
    ("memory", Part::Memory),
    ("redis", Part::Redis),
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

    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    /// Those on PostgreSQL with this `fsync`.
    pub(crate) fn on_postgres(&self, fsync: bool) -> Vec<Part> {
        let durable = [Part::Durable, Part::Latency, Part::Cost];
        let parts = if fsync { &durable[..] } else { &[Part::Volatile] };
        parts.iter().copied().filter(|part| self.has(*part)).collect()
    }
}
