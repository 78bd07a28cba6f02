//! Audit lines: who changed what, when, why, and what stood there. Each change has two, one before it and one after, so
//! that none is without: if the first cannot be written, nothing is changed.

use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use idempotent_core::model::Token;
use serde::Serialize;

use super::audit_log::{AuditLog, nothing_changed, obstacle};
use crate::args::Consent;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::log::AUDIT;
use crate::output::{RecordDocument, ResultDocument, StepReference, timestamp};

/// What is about to be changed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Subject {
    pub(crate) command: &'static str,
    /// The record, the message, or which records.
    pub(crate) subject: String,
    /// The step of the call, if it is about one.
    pub(crate) step: Option<StepReference>,
    /// What was seen of the owner of a call that runs.
    pub(crate) owner: Option<String>,
    /// What the operator says of it.
    pub(crate) said: Option<String>,
    /// The result that it gets, if audit lines are to have results.
    pub(crate) result: Option<ResultDocument>,
    /// What stood there, without its result. Without key and scope too, if it is removed, since that may be what is to
    /// be forgotten.
    pub(crate) before: Option<RecordDocument>,
}

/// A change that is under way.
#[derive(Debug)]
pub(crate) struct Audit {
    id: String,
    command: &'static str,
    operator: String,
    log: Option<AuditLog>,
    /// Whether a change was made, for what fails after it.
    has_changed: Arc<AtomicBool>,
    /// Whether its lines are in the log too: if there is no file, or more is to be said than usual.
    is_logged: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    change: &'a str,
    phase: &'static str,
    command: &'static str,
    operator: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'a str>,
    #[serde(flatten)]
    subject: Option<SubjectFields<'a>>,
    /// Of the lines between the two: records that are about to be removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
}

#[derive(Serialize)]
struct SubjectFields<'a> {
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a StepReference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    said: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a ResultDocument>,
    before: Option<&'a RecordDocument>,
}

impl Audit {
    /// What would be written where, for a dry run.
    pub(crate) fn preview(
        context: &Context,
        consent: &Consent,
        command: &str,
        said: Option<&str>,
    ) -> String {
        let place = match context.audit_log() {
            Some(path) => format!("the audit log {} would get", path.display()),
            None => "no audit log is set, so the log alone would get".to_owned(),
        };
        let said = said.map_or_else(String::new, |said| format!(", said {said}"));
        let operator = operator(consent, context.configured_operator());
        let reason = match &consent.reason {
            Some(reason) => format!("the reason {:?}", reason.trim()),
            None => "the reason that you give".to_owned(),
        };
        format!("{place}: {command}{said}, by {operator}, with {reason}.")
    }

    /// Writes the line before a change.
    ///
    /// # Errors
    ///
    /// If it cannot be written. Then nothing may be changed.
    pub(crate) fn begin(
        context: &Context,
        consent: &Consent,
        reason: &str,
        store: &str,
        subject: &Subject,
    ) -> Result<Self, Failure> {
        let mut audit = Self {
            id: Token::random().to_string(),
            command: subject.command,
            operator: operator(consent, context.configured_operator()),
            log: context.audit_log().map(AuditLog::open).transpose()?,
            has_changed: Arc::clone(&context.has_changed),
            is_logged: false,
        };
        let (id, operator) = (audit.id.clone(), audit.operator.clone());
        let written = audit.write(&Line {
            time: timestamp(SystemTime::now()),
            change: &id,
            phase: "begin",
            command: subject.command,
            operator: &operator,
            reason: Some(reason),
            store: Some(store),
            subject: Some(SubjectFields {
                subject: &subject.subject,
                step: subject.step.as_ref(),
                owner: subject.owner.as_deref(),
                said: subject.said.as_deref(),
                result: subject.result.as_ref(),
                before: subject.before.as_ref(),
            }),
            ids: Vec::new(),
            outcome: None,
        });
        written.map_err(|error| nothing_changed(&audit.unwritten(&error)))?;
        if audit.log.is_some() && !context.is_verbose() {
            return Ok(audit);
        }
        audit.is_logged = true;
        tracing::info!(
            target: AUDIT,
            change = audit.id,
            operator = audit.operator,
            reason,
            subject = subject.subject,
            said = subject.said,
            "{} begins",
            subject.command
        );
        Ok(audit)
    }

    /// Writes a line with the ids of records that are about to be changed, if there are any.
    ///
    /// # Errors
    ///
    /// If it cannot be written. Then they may not be changed.
    pub(crate) fn names(&mut self, ids: Vec<String>) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        let (id, operator) = (self.id.clone(), self.operator.clone());
        let written = self.write(&Line {
            time: timestamp(SystemTime::now()),
            change: &id,
            phase: "records",
            command: self.command,
            operator: &operator,
            reason: None,
            store: None,
            subject: None,
            ids,
            outcome: None,
        });
        written.map_err(|error| Failure::new(Exit::Failed, self.unwritten(&error)))
    }

    /// Writes the line after a change, and returns the change's id.
    ///
    /// # Errors
    ///
    /// If it cannot be written; the change stands.
    pub(crate) fn end(mut self, outcome: &str) -> Result<String, Failure> {
        let is_done = outcome.starts_with("done");
        if is_done {
            self.has_changed.store(true, Ordering::Relaxed);
        }
        self.write_end(outcome).map_err(|without| {
            let made =
                if is_done { "the change was made" } else { "the change may have been made" };
            Failure::new(Exit::Changed, format!("{made} ({outcome}), but {without}"))
        })?;
        Ok(self.id)
    }

    /// Makes a change, and writes the line after it, also if it fails.
    pub(crate) async fn around<T, E: Into<Failure>>(
        mut self,
        change: impl Future<Output = Result<T, E>>,
    ) -> Result<(T, String), Failure> {
        let failure: Failure = match change.await {
            Ok(value) => return Ok((value, self.end("done")?)),
            Err(error) => error.into(),
        };
        if failure.is_without_answer() {
            self.end(&format!("unknown: {}", failure.message()))?;
            return Err(
                failure.and("nobody knows whether the change was made: look before you try again")
            );
        }
        match self.write_end(&format!("failed: {}", failure.message())) {
            Ok(()) => Err(failure),
            Err(without) => Err(failure.and(&without)),
        }
    }

    /// Writes the line after a change, or says what the log has without it.
    fn write_end(&mut self, outcome: &str) -> Result<(), String> {
        let (id, operator) = (self.id.clone(), self.operator.clone());
        let written = self.write(&Line {
            time: timestamp(SystemTime::now()),
            change: &id,
            phase: "end",
            command: self.command,
            operator: &operator,
            reason: None,
            store: None,
            subject: None,
            ids: Vec::new(),
            outcome: Some(outcome),
        });
        if let Err(error) = written {
            let why = self.unwritten(&error);
            return Err(format!("the audit log has change {id} without its end: {why}"));
        }
        if self.is_logged {
            // Why it failed, the command's own error says.
            let outcome = match outcome.split_once(": ") {
                Some((word @ ("failed" | "unknown"), _)) => word,
                _ => outcome,
            };
            tracing::info!(target: AUDIT, change = self.id, outcome, "{} ends", self.command);
        }
        Ok(())
    }

    fn write(&mut self, line: &Line<'_>) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        log.append(serde_json::to_string(line)?)
    }

    fn unwritten(&self, error: &io::Error) -> String {
        let path = self.log.as_ref().map(|log| log.path().display().to_string());
        format!("the audit log {} cannot be written: {error}", path.unwrap_or_default())
    }
}

/// Finds before anybody is asked that no audit line could be written, and says if nobody wants one.
///
/// # Errors
///
/// If the audit log cannot be opened. Then nothing may be changed.
pub(super) fn look_at_log(context: &Context) -> Result<(), Failure> {
    match context.audit_log() {
        Some(path) => AuditLog::open(path).map(drop),
        None => {
            tracing::warn!(
                target: AUDIT,
                "no audit log is set, so nothing that lasts says who changes this and why: name one with --audit-log FILE, or \
                 as audit-log in the configuration file"
            );
            Ok(())
        }
    }
}

/// Warns of the same where nothing is to be changed yet. Creates no file.
pub(crate) fn warn_of_log(context: &Context) {
    match context.audit_log() {
        Some(path) => {
            if let Some(why) = obstacle(&path) {
                tracing::warn!(target: AUDIT, "{why}; without the dry run nothing would be changed");
            }
        }
        None => drop(look_at_log(context)),
    }
}

/// Who it is: whoever they say, or the user of this machine, also behind sudo.
fn operator(consent: &Consent, configured: Option<&str>) -> String {
    let said = [consent.operator.as_deref(), configured];
    if let Some(name) = said.into_iter().flatten().map(str::trim).find(|name| !name.is_empty()) {
        return name.to_owned();
    }
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("SUDO_USER").or_else(|| variable("USER")).or_else(|| variable("LOGNAME"));
    let user = user
        .or_else(user_of_process)
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    let host = rustix::system::uname();
    format!("{user}@{}", host.nodename().to_string_lossy())
}

/// The name of the user that the process runs as, wherever the machine has its users from. Jobs of cron and containers have
/// no variable of it.
fn user_of_process() -> Option<String> {
    let asked = Command::new("id").arg("-un").stdin(Stdio::null()).output().ok()?;
    let name = String::from_utf8(asked.stdout).ok()?.trim().to_owned();
    (asked.status.success() && !name.is_empty()).then_some(name)
}
