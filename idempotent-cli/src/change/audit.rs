//! Audit lines: who changed what, when, why, and what stood there. Each change has two, one before it and one after, so
//! that none is without: if the first cannot be written, nothing is changed.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use idempotent_core::model::Token;
use serde::Serialize;

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
    file: Option<(File, PathBuf)>,
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
        let file = context.audit_log().map(|path| open(&path).map(|file| (file, path)));
        let mut audit = Self {
            id: Token::random().to_string(),
            command: subject.command,
            operator: operator(consent, context.configured_operator()),
            file: file.transpose()?,
            is_logged: false,
        };
        let (id, operator) = (audit.id.clone(), audit.operator.clone());
        audit.write(&Line {
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
        })?;
        if audit.file.is_some() && !context.is_verbose() {
            return Ok(audit);
        }
        if audit.file.is_none() {
            tracing::warn!(
                target: AUDIT,
                "no audit log is set, so nothing that lasts says who changed this and why: name one with --audit-log FILE, or \
                 as audit-log in the configuration file"
            );
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
        self.write(&Line {
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
        })
    }

    /// Writes the line after a change, and returns the change's id.
    ///
    /// # Errors
    ///
    /// If it cannot be written; the change stands.
    pub(crate) fn end(mut self, outcome: &str) -> Result<String, Failure> {
        let (id, operator) = (self.id.clone(), self.operator.clone());
        self.write(&Line {
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
        })?;
        if self.is_logged {
            // Why it failed, the command's own error says.
            let outcome = if outcome.starts_with("failed: ") { "failed" } else { outcome };
            tracing::info!(target: AUDIT, change = self.id, outcome, "{} ends", self.command);
        }
        Ok(id)
    }

    /// Makes a change, and writes the line after it, also if it fails.
    pub(crate) async fn around<T, E: Into<Failure>>(
        self,
        change: impl Future<Output = Result<T, E>>,
    ) -> Result<(T, String), Failure> {
        match change.await {
            Ok(value) => match self.end("done") {
                Ok(id) => Ok((value, id)),
                Err(failure) => {
                    let text = format!(
                        "the change WAS MADE, but its end is not in the log: {}",
                        failure.message()
                    );
                    Err(Failure::new(failure.exit(), text))
                }
            },
            Err(error) => {
                let failure: Failure = error.into();
                self.end(&format!("failed: {}", failure.message()))?;
                Err(failure)
            }
        }
    }

    fn write(&mut self, line: &Line<'_>) -> Result<(), Failure> {
        let Some((file, path)) = &mut self.file else { return Ok(()) };
        let mut text = serde_json::to_string(line).unwrap_or_default();
        text.push('\n');
        // One write each, so that lines of several processes do not mix.
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        written.map_err(|error| unwritable(path, &error))
    }
}

fn open(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| unwritable(path, &error))?;
    if is_torn(path) {
        file.write_all(b"\n").map_err(|error| unwritable(path, &error))?;
    }
    Ok(file)
}

/// Whether the last line has no end, since the disk was full or the machine failed: the next one must not continue it.
fn is_torn(path: &Path) -> bool {
    let last = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last).map(|()| last[0])
    };
    let last: std::io::Result<u8> = last();
    // One that is empty, or that may only be appended to, is taken as it is.
    last.is_ok_and(|last| last != b'\n')
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("the audit log {} cannot be written: {error}", path.display()),
    )
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
