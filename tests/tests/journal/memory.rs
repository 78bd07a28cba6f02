//! How much memory a run takes that resumes ten thousand steps: in a process of its own, since tests share theirs.

use std::process::Command;

use idempotent_core::backends::SqliteStore;
use idempotent_core::{Error, Idempotency, Operation};
use tempfile::TempDir;

use crate::shop::failure;

const STEPS: u32 = 9_999;
/// Together nearly as much as a journal may have.
const RESULT_BYTES: usize = 1_500;
const MEBIBYTE: usize = 1 << 20;
const FOLDER: &str = "IDEMPOTENT_TEST_FOLDER";

async fn all_steps(fails: bool) {
    let folder = std::env::var(FOLDER).unwrap();
    let store = SqliteStore::connect(format!("{folder}/calls.db")).await.unwrap();
    let engine = Idempotency::new(store);
    let call = Operation::new("checkout").key("order 7").engine(&engine);
    let run = call.returning::<Result<u32, Error>>().run(|| async move {
        let mut bytes = 0;
        for line in 0..STEPS {
            let step = Operation::new("ship").step().key(&line);
            let step = step.returning::<Result<String, Error>>();
            bytes += step.run(|| async { Ok("x".repeat(RESULT_BYTES)) }).await?.len();
        }
        if fails { Err(failure().await) } else { Ok(u32::try_from(bytes).unwrap()) }
    });
    let ended = run.await.ok();
    assert_eq!(ended, (!fails).then_some(STEPS * RESULT_BYTES as u32));
}

#[tokio::test]
#[ignore = "a process of another test"]
async fn a_process_that_is_interrupted() {
    all_steps(true).await;
}

#[tokio::test]
#[ignore = "a process of another test"]
async fn a_process_that_resumes() {
    all_steps(false).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    println!("{peak}");
}

#[tokio::test]
#[ignore = "a process of another test"]
async fn a_process_that_does_nothing() {
    let folder = std::env::var(FOLDER).unwrap();
    SqliteStore::connect(format!("{folder}/other.db")).await.unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    println!("{peak}");
}

/// Runs one of these tests in a process of its own, and says the most memory that it had, if it does.
fn process(test: &str, folder: &TempDir) -> Option<usize> {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", &format!("memory::{test}"), "--ignored", "--nocapture"]);
    let ran = process.env(FOLDER, folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{test}: {text}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(text.contains("1 passed"), "{test}: {text}");
    let peak = text.lines().find_map(|line| line.split("VmHWM:").nth(1))?;
    let kibibytes: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    Some(kibibytes * 1024)
}

/// The journal once as its rows are read, and once as its steps are known. By hand, since its ten thousand commits take
/// half a minute: `cargo test -p idempotent-tests --test journal -- --ignored ten_thousand_steps`.
#[test]
#[ignore = "takes half a minute, and reads /proc"]
fn ten_thousand_steps_resume_within_three_times_the_limit_of_their_journal() {
    let folder = TempDir::new().unwrap();
    assert_eq!(process("a_process_that_is_interrupted", &folder), None);
    let idle = process("a_process_that_does_nothing", &folder).unwrap();
    let peak = process("a_process_that_resumes", &folder).unwrap();
    let taken = peak.saturating_sub(idle);
    assert!(taken <= 3 * 16 * MEBIBYTE, "{} MiB beside {} MiB", taken / MEBIBYTE, idle / MEBIBYTE);
    assert!(taken >= 10 * MEBIBYTE, "the journal alone is 15 MiB, and it took {taken} bytes");
}
