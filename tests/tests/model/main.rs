//! Random interleavings of calls, crashes, faults and clock steps, against a sequential model of
//! what the engine promises: who runs, what each caller sees, what the store holds. And `stores`: the stores under the model
//! of calls that resume.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod engine_driver;
mod reference;
mod script;
mod stores;

use proptest::collection::vec;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use self::engine_driver::EngineDriver;
use self::reference::Reference;
use self::script::Step;

const SCRIPTS: u32 = 1500;

/// Plays a script in both, and compares them after each step.
async fn play(steps: &[Step]) -> Result<(), TestCaseError> {
    let (mut engine, mut reference) = (EngineDriver::new(), Reference::default());
    for (at, step) in steps.iter().enumerate() {
        engine.take(step).await;
        reference.take(step, &engine.running());
        let (seen, expected) = (engine.view().await, reference.view());
        if seen != expected {
            let why = format!("after step {at}, {step:?}:\n  seen {seen:?}\n  want {expected:?}");
            return Err(TestCaseError::fail(why));
        }
    }
    Ok(())
}

#[test]
fn every_interleaving_is_one_that_the_model_allows() {
    let config = Config { cases: SCRIPTS, failure_persistence: None, ..Config::default() };
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, seed);
    let outcome = runner.run(&vec(script::step(), 1..40), |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(play(&steps))
    });
    outcome.unwrap();
}
