//! Names of operations that are like one which is not there.

use std::collections::BTreeSet;

use idempotent_core::store::Scan;

use super::connected::Connected;
use super::pages::{Pace, Pages};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::clean;

/// So many pages are read to find out which operations there are.
const PAGES_FOR_NAMES: usize = 10;

/// So many names are proposed.
pub(crate) const PROPOSED: usize = 3;

/// Names of operations that are there and are like one that is not, the likest first.
async fn near_names(
    store: &Connected,
    interrupt: &Interrupt,
    asked: &str,
) -> Result<Vec<String>, Failure> {
    let mut names = BTreeSet::new();
    let mut pages = Pages::new(&store.engine, interrupt, Pace::Gentle, Scan::all());
    for _ in 0..PAGES_FOR_NAMES {
        let Some(page) = pages.next().await? else { break };
        names.extend(page.entries.iter().map(|seen| seen.operation().to_owned()));
    }
    Ok(likest(asked, names))
}

/// A question to whoever asked for an operation that is not there, if there is one that is like it.
pub(crate) async fn no_such_operation(
    store: &Connected,
    interrupt: &Interrupt,
    operation: Option<&str>,
) -> Result<String, Failure> {
    let Some(asked) = operation else { return Ok(String::new()) };
    let names = near_names(store, interrupt, asked).await?;
    Ok(match names.as_slice() {
        [] => String::new(),
        names => format!("; is it --operation {}?", clean(&names.join(" or "))),
    })
}

fn likest(asked: &str, names: BTreeSet<String>) -> Vec<String> {
    if names.contains(asked) {
        return Vec::new();
    }
    let likeness = |name: &String| match name.contains(asked) {
        true => 1.0,
        false => strsim::jaro_winkler(asked, name),
    };
    let mut names: Vec<_> = names.into_iter().filter(|name| likeness(name) > 0.7).collect();
    names.sort_by(|one, other| likeness(other).total_cmp(&likeness(one)));
    names.truncate(PROPOSED);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_like_the_one_that_was_asked_for_are_proposed() {
        let names = || ["shop.charge", "shop.charges", "mail"].map(str::to_owned).into();
        assert_eq!(likest("shop.chagre", names()), ["shop.charge", "shop.charges"]);
        assert_eq!(likest("charge", names()), ["shop.charge", "shop.charges"]);
        assert_eq!(likest("invoice", names()), [""; 0]);
        assert_eq!(likest("shop.charge", names()), [""; 0], "it is there, in another state");
    }
}
