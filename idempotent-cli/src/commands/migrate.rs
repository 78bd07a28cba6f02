//! `migrate`: creating and migrating the tables of a store.

use idempotent_core::store::StoreError;

use crate::args::{Consent, Migrate};
use crate::change::{Audit, Subject, agree, check};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::Document;
use crate::store::{Address, Settings};

pub(super) async fn run(arguments: Migrate, context: &mut Context) -> Result<Exit, Failure> {
    let consent = &arguments.consent;
    let settings = context.settings()?;
    let missing = context.interrupt.unless_pressed(missing(&settings)).await??;
    let versions: Vec<i32> = missing.iter().map(|(version, _)| *version).collect();
    if consent.dry_run {
        if context.is_json() {
            let document =
                Document::Migration { missing: versions, ran: Vec::new(), dry_run: true };
            context.output.line(document.to_line())?;
            return Ok(Exit::Done);
        }
        for (version, sql) in &missing {
            context.output.line(format_args!("-- version {version}\n{}\n", sql.trim_end()))?;
        }
    }
    if versions.is_empty() && !context.is_json() {
        context.output.line("the tables are up to date")?;
        return Ok(Exit::Done);
    }
    if consent.dry_run {
        return Ok(Exit::Done);
    }
    if !versions.is_empty() {
        change(context, consent, &settings, &versions).await?;
    }
    if context.is_json() {
        let document =
            Document::Migration { missing: versions.clone(), ran: versions, dry_run: false };
        context.output.line(document.to_line())?;
    } else {
        for version in versions {
            context.output.line(format_args!("version {version} has run"))?;
        }
    }
    Ok(Exit::Done)
}

/// Asks, and runs what is missing.
async fn change(
    context: &Context,
    consent: &Consent,
    settings: &Settings,
    versions: &[i32],
) -> Result<(), Failure> {
    check(consent)?;
    let place = settings.place();
    let verb = if versions.first() == Some(&1) { "Create" } else { "Migrate" };
    let texts: Vec<_> = versions.iter().map(i32::to_string).collect();
    let versions = texts.join(", ");
    let question = format!("{verb} the tables of {place}, by running versions {versions}?");
    let reason = agree(context, consent, &question).await?;
    let subject = Subject {
        command: "migrate",
        subject: place.clone(),
        step: None,
        owner: None,
        said: Some(format!("versions {versions}")),
        result: None,
        before: None,
    };
    let audit = Audit::begin(context, consent, &reason, &place, &subject)?;
    // Not interrupted: each version runs in a transaction, so a second attempt goes on where this one ended.
    audit.around(migrate(settings)).await.map(drop)
}

async fn missing(settings: &Settings) -> Result<Vec<(i32, String)>, Failure> {
    let missing: Result<_, StoreError> = match settings.address {
        Address::Postgres(_) => settings.postgres()?.missing_migrations().await,
        Address::Sqlite(_) => settings.sqlite()?.missing_migrations().await,
        _ => return Err(Failure::usage("a store in Redis has no tables")),
    };
    Ok(missing?)
}

async fn migrate(settings: &Settings) -> Result<(), Failure> {
    match settings.address {
        Address::Postgres(_) => settings.postgres()?.migrate(true).connect().await?.close().await,
        Address::Sqlite(_) => settings.sqlite()?.migrate(true).connect().await?.close().await,
        _ => {}
    }
    Ok(())
}
