//! `step`: what a step may have, and what only the call around it may.

use super::options::Options;
use crate::errors::Errors;

pub(super) fn check(options: &Options, errors: &mut Errors) {
    let of_the_call = [
        ("ttl", "a step is kept for as long as its call needs it"),
        ("lease", "a step runs under the lease of its call"),
        ("max_run", "a step runs under the lease of its call"),
        ("wait", "a step belongs to one run, so it never waits for another"),
        ("scope", "a step belongs to its call, whose scope it has"),
        ("global_scope", "a step belongs to its call, whose scope it has"),
        ("singleton", "a step without a key is one of its call already"),
        ("engine", "a step is kept by the engine of its call"),
        ("resume", "a step is resumed with its call"),
        ("detach", "a step that outlives its call is refused"),
        ("response", "a step returns a `Result` to the body of its call"),
        ("grpc", "a step returns a `Result` to the body of its call"),
    ];
    for (name, why) in of_the_call {
        if let Some(option) = options.given(name) {
            errors.at(
                option,
                format_args!("`{name}` cannot be combined with `step`: {why}"),
                format_args!("remove `{name}`, or write it at the function that calls the step"),
            );
        }
    }
    let exactly_once = options.guarantee.as_ref().filter(|guarantee| *guarantee == "ExactlyOnce");
    let transaction = options.given("tx").or(exactly_once);
    if let Some(option) = transaction {
        errors.at(
            option,
            "a step cannot run in a transaction: it would answer `Ok` before its commit",
            "call a function of its own with `tx` and `guarantee = exactly_once`, whose record commits with its effect",
        );
    }
}
