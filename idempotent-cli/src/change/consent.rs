//! Asking before a change.

use std::io::{self, IsTerminal as _, Write as _};

use super::audit::look_at_log;
use crate::args::Consent;
use crate::context::Context;
use crate::failure::{Exit, Failure};

/// Refuses what cannot be agreed to, before anything is asked of the store.
pub(crate) fn check(consent: &Consent) -> Result<(), Failure> {
    if consent.dry_run {
        return Ok(());
    }
    if consent.yes && consent.reason.as_deref().is_none_or(|reason| reason.trim().is_empty()) {
        return Err(Failure::usage("--yes needs --reason: the audit line says why"));
    }
    if !consent.yes && !io::stdin().is_terminal() {
        return Err(Failure::new(
            Exit::Declined,
            "nobody can be asked, since stdin is no terminal: add --yes and --reason, or --dry-run",
        ));
    }
    Ok(())
}

/// Asks whether to go on, unless that was said, and returns the reason. Whether there will be an audit line is known before.
///
/// # Errors
///
/// If the answer is not yes, or the audit log cannot be opened. Then nothing was changed.
pub(crate) async fn agree(
    context: &Context,
    consent: &Consent,
    question: &str,
) -> Result<String, Failure> {
    look_at_log(context)?;
    if consent.yes {
        return Ok(consent.reason.clone().unwrap_or_default());
    }
    confirm(context, question).await?;
    reason(context, consent).await
}

/// Asks whether to go on.
///
/// # Errors
///
/// If the answer is not yes.
pub(crate) async fn confirm(context: &Context, question: &str) -> Result<(), Failure> {
    let answer = ask(context, &format!("{question} [y/N] ")).await?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(Exit::Declined, "nothing was changed")),
    }
}

/// The reason, which is asked for unless it was given.
async fn reason(context: &Context, consent: &Consent) -> Result<String, Failure> {
    let reason = match &consent.reason {
        Some(reason) => reason.clone(),
        None => ask(context, "Why, for the audit line? ").await?,
    };
    if reason.trim().is_empty() {
        return Err(Failure::new(Exit::Declined, "without a reason nothing was changed"));
    }
    Ok(reason.trim().to_owned())
}

/// Asks to type how many records are changed, unless it was said that so many may be, and returns the reason.
///
/// # Errors
///
/// If that is not the answer, or the audit log cannot be opened. Then nothing was changed.
pub(crate) async fn agree_to_count(
    context: &Context,
    consent: &Consent,
    question: &str,
    count: u64,
) -> Result<String, Failure> {
    look_at_log(context)?;
    if consent.yes {
        return Ok(consent.reason.clone().unwrap_or_default());
    }
    let question = format!("{question} This cannot be undone: type {count} to go on: ");
    let answer = ask(context, &question).await?;
    if answer.trim().replace(',', "") != count.to_string() {
        return Err(Failure::new(Exit::Declined, "nothing was changed"));
    }
    reason(context, consent).await
}

/// Asks on stderr, so that stdout has nothing but the answer's documents.
async fn ask(context: &Context, question: &str) -> Result<String, Failure> {
    eprint!("{question}");
    let _ = io::stderr().flush();
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = context
        .interrupt
        .unless_pressed(read)
        .await
        .map_err(|failure| Failure::new(failure.exit(), "interrupted: nothing was changed"))?;
    match line {
        Ok(Ok(line)) => Ok(line),
        Ok(Err(error)) => Err(Failure::new(Exit::Failed, format!("no answer: {error}"))),
        Err(error) => Err(Failure::new(Exit::Failed, error.to_string())),
    }
}
