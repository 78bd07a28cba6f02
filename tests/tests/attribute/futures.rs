//! The futures of annotated functions: small, and `Send` whenever the body's are.

use std::rc::Rc;
use std::sync::Mutex;

use idempotent_core::{Error, idempotent};

use crate::{Runs, alone, engine};

#[idempotent(key = "{id}:{name}", fingerprint = big)]
async fn innermost(id: u32, name: String, big: [u64; 4]) -> Result<u32, Error> {
    let kept = [id; 256];
    tokio::task::yield_now().await;
    Ok(kept.iter().sum::<u32>() + u32::try_from(name.len() + big.len()).unwrap())
}

#[idempotent(key = id)]
async fn middle(id: u32) -> Result<u32, Error> {
    Ok(innermost(id, id.to_string(), [0; 4]).await? + innermost(0, "0".to_owned(), [1; 4]).await?)
}

#[idempotent(key = id)]
async fn outermost(id: u32) -> Result<u32, Error> {
    Ok(middle(id).await? + middle(id + 1).await?)
}

#[tokio::test]
async fn three_levels_of_calls_stay_below_400_bytes() {
    for size in [
        size_of_val(&outermost(1)),
        size_of_val(&middle(1)),
        size_of_val(&innermost(1, String::new(), [0; 4])),
    ] {
        assert!(size <= 400, "{size} bytes");
    }
    assert!(alone(outermost(1)).await.unwrap() > 0);
}

#[idempotent(step, key = "{id}:{name}", fingerprint = big)]
async fn inner_step(id: u32, name: String, big: [u64; 4]) -> Result<u32, Error> {
    let kept = [id; 256];
    tokio::task::yield_now().await;
    Ok(kept.iter().sum::<u32>() + u32::try_from(name.len() + big.len()).unwrap())
}

#[idempotent(step, key = id)]
async fn middle_step(id: u32) -> Result<u32, Error> {
    Ok(inner_step(id, id.to_string(), [0; 4]).await?
        + inner_step(0, "0".to_owned(), [1; 4]).await?)
}

#[idempotent(step, key = id)]
async fn outer_step(id: u32) -> Result<u32, Error> {
    Ok(middle_step(id).await? + middle_step(id + 1).await?)
}

#[idempotent(key = id)]
async fn of_steps(id: u32) -> Result<u32, Error> {
    outer_step(id).await
}

#[tokio::test]
async fn three_levels_of_steps_stay_below_400_bytes() {
    for size in [
        size_of_val(&of_steps(1)),
        size_of_val(&outer_step(1)),
        size_of_val(&middle_step(1)),
        size_of_val(&inner_step(1, String::new(), [0; 4])),
    ] {
        assert!(size <= 400, "{size} bytes");
    }
    assert!(alone(of_steps(1)).await.unwrap() > 0);
}

#[idempotent(key = *lock.lock().unwrap(), scope = "{other.lock().unwrap():>2}")]
async fn with_guards(lock: &Mutex<u32>, other: &Mutex<u32>, runs: Runs) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    Ok(runs.next())
}

#[idempotent(key = "{Rc::new(id)}", fingerprint = *Rc::new(id))]
async fn with_temporaries(id: u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    Ok(id)
}

fn is_send<T: Send>(future: T) -> T {
    future
}

#[tokio::test]
async fn options_that_are_not_send_leave_the_future_send() {
    let (lock, other) = (Mutex::new(1), Mutex::new(2));
    assert_eq!(alone(is_send(with_guards(&lock, &other, Runs::default()))).await.unwrap(), 1);
    assert_eq!(alone(is_send(with_temporaries(2))).await.unwrap(), 2);
}

#[idempotent(key = id)]
async fn not_send(id: u32) -> Result<u32, Error> {
    let kept = Rc::new(id);
    tokio::task::yield_now().await;
    Ok(*kept)
}

#[tokio::test]
async fn a_body_that_is_not_send_runs_on_one_thread() {
    assert_eq!(alone(not_send(3)).await.unwrap(), 3);
}

#[idempotent(key = id, engine = engine)]
async fn spawned(id: u32, engine: idempotent_core::Idempotency, runs: Runs) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    Ok(runs.next())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_may_be_spawned() {
    let (engine, runs) = (engine(), Runs::default());
    for _ in 0..2 {
        let call = tokio::spawn(spawned(1, engine.clone(), runs.clone()));
        assert_eq!(call.await.unwrap().unwrap(), 1);
    }
}
