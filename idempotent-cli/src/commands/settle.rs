//! What `resolve`, `correct` and `release` have in common: one record is looked at, shown, asked about, and changed only
//! if it is still what was seen.

use std::time::SystemTime;

use idempotent_core::engine::Inspection;

use crate::args::{Consent, Target};
use crate::change::{Audit, Subject, agree};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{
    Document, Output, Progress, RecordDocument, ResultDocument, StepReference, card, clean,
    new_result, paragraph,
};
use crate::store::{Connected, locate};

/// One change of one record.
pub(super) struct Change<'a> {
    pub(super) command: &'static str,
    pub(super) consent: &'a Consent,
    /// What is asked before it.
    pub(super) question: String,
    /// The step that it is about, if it is about one.
    pub(super) step: Option<StepReference>,
    /// What was seen of the call's owner, if the call runs.
    pub(super) owner: Option<String>,
    /// What the operator says of the record, for the audit line.
    pub(super) said: Option<String>,
    /// The result that it gets.
    pub(super) result: Option<ResultDocument>,
    /// Whether the audit line has key and scope: not if they are to be forgotten.
    pub(super) names_key: bool,
    /// What is printed after it.
    pub(super) done: String,
}

/// The record that a change is about.
pub(super) async fn look(
    context: &Context,
    store: &Connected,
    target: &Target,
) -> Result<Box<Inspection>, Failure> {
    let progress = Progress::until_the_end(context.is_json());
    locate(store, target, &context.interrupt, progress).await?.readable()
}

/// Shows the record, asks, and makes the change.
pub(super) async fn settle<E: Into<Failure>>(
    context: &mut Context,
    store: &Connected,
    seen: &Inspection,
    change: Change<'_>,
    act: impl Future<Output = Result<(), E>>,
) -> Result<Exit, Failure> {
    let before = RecordDocument::new(seen, SystemTime::now());
    let id = seen.id().to_string();
    let mut question = change.question.clone();
    if let Some(owner) = &change.owner {
        question = format!("{question} {owner}");
    }
    // Whoever means another order, or another store, sees it here.
    question = format!("{question} ({})", which(store, &before));
    if change.consent.dry_run {
        let document = Document::Change {
            command: change.command,
            id: id.clone(),
            step: change.step,
            done: false,
            dry_run: true,
            audit: None,
            before: Some(Box::new(before.clone())),
            after: None,
        };
        if context.is_json() {
            context.output.line(document.to_line())?;
        } else {
            show(&mut context.output, seen, &before, change.result.as_ref())?;
            // The id is above, and too long for a line of text.
            let question = question.replace(&id, "this call");
            let after = change.done.replace(&id, "this call");
            let text = format!(
                "dry run: nothing was changed; it would ask: {question} After a yes: {after}."
            );
            paragraph(&mut context.output, &text)?;
            let line =
                Audit::preview(context, change.consent, change.command, change.said.as_deref());
            paragraph(&mut context.output, &line)?;
        }
        return Ok(Exit::Done);
    }
    if !change.consent.yes && !context.is_json() {
        show(&mut context.output, seen, &before, change.result.as_ref())?;
        context.output.flush()?;
    }
    if let Some(owner) = change.owner.as_ref().filter(|_| change.consent.yes && !context.is_json())
    {
        eprintln!("{owner}");
    }
    let reason = agree(context, change.consent, &question).await?;
    let mut stood = before.clone();
    if !change.names_key {
        (stood.key, stood.scope) = (None, None);
    }
    let subject = Subject {
        command: change.command,
        subject: id.clone(),
        step: change.step.clone(),
        owner: change.owner,
        said: change.said,
        result: change.result.filter(|_| context.audits_results()),
        before: Some(stood),
    };
    let place = store.place();
    let audit = Audit::begin(context, change.consent, &reason, &place, &subject)?;
    // From here on Ctrl-C waits: what was begun has an end that is known.
    let audit = match audit.around(act).await {
        Ok(((), audit)) => audit,
        Err(failure) => return Err(as_it_is_now(store, seen, failure).await),
    };
    let after = store.engine.inspect(seen.id()).await?;
    let after = after.map(|seen| Box::new(RecordDocument::new(&seen, SystemTime::now())));
    let document = Document::Change {
        command: change.command,
        id,
        step: change.step,
        done: true,
        dry_run: false,
        audit: Some(audit),
        before: Some(Box::new(before)),
        after,
    };
    match context.is_json() {
        true => context.output.line(document.to_line())?,
        false => context.output.line(change.done)?,
    }
    Ok(Exit::Done)
}

/// The record's key and scope, and where it is, for whoever is asked.
fn which(store: &Connected, before: &RecordDocument) -> String {
    let key = before.key.as_ref().map(|key| format!("key {key}, "));
    let scope = before.scope.as_ref().map(|scope| format!("scope {scope}, "));
    let (key, scope) = (key.unwrap_or_default(), scope.unwrap_or_default());
    clean(&format!("{key}{scope}{}", store.place())).into_owned()
}

/// A refusal with what the record is now, if it is not what was seen.
async fn as_it_is_now(store: &Connected, seen: &Inspection, failure: Failure) -> Failure {
    if failure.exit() != Exit::Refused {
        return failure;
    }
    let Ok(now) = store.engine.inspect(seen.id()).await else { return failure };
    let is = match now {
        None => "there is no such record any more: its key is free, and a retry runs its body"
            .to_owned(),
        Some(now) if now.state() == seen.state() && now.token() == seen.token() => return failure,
        Some(now) => {
            let now = RecordDocument::new(&now, SystemTime::now());
            let by_hand = if now.resolved { ", resolved by hand" } else { "" };
            format!("it is now {}{by_hand}, with the token {}", now.state, now.token)
        }
    };
    Failure::new(Exit::Refused, format!("{}; {is}", failure.message()))
}

/// Shows the record with its result, and the result that it gets.
fn show(
    output: &mut Output,
    seen: &Inspection,
    before: &RecordDocument,
    result: Option<&ResultDocument>,
) -> Result<(), Failure> {
    card(output, seen, &before.clone().with_result(seen))?;
    result.map_or(Ok(()), |result| new_result(output, result))
}
