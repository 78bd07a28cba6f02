//! `doctor`: looking for what makes the store's guarantees weaker than they seem. `checkup` collects what the checks of
//! `redis`, `postgres` and `sqlite` find; `connections` and `lease` look at whether leases are renewed; `readable`,
//! `retention` and `freshness` at the records themselves.

mod checkup;
mod connections;
mod freshness;
mod lease;
mod network_file_system;
mod postgres;
mod readable;
mod redis;
mod retention;
mod sqlite;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use self::checkup::{Checkup, Severity};
use self::connections::Pools;
use crate::args::Doctor;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Document, Style, clean, paragraph};
use crate::store::{Address, Backend};

/// What nobody should think was looked at.
const NOT_LOOKED_AT: &str = "not looked at: backups, rights and logins, encryption on the way, and what the application sets, of \
     which --pool, --lease, --redelivery and --newest tell something";

pub(super) async fn run(arguments: Doctor, context: &mut Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let pools =
        arguments.pool.map(|connections| Pools { connections, processes: arguments.processes });
    if pools.is_some() && !matches!(settings.address, Address::Postgres(_)) {
        return Err(Failure::usage(
            "--pool is for stores in PostgreSQL: others have no pool at a server",
        ));
    }
    let store = context.connect().await?;
    let mut checkup = Checkup::default();
    let response_timeout = arguments.response_timeout.unwrap_or(match store.backend {
        Backend::Redis(_) | Backend::Postgres(_) => Duration::from_secs(1),
        Backend::Sqlite(_) => Duration::from_secs(2),
    });
    let health = context.interrupt.unless_pressed(store.engine.check()).await?;
    checkup.asked = Some(SystemTime::now());
    match &store.backend {
        Backend::Redis(redis) => {
            let servers = context.interrupt.unless_pressed(redis.server_settings()).await??;
            for server in &servers {
                redis::check(&mut checkup, server);
                connections::of_redis(&mut checkup, server);
                if let Some(lease) = arguments.lease {
                    lease::against_failover(&mut checkup, server, lease);
                }
            }
        }
        Backend::Postgres(postgres) => {
            let server = context.interrupt.unless_pressed(postgres.server_settings()).await??;
            postgres::check(&mut checkup, &server, response_timeout);
            connections::of_postgres(&mut checkup, &server, pools);
        }
        Backend::Sqlite(_) => {
            if let Address::Sqlite(path) = &settings.address {
                sqlite::check(&mut checkup, path, &store.server())?;
            }
        }
    }
    checkup.takes_calls(&store.server(), health.error.as_ref());
    readable::check(&mut checkup, &store, &context.interrupt).await?;
    if let Some(lease) = arguments.lease {
        lease::against_timeout(&mut checkup, &store.server(), lease, response_timeout);
    }
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
        let servers = checkup.servers.join(", ");
        let codes: BTreeSet<_> = checkup.looked_for.iter().map(|(_, code)| *code).collect();
        let codes = codes.into_iter().collect::<Vec<_>>().join(", ");
        paragraph(output, &format!("looked for, at {}: {codes}", clean(&servers)))?;
        paragraph(output, NOT_LOOKED_AT)?;
    }
    if !checkup.unknown.is_empty() {
        let unknown = checkup.unknown.join(", ");
        output.line(format_args!("not told by the server: {unknown}"))?;
    }
    Ok(())
}
