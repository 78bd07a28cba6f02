//! Many calls of random programs.

use idempotent_model::gate::{Call, Change, End, GateRules, Shape};

/// How many programs a test tries.
pub(crate) fn seeds() -> std::ops::Range<u64> {
    let programs = std::env::var("IDEMPOTENT_MODEL_PROGRAMS");
    0..programs.map_or(5_000, |programs| programs.parse().expect("a number of programs"))
}

/// Programs that were refused although nobody changed them, the shortest one first.
pub(crate) fn refused(shape: Shape, rules: GateRules) -> Vec<String> {
    let refused = seeds().filter_map(|seed| {
        let mut call = Call::new(seed, shape, rules);
        let end = call.finish();
        (end != Ok(End::Completed)).then(|| format!("{} ({end:?}, seed {seed})", call.program()))
    });
    let mut refused: Vec<String> = refused.collect();
    refused.sort_by_key(String::len);
    refused
}

/// What became of a call after one of its recorded steps was changed.
pub(crate) struct Changed {
    pub(crate) end: End,
    /// Whether the step is right in the body, or a step around it is recorded now.
    pub(crate) scope_ended: bool,
    pub(crate) has_second_effect: bool,
    pub(crate) text: String,
}

/// Changes a recorded step of every call that gets as far, and ends the call.
pub(crate) fn changed(change: Change, rules: GateRules) -> Vec<Changed> {
    let calls = seeds().filter_map(|seed| {
        let mut call = Call::new(seed, Shape::HONEST, rules);
        let path = call.change(change)?;
        let end = call.finish().expect("no recorded step runs again");
        Some(Changed {
            end,
            scope_ended: path.len() == 1 || call.has_recorded_around(&path),
            has_second_effect: call.has_second_effect(&path),
            text: format!("{} ({end:?}, seed {seed}, {change:?} {path:?})", call.program()),
        })
    });
    calls.collect()
}
