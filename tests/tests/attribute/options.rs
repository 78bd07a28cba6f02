//! Each option does what it says.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::engine::with_engine;
use idempotent_core::{Disposition, Error, ErrorKind, Idempotency, idempotent};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::{Runs, alone, engine};

#[idempotent(key = id)]
async fn with_key(id: u32, runs: &Runs) -> Result<u32, Error> {
    let _ = id;
    Ok(runs.next())
}

#[tokio::test]
async fn a_second_call_replays_and_another_key_runs() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(with_key(1, &runs).await.unwrap(), 1);
        assert_eq!(with_key(1, &runs).await.unwrap(), 1);
        assert_eq!(with_key(2, &runs).await.unwrap(), 2);
    })
    .await;
}

#[idempotent(key = "ttl", singleton, ttl = "10s")]
async fn with_ttl(runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[tokio::test(start_paused = true)]
async fn ttl_ends_the_replays() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(with_ttl(&runs).await.unwrap(), 1);
        sleep(Duration::from_secs(9)).await;
        assert_eq!(with_ttl(&runs).await.unwrap(), 1);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(with_ttl(&runs).await.unwrap(), 2);
    })
    .await;
}

#[idempotent(key = "ttl", singleton, ttl = keep_for * 2)]
async fn with_ttl_expression(keep_for: Duration, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[tokio::test(start_paused = true)]
async fn ttl_may_be_an_expression_of_the_arguments() {
    let (runs, keep_for) = (Runs::default(), Duration::from_secs(5));
    alone(async {
        assert_eq!(with_ttl_expression(keep_for, &runs).await.unwrap(), 1);
        sleep(Duration::from_secs(9)).await;
        assert_eq!(with_ttl_expression(keep_for, &runs).await.unwrap(), 1);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(with_ttl_expression(keep_for, &runs).await.unwrap(), 2);
    })
    .await;
}

#[idempotent(key = id, name = "options.refund")]
async fn with_name(id: u32) -> Result<u32, Error> {
    Ok(id + 1)
}

#[idempotent(key = id, name = "options.refund")]
async fn with_the_same_name(id: u32) -> Result<u32, Error> {
    Ok(id + 10)
}

#[tokio::test]
async fn the_name_is_what_two_functions_share() {
    alone(async {
        assert_eq!(with_name(0).await.unwrap(), 1);
        assert_eq!(with_the_same_name(0).await.unwrap(), 1);
        assert_eq!(with_the_same_name(1).await.unwrap(), 11);
        assert_eq!(with_name(1).await.unwrap(), 11);
    })
    .await;
}

#[tokio::test]
async fn the_default_name_is_the_path_of_the_function() {
    let error = alone(with_scope(None, &Runs::default())).await.unwrap_err();
    assert_eq!(error.operation(), "attribute::options::with_scope");
}

#[idempotent(key = "scope", singleton, scope = tenant)]
async fn with_scope(tenant: Option<&str>, runs: &Runs) -> Result<u32, Error> {
    let _ = tenant;
    Ok(runs.next())
}

#[tokio::test]
async fn scopes_do_not_share_keys_and_none_is_no_scope() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(with_scope(Some("a"), &runs).await.unwrap(), 1);
        assert_eq!(with_scope(Some("b"), &runs).await.unwrap(), 2);
        assert_eq!(with_scope(Some("a"), &runs).await.unwrap(), 1);
        let error = with_scope(None, &runs).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingKey);
    })
    .await;
}

#[idempotent(key = "fingerprint", singleton, fingerprint = (card, amount))]
async fn with_fingerprint(card: &str, amount: u32, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[tokio::test]
async fn another_payload_under_one_key_is_a_mismatch() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(with_fingerprint("visa", 1, &runs).await.unwrap(), 1);
        assert_eq!(with_fingerprint("visa", 1, &runs).await.unwrap(), 1);
        let error = with_fingerprint("visa", 2, &runs).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FingerprintMismatch);
        assert_eq!(runs.count(), 1);
    })
    .await;
}

struct App {
    engine: Idempotency,
}

#[idempotent(key = "store", singleton, engine = app.engine)]
async fn with_store(app: &App, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[idempotent(key = "store", singleton, engine = engine)]
async fn with_store_reference(engine: &Idempotency, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[tokio::test]
async fn each_store_has_records_of_its_own() {
    let runs = Runs::default();
    let (one, other) = (App { engine: engine() }, App { engine: engine() });
    assert_eq!(with_store(&one, &runs).await.unwrap(), 1);
    assert_eq!(with_store(&other, &runs).await.unwrap(), 2);
    assert_eq!(with_store(&one, &runs).await.unwrap(), 1);
    assert_eq!(with_store_reference(&one.engine, &runs).await.unwrap(), 3);
    assert_eq!(with_store_reference(&one.engine, &runs).await.unwrap(), 3);
}

fn hold(_: &Error) -> Disposition {
    Disposition::HoldForLease
}

/// An error that is not about this call.
async fn some_error() -> Error {
    alone(with_scope(None, &Runs::default())).await.unwrap_err()
}

fn kind(result: Result<u32, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[idempotent(key = "lease", singleton, lease = "5s", on_error = hold)]
async fn with_lease(runs: &Runs) -> Result<u32, Error> {
    runs.next();
    Err(some_error().await)
}

#[tokio::test(start_paused = true)]
async fn a_held_key_is_free_again_when_its_lease_ends() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(kind(with_lease(&runs).await), ErrorKind::MissingKey);
        sleep(Duration::from_secs(4)).await;
        assert_eq!(kind(with_lease(&runs).await), ErrorKind::Held);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(kind(with_lease(&runs).await), ErrorKind::MissingKey);
        assert_eq!(runs.count(), 2);
    })
    .await;
}

#[idempotent(key = "guarantee", singleton, guarantee = at_most_once, lease = "5s", on_error = hold)]
async fn with_guarantee(runs: &Runs) -> Result<u32, Error> {
    runs.next();
    Err(some_error().await)
}

#[tokio::test(start_paused = true)]
async fn at_most_once_refuses_when_the_lease_ended() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(kind(with_guarantee(&runs).await), ErrorKind::MissingKey);
        sleep(Duration::from_secs(6)).await;
        assert_eq!(kind(with_guarantee(&runs).await), ErrorKind::Indeterminate);
        assert_eq!(runs.count(), 1);
    })
    .await;
}

#[idempotent(key = "max_run", singleton, lease = "5s", max_run = "1m")]
async fn with_max_run(runs: &Runs) -> Result<u32, Error> {
    let run = runs.next();
    sleep(Duration::from_secs(600)).await;
    Ok(run)
}

#[tokio::test(start_paused = true)]
async fn a_hung_body_keeps_its_key_until_max_run() {
    let (runs, engine) = (Runs::default(), engine());
    let call = || with_engine(engine.clone(), with_max_run(&runs));
    let hung = call();
    let later = async {
        sleep(Duration::from_secs(50)).await;
        assert_eq!(kind(call().await), ErrorKind::InProgress);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(call().await.unwrap(), 2);
    };
    let (hung, ()) = tokio::join!(hung, later);
    assert_eq!(hung.unwrap(), 1);
}

#[idempotent(key = "wait", singleton, wait = "5s")]
async fn with_wait(runs: &Runs) -> Result<u32, Error> {
    sleep(Duration::from_secs(1)).await;
    Ok(runs.next())
}

#[idempotent(key = "no wait", singleton)]
async fn without_wait(runs: &Runs) -> Result<u32, Error> {
    sleep(Duration::from_secs(1)).await;
    Ok(runs.next())
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_waits_if_it_is_told_to() {
    let runs = Runs::default();
    alone(async {
        let (first, second) = tokio::join!(with_wait(&runs), with_wait(&runs));
        assert_eq!((first.unwrap(), second.unwrap()), (1, 1));
        let (first, second) = tokio::join!(without_wait(&runs), without_wait(&runs));
        assert_eq!((first.unwrap(), kind(second)), (2, ErrorKind::InProgress));
    })
    .await;
}

#[idempotent(key = "detach", singleton, detach)]
async fn with_detach(started: Arc<Notify>, runs: Runs) -> Result<u32, Error> {
    started.notify_one();
    sleep(Duration::from_secs(1)).await;
    Ok(runs.next())
}

#[tokio::test(start_paused = true)]
async fn a_detached_body_ends_after_its_caller_is_dropped() {
    let (runs, started) = (Runs::default(), Arc::new(Notify::new()));
    alone(async {
        tokio::select! {
            biased;
            _ = with_detach(started.clone(), runs.clone()) => panic!("it was to be dropped"),
            () = started.notified() => {}
        }
        sleep(Duration::from_secs(2)).await;
        assert_eq!(runs.count(), 1);
        assert_eq!(with_detach(started, runs).await.unwrap(), 1);
    })
    .await;
}

mod first {
    use super::*;

    #[idempotent(key = "version", singleton, name = "options.version", version = 1)]
    pub(super) async fn charge(runs: &Runs) -> Result<u32, Error> {
        Ok(runs.next())
    }
}

#[idempotent(key = "version", singleton, name = "options.version", version = 2)]
async fn with_version(runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[idempotent(key = "version", singleton, name = "options.version", version = 2, accept = 1..=2)]
async fn with_accept(runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[tokio::test]
async fn a_record_of_another_version_is_read_only_where_it_is_accepted() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(first::charge(&runs).await.unwrap(), 1);
        assert_eq!(kind(with_version(&runs).await), ErrorKind::Incompatible);
        assert_eq!(with_accept(&runs).await.unwrap(), 1);
        assert_eq!(runs.count(), 1);
    })
    .await;
}

mod renamed {
    pub(super) use idempotent_core as idem;
}

mod idempotent_core_is_not_here {
    use super::Runs;
    use super::renamed::idem;

    #[idem::idempotent(
        key = "{runs.count() / 10}:x",
        guarantee = at_least_once,
        crate = super::renamed::idem
    )]
    pub(super) async fn charge(runs: &Runs) -> Result<u32, idem::Error> {
        Ok(runs.next())
    }
}

#[tokio::test]
async fn the_crate_may_have_another_name() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(idempotent_core_is_not_here::charge(&runs).await.unwrap(), 1);
        assert_eq!(idempotent_core_is_not_here::charge(&runs).await.unwrap(), 1);
    })
    .await;
}
