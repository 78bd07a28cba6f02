//! Writes what processes share, and reads what other builds of this program wrote.
//!
//! ```text
//! idempotent-features write FILE      records and digests of every value
//! idempotent-features read FILE...    replays the records, and compares the digests with its own
//! ```
//!
//! `tests/run unification` builds it with and without each feature of `serde_json` that any crate of a
//! program can switch on, and lets every build read what every other one wrote.

mod digests;
mod records;
mod values;

use std::error::Error;
use std::{env, fs};

use idempotent_core::Idempotency;

use self::records::Records;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", file] => {
            let records = Records::default();
            let engine = Idempotency::builder(records.clone()).verify_results(true).build();
            let count = runtime.block_on(values::write(&engine))?;
            fs::write(file, format!("{}{}", digests::lines()?, records.lines()))?;
            println!("wrote {count} values");
            Ok(())
        }
        ["read", ref files @ ..] => {
            let own = digests::lines()?;
            let mut count = 0;
            for file in files {
                let text = fs::read_to_string(file)?;
                for (line, expected) in text.lines().zip(own.lines()) {
                    if line != expected {
                        return Err(format!("{file} has {line}, and this build {expected}").into());
                    }
                }
                let engine = Idempotency::builder(Records::parse(&text)?).build();
                count += runtime.block_on(values::read(&engine))?;
            }
            println!("read {count} values of {} builds", files.len());
            Ok(())
        }
        _ => Err("write FILE, or read FILE...".into()),
    }
}
