//! A scan for what is in doubt: the server looks through the journals of suspended calls, and sends none without a doubt.

use idempotent_core::Idempotency;
use idempotent_core::engine::Inspection;
use idempotent_core::model::{StepEntry, StepId, StepStatus};
use idempotent_core::store::{Journal as _, Scan, WriteStep, WriteStepOutcome};
use idempotent_servers::{Flavor, Server, require};

use super::run::{BEGUN, Behind, RECORDED, Run, entry};
use crate::support::calls;

/// Together nearly as much as a journal may have.
const STEPS: usize = 9_990;
const RESULT_BYTES: usize = 1_500;

/// Suspended calls of which none is in doubt.
const SETTLED: usize = 300;

/// For the record, its key and the answers about both.
const FEW_BYTES: u64 = 4_096;

/// Changes a byte of each entry.
const CHANGE: &str = "for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if field ~= 'name' then
        local entry, at = redis.call('HGET', KEYS[1], field), tonumber(ARGV[1])
        entry = entry:sub(1, at - 1) .. string.char(ARGV[2]) .. entry:sub(at + 1)
        redis.call('HSET', KEYS[1], field, entry)
    end
end";

impl Behind {
    /// All bytes that the server has sent.
    async fn sent(&self) -> u64 {
        let stats = self.server.cli(&["INFO", "stats"]).await.to_string();
        let sent = stats.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:"));
        sent.unwrap().trim().parse().unwrap()
    }

    /// What is in doubt, and how many bytes the server has sent for that.
    async fn in_doubt(&self) -> (Vec<Inspection>, u64) {
        let engine = Idempotency::new(self.store.clone());
        let (mut scan, mut found) = (Scan::in_doubt(), Vec::new());
        let before = self.sent().await;
        loop {
            let page = engine.scan(&scan).await.unwrap();
            found.extend(page.entries);
            match page.next {
                Some(next) => scan = scan.after(next),
                None => break,
            }
        }
        let info = self.sent().await;
        // Twice, since the answer to the first tells nothing of itself.
        let of_asking = self.sent().await - info;
        (found, info - before - of_asking)
    }
}

/// A call whose journal is as large as one may be.
async fn suspended_with_many_steps(at: &Behind) -> Run {
    let run = Run::begin(&at.store).await;
    let result = [entry(RECORDED, 1).as_bytes(), &[7; RESULT_BYTES]].concat();
    let recorded = StepEntry::from_bytes(&result).unwrap();
    let steps = (0..STEPS).map(|nth| (run.step(&format!("ship {nth}")), recorded.clone()));
    let (steps, charge): (Vec<(StepId, StepEntry)>, _) = (steps.collect(), run.step("charge"));
    let request = WriteStep::new(&run.attempt.id, &run.record, &charge, &recorded).also(&steps);
    assert_eq!(at.store.write_step(&request).await.unwrap(), WriteStepOutcome::Written);
    run.suspend(&at.store).await.unwrap();
    run
}

#[tokio::test]
async fn ten_thousand_steps_without_a_doubt_are_not_sent() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let run = suspended_with_many_steps(&at).await;
    at.server.cli(&["SCRIPT", "FLUSH"]).await;
    let (found, sent) = at.in_doubt().await;
    assert_eq!(found.len(), 0);
    assert!(sent < FEW_BYTES, "{sent} bytes");

    run.expect_written(&at.store, "pay", &entry(BEGUN, 2)).await;
    let (mut found, sent) = at.in_doubt().await;
    assert!(sent > (STEPS * RESULT_BYTES) as u64, "{sent} bytes");
    let steps = found.remove(0).steps().to_vec();
    let begun = steps.iter().filter(|(_, step)| step.status() == StepStatus::Begun).count();
    // With `charge` and `pay`.
    assert_eq!((found.len(), steps.len(), begun), (0, STEPS + 2, 1));
    let bytes: usize = steps.iter().map(|(_, step)| step.as_bytes().len()).sum();
    assert!(bytes < 100 * STEPS, "{bytes} bytes, and each step returned {RESULT_BYTES}");
}

/// Each page has the time of one store call, and the next goes on where it ends.
#[tokio::test]
async fn a_page_ends_after_a_few_journals_though_none_of_them_is_in_doubt() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    for _ in 0..SETTLED {
        Run::with_a_step(&at.store).await.suspend(&at.store).await.unwrap();
    }
    let looked = async || calls(&at.server, "eval").await + calls(&at.server, "evalsha").await;
    let engine = Idempotency::new(at.store.clone());
    let (before, measured) = (looked().await, calls(&at.server, "hlen").await);
    let page = engine.scan(&Scan::in_doubt().limit(10)).await.unwrap();
    assert_eq!(page.entries.len(), 0);
    let scan = Scan::in_doubt().limit(10).after(page.next.expect("it ends early"));
    let of_a_page = looked().await - before;
    assert!((10..40).contains(&of_a_page), "{of_a_page}");

    let (mut scan, mut pages) = (scan, 1);
    while let Some(next) = engine.scan(&scan).await.unwrap().next {
        (scan, pages) = (scan.after(next), pages + 1);
    }
    assert!(pages > SETTLED / 40, "{pages}");
    let all = looked().await - before;
    assert!(all >= SETTLED, "{all}");
    assert_eq!(calls(&at.server, "hlen").await - measured, all, "each is measured first");
}

#[tokio::test]
async fn a_journal_of_a_newer_version_is_in_doubt() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    // A layout, statuses, and a flag.
    for (at_byte, value) in [("1", "2"), ("2", "7"), ("2", "129"), ("3", "16")] {
        let run = Run::with_a_step(&at.store).await;
        run.suspend(&at.store).await.unwrap();
        assert_eq!(at.in_doubt().await.0.len(), 0);
        let (record, journal) = run.keys();
        at.server.cli(&["EVAL", CHANGE, "1", &journal, at_byte, value]).await;
        let (found, _) = at.in_doubt().await;
        assert_eq!(found.len(), 1);
        assert!(found[0].steps_unread().is_some());
        at.server.cli(&["DEL", &record, &journal]).await;
    }
}
