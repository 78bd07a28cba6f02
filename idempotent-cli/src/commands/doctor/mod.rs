//! `doctor`: looking for what makes the store's guarantees weaker than they seem. `checkup` collects what the checks of
//! `redis`, `postgres` and `sqlite` find; `retention` and `freshness` look at the records themselves.

mod checkup;
mod freshness;
mod network_file_system;
mod postgres;
mod redis;
mod retention;
mod sqlite;

use self::checkup::{Checkup, Severity};
use crate::args::Doctor;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Document, Style, clean, paragraph};
use crate::store::{Address, Backend};

pub(super) async fn run(arguments: Doctor, context: &mut Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let store = context.connect().await?;
    let mut checkup = Checkup::default();
    let health = context.interrupt.unless_pressed(store.engine.check()).await?;
    match &store.backend {
        Backend::Redis(redis) => {
            let servers = context.interrupt.unless_pressed(redis.server_settings()).await??;
            servers.iter().for_each(|server| redis::check(&mut checkup, server));
        }
        Backend::Postgres(postgres) => {
            let server = context.interrupt.unless_pressed(postgres.server_settings()).await??;
            postgres::check(&mut checkup, &server);
        }
        Backend::Sqlite(_) => {
            if let Address::Sqlite(path) = &settings.address {
                sqlite::check(&mut checkup, path, &store.server())?;
            }
        }
    }
    checkup.takes_calls(&store.server(), health.error.as_ref());
    if let Some(redelivery) = arguments.redelivery {
        retention::check(&mut checkup, &store, &context.interrupt, redelivery).await?;
    }
    if let Some(newest) = arguments.newest {
        freshness::check(&mut checkup, &store, &context.interrupt, newest).await?;
    }
    report(context, &checkup)?;
    store.close().await;
    let worst = checkup.findings.iter().map(|finding| finding.severity).max();
    Ok(match worst {
        Some(Severity::Error | Severity::Warning) => Exit::Findings,
        Some(Severity::Note) if arguments.strict => Exit::Findings,
        // What could not be looked at may be anything.
        _ if arguments.strict && !checkup.unknown.is_empty() => Exit::Findings,
        _ => Exit::Done,
    })
}

fn report(context: &mut Context, checkup: &Checkup) -> Result<(), Failure> {
    let is_verbose = context.is_verbose();
    let output = &mut context.output;
    for finding in &checkup.findings {
        if output.is_json() {
            let document = Document::Finding {
                code: finding.code,
                severity: finding.severity.as_str(),
                server: finding.server.clone(),
                what: finding.what.clone(),
                means: finding.means,
                mend: finding.mend.clone(),
            };
            output.line(document.to_line())?;
            continue;
        }
        let style = match finding.severity {
            Severity::Error => Style::Red,
            Severity::Warning => Style::Yellow,
            Severity::Note => Style::Dim,
        };
        let severity = output.styled(style, format_args!("{:7}", finding.severity.as_str()));
        output.line(format_args!("{severity}  {}", finding.code))?;
        output.line(format_args!("  at     {}", clean(&finding.server)))?;
        output.line(format_args!("  what   {}", clean(&finding.what)))?;
        output.line(format_args!("  means  {}", finding.means))?;
        output.line(format_args!("  mend   {}", finding.mend))?;
    }
    if output.is_json() {
        let document = Document::Checkup {
            servers: checkup.servers.clone(),
            checks: checkup.checks,
            findings: checkup.findings.len() as u64,
            unknown: checkup.unknown.clone(),
        };
        return output.line(document.to_line());
    }
    let found = match checkup.findings.len() {
        0 => "nothing found".to_owned(),
        count => format!("{count} found"),
    };
    output.line(format_args!("{} checks, {found}", checkup.checks))?;
    if is_verbose {
        let (codes, servers) = (&checkup.codes, checkup.servers.join(", "));
        let codes = codes.iter().copied().collect::<Vec<_>>().join(", ");
        paragraph(output, &format!("looked for, at {}: {codes}", clean(&servers)))?;
    }
    if !checkup.unknown.is_empty() {
        let unknown = checkup.unknown.join(", ");
        output.line(format_args!("not told by the server: {unknown}"))?;
    }
    Ok(())
}
