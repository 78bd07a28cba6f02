//! How many instructions a call takes on the embedded store, and the least that it could take.
//!
//! `cargo bench -p idempotent-core --bench instructions` counts them with `valgrind`, in runs of two lengths
//! whose difference has neither the start of the program nor the filling of the store. Instructions do not
//! depend on how busy the machine is. What `embedded` says of its keys and records holds here too.

use std::error::Error;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use tokio::runtime::Builder;

#[path = "memory/sides.rs"]
mod sides;

use sides::{Key, Limit, RECORD_BYTES, call, key};

const RECORDS: u64 = 1_000;
const LENGTHS: [u64; 2] = [4_096, 12_288];
/// How many calls are made between two starts of tasks.
const TURN: usize = 4_096;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    if let [side, what, tasks, calls] = arguments.as_slice() {
        run(side, what, tasks.parse()?, calls.parse()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("| instructions a call | the limit | a call | ratio |\n|---|---|---|---|");
    for what in ["replay", "execute"] {
        for tasks in [1, 64] {
            let (limit, ours) = (count("limit", what, tasks)?, count("ours", what, tasks)?);
            println!("| {what}, {tasks} tasks | {limit:.0} | {ours:.0} | {:.2} |", ours / limit);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The instructions of one call, as valgrind counts them.
fn count(side: &str, what: &str, tasks: u64) -> Result<f64, Box<dyn Error>> {
    let mut counts = [0.0; 2];
    for (count, calls) in counts.iter_mut().zip(LENGTHS) {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        valgrind.arg(std::env::current_exe()?).args([side, what]);
        valgrind.args([tasks.to_string(), calls.to_string()]);
        let output =
            valgrind.output().map_err(|error| format!("valgrind did not start: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let counted = said.split("Collected : ").nth(1).and_then(|it| it.lines().next());
        *count = counted.ok_or("valgrind counted nothing")?.trim().parse()?;
    }
    Ok((counts[1] - counts[0]) / (LENGTHS[1] - LENGTHS[0]) as f64)
}

/// Fills a store, and calls.
fn run(side: &str, what: &str, tasks: u64, calls: usize) -> Result<(), Box<dyn Error>> {
    let limit = Arc::new(Limit::new(RECORDS));
    let store = MemoryStore::builder().capacity_bytes(RECORDS * RECORD_BYTES).build();
    let engine = Idempotency::new(store);
    let one = {
        let (limit, is_ours, replays) = (Arc::clone(&limit), side == "ours", what == "replay");
        move |keys: Vec<Key>| {
            let (limit, engine) = (Arc::clone(&limit), engine.clone());
            async move {
                for key in &keys {
                    match (is_ours, replays) {
                        (true, _) => drop(black_box(call(&engine, key).await)),
                        (false, true) => drop(black_box(limit.replay(key))),
                        (false, false) => limit.execute(key),
                    }
                }
            }
        }
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let filling: Vec<Key> = (0..RECORDS).map(key).collect();
    filling.iter().for_each(|key| limit.execute(key));
    runtime.block_on(one(if side == "ours" { filling } else { Vec::new() }));
    // As many in a short run as in a long one, since a key takes more than a call.
    let keys: Vec<Key> = match what {
        // Of the newer half, which is still there.
        "replay" => (0..LENGTHS[1]).map(|n| key(RECORDS - 1 - n % (RECORDS / 2))).collect(),
        _ => (RECORDS..RECORDS + LENGTHS[1]).map(key).collect(),
    };
    let keys = &keys[..keys.len().min(calls)];
    runtime.block_on(async {
        for turn in keys.chunks(TURN) {
            if tasks == 1 {
                one(turn.to_vec()).await;
                continue;
            }
            let share = turn.len().div_ceil(usize::try_from(tasks).unwrap_or(1));
            let tasks = turn.chunks(share).map(|keys| tokio::spawn(one(keys.to_vec())));
            for task in tasks.collect::<Vec<_>>() {
                task.await.map_err(|error| error.to_string())?;
            }
        }
        Ok::<_, String>(())
    })?;
    Ok(())
}
