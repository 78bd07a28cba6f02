//! What to measure, as the command line says.

use std::error::Error;

use idempotent_servers::PostgresVersion;

/// What can be left out.
const PARTS: [&str; 5] = ["calls", "within", "sweep", "wake", "groups"];

pub(crate) struct Arguments {
    pub(crate) versions: Vec<PostgresVersion>,
    /// How many rows each table has at first, in ascending order.
    pub(crate) rows: Vec<u64>,
    parts: Vec<String>,
}

impl Arguments {
    /// Reads `[--server 15|18] [--rows N,N…] [calls] [within] [sweep] [wake] [groups]`; without any, it is all
    /// of it.
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        let mut read = Self {
            versions: vec![PostgresVersion::Distribution, PostgresVersion::V18],
            rows: vec![10_000, 1_000_000],
            parts: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rows" => {
                    let rows = arguments.next().ok_or("how many rows?")?;
                    read.rows = rows.split(',').map(str::parse).collect::<Result<_, _>>()?;
                    read.rows.sort_unstable();
                }
                "--server" => {
                    read.versions = match arguments.next().as_deref() {
                        Some("15") => vec![PostgresVersion::Distribution],
                        Some("18") => vec![PostgresVersion::V18],
                        _ => return Err("--server is 15 or 18".into()),
                    };
                }
                part if PARTS.contains(&part) => read.parts.push(argument),
                other => return Err(format!("what is `{other}`?").into()),
            }
        }
        Ok(read)
    }

    pub(crate) fn wants_only(&self, part: &str) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(|wanted| wanted == part)
    }

    pub(crate) fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}
