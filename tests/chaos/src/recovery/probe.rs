//! Whether workers reach the store at all: each makes a call of another operation again and again, and notes when that worked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use idempotent_core::{Error, Idempotency, Operation};
use tokio::time::{sleep, timeout};

use crate::checker::Span;
use crate::timestamp::Timestamp;

const PREFIX: &str = "reached-";
const EVERY: Duration = Duration::from_millis(250);

/// While no worker has reached the store for so long, nobody could have gone on with any call.
const OUT_OF_REACH: Duration = Duration::from_secs(1);

const PROBE: Operation = Operation::new("chaos.probe").ttl(Duration::from_secs(60));

/// Makes calls that write, and notes each that was recorded, for ever.
pub(super) async fn probe(engine: Idempotency, folder: &Path, process: u32) -> io::Result<()> {
    let path = folder.join(format!("{PREFIX}{process}"));
    let mut file = OpenOptions::new().append(true).create_new(true).open(path)?;
    for number in 0_u64.. {
        let call = PROBE.lease(Duration::from_secs(5)).key(&(process, number)).engine(&engine);
        let call = call.returning::<Result<(), Error>>().run(|| async { Ok(()) });
        if let Ok(Ok(())) = timeout(OUT_OF_REACH, call).await {
            note(&mut file)?;
        }
        sleep(EVERY).await;
    }
    Ok(())
}

fn note(file: &mut File) -> io::Result<()> {
    writeln!(file, "{}", Timestamp::now().0)
}

/// When any worker has reached the store, in order.
pub(super) fn reached(folder: &Path) -> Result<Vec<Timestamp>> {
    let mut reached = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with(PREFIX) {
            for line in fs::read_to_string(file.path())?.lines() {
                reached.push(Timestamp(line.parse().with_context(|| format!("the line {line}"))?));
            }
        }
    }
    reached.sort();
    Ok(reached)
}

/// While the store was out of reach of all.
pub(super) fn out_of_reach(reached: &[Timestamp]) -> Vec<Span> {
    let pairs = reached.windows(2).map(|pair| Span { from: pair[0], to: pair[1] });
    pairs.filter(|span| span.to.since(span.from) > OUT_OF_REACH).collect()
}
