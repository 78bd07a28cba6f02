//! Keys that a call sends to other systems, derived from its record as the application derives them.

use idempotent_core::engine::Inspection;
use idempotent_core::model::DerivedKey;
use serde::Serialize;

use super::card::fact;
use super::step_name::StepReference;
use super::writer::Output;
use crate::failure::Failure;

/// So many of those of `derive_next` are told: how many requests a call made, its record does not say.
const REQUESTS: u32 = 3;

/// The keys of a call, or of one of its steps, for one other system.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DerivedDocument {
    /// What the application calls the other system.
    pub(crate) label: String,
    /// The step that sends them; null for the call itself.
    pub(crate) step: Option<StepReference>,
    /// What `derive` returns.
    pub(crate) key: String,
    /// What `derive_next` returns, request by request.
    pub(crate) next: Vec<String>,
}

impl DerivedDocument {
    /// The keys of a call and of each of its steps, for systems with these labels.
    pub(crate) fn all(seen: &Inspection, labels: &[String]) -> Vec<Self> {
        let of_label = |label: &String| {
            let id = seen.id();
            let call = Self::new(label, None, id.derive(label), |nth| id.derive_nth(label, nth));
            let steps = seen.steps().iter().map(|(id, entry)| {
                let step = Some(StepReference::new(id, entry));
                Self::new(label, step, id.derive(label), |nth| id.derive_nth(label, nth))
            });
            std::iter::once(call).chain(steps).collect::<Vec<_>>()
        };
        labels.iter().flat_map(of_label).collect()
    }

    fn new(
        label: &str,
        step: Option<StepReference>,
        key: DerivedKey,
        nth: impl Fn(u32) -> DerivedKey,
    ) -> Self {
        let next = (0..REQUESTS).map(|number| nth(number).to_string()).collect();
        Self { label: label.to_owned(), step, key: key.to_string(), next }
    }
}

/// Prints them, a line a key, to be searched for at the other system.
pub(super) fn derived_lines(
    output: &mut Output,
    derived: &[DerivedDocument],
) -> Result<(), Failure> {
    for keys in derived {
        let whose = match &keys.step {
            Some(step) => format!("step {}, ", step.label()),
            None => String::new(),
        };
        fact(output, "derived", &format!("{whose}derive({:?}):", keys.label))?;
        output.line(format_args!("  {}", keys.key))?;
        fact(output, "", &format!("derive_next({:?}), the first {REQUESTS}:", keys.label))?;
        keys.next.iter().try_for_each(|key| output.line(format_args!("  {key}")))?;
    }
    Ok(())
}
