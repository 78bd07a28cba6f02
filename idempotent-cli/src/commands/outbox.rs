//! `outbox`: messages that were parked since their broker did not accept them.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use idempotent_core::outbox::{MessageId, Outbox, Parked};

use crate::args::{Consent, Outbox as Arguments, OutboxAction};
use crate::change::{Audit, Subject, agree, check};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{
    ContentDocument, Document, MessageDocument, Style, age, clean, clipped, grouped, lasting,
    seconds, timestamp,
};
use crate::store::{Backend, Connected};

const PAGE: usize = 100;

pub(super) async fn run(arguments: Arguments, context: &mut Context) -> Result<Exit, Failure> {
    if let OutboxAction::Retry { consent, .. } | OutboxAction::Discard { consent, .. } =
        &arguments.action
    {
        check(consent)?;
    }
    let store = context.connect().await?;
    let Backend::Postgres(postgres) = &store.backend else {
        return Err(Failure::usage("only a store in PostgreSQL has an outbox"));
    };
    let outbox = Outbox::of(postgres);
    let exit = match arguments.action {
        OutboxAction::List { limit } => list(context, &outbox, limit.unwrap_or(u64::MAX)).await,
        OutboxAction::Show { id } => show(context, &outbox, &id).await,
        OutboxAction::Retry { id, consent } => {
            decide(context, &store, &outbox, &id, &consent, Decision::Retry).await
        }
        OutboxAction::Discard { id, consent } => {
            decide(context, &store, &outbox, &id, &consent, Decision::Discard).await
        }
    };
    store.close().await;
    exit
}

async fn list(context: &mut Context, outbox: &Outbox, limit: u64) -> Result<Exit, Failure> {
    let backlog = context.interrupt.unless_pressed(outbox.backlog()).await??;
    if context.is_json() {
        let document = Document::Backlog {
            pending: backlog.pending,
            oldest_pending_seconds: backlog.age.map(seconds),
            parked: backlog.parked,
        };
        context.output.line(document.to_line())?;
    } else {
        let oldest = backlog
            .age
            .map_or_else(String::new, |age| format!(", the oldest for {}", lasting(age)));
        context.output.line(format_args!(
            "{} pending{oldest}; {} parked",
            grouped(backlog.pending),
            grouped(backlog.parked)
        ))?;
        if backlog.parked > 0 {
            let header =
                format!("{:36}  {:>6}  {:>5}  TOPIC  KEY  REASON", "ID", "PARKED", "TRIES");
            let header = cut(context, &header);
            context.output.line(context.output.styled(Style::Bold, header))?;
        }
    }
    let mut shown = 0;
    let mut last: Option<Parked> = None;
    loop {
        let page = outbox.parked(last.as_ref(), PAGE);
        let page = context.interrupt.unless_pressed(page).await??;
        let (count, now) = (page.len(), SystemTime::now());
        for parked in page {
            if shown >= limit {
                return Ok(Exit::Done);
            }
            match context.is_json() {
                true => context.output.line(message(&parked, None).to_line())?,
                false => {
                    let line = format!(
                        "{}  {:>6}  {:>5}  {}  {}  {}",
                        parked.message.id,
                        lasting(age(parked.parked_at, now)),
                        parked.message.attempt - 1,
                        clean(&parked.message.topic),
                        clean(&parked.message.key),
                        clean(&parked.reason),
                    );
                    let line = cut(context, &line);
                    context.output.line(line)?;
                }
            }
            shown += 1;
            last = Some(parked);
        }
        context.output.flush()?;
        if count < PAGE {
            return Ok(Exit::Done);
        }
    }
}

/// A line that fits on the screen, if there is one.
fn cut(context: &Context, line: &str) -> String {
    match context.output.width() {
        Some(width) => clipped(line, width).trim_end().to_owned(),
        None => line.to_owned(),
    }
}

async fn show(context: &mut Context, outbox: &Outbox, id: &str) -> Result<Exit, Failure> {
    let parked = find(context, outbox, id).await?;
    let message_of = &parked.message;
    let (encoding, payload) = match std::str::from_utf8(&message_of.payload) {
        Ok(text) => ("utf-8", text.to_owned()),
        Err(_) => ("base64", STANDARD.encode(&message_of.payload)),
    };
    if context.is_json() {
        let content = ContentDocument { headers: message_of.headers.clone(), encoding, payload };
        context.output.line(message(&parked, Some(content)).to_line())?;
        return Ok(Exit::Done);
    }
    let facts = [
        ("id", message_of.id.to_string()),
        ("topic", message_of.topic.clone()),
        ("key", message_of.key.clone()),
        ("published", timestamp(message_of.published_at)),
        ("parked", timestamp(parked.parked_at)),
        ("tries", (message_of.attempt - 1).to_string()),
        ("reason", parked.reason.clone()),
    ];
    for (name, value) in facts {
        let name = context.output.styled(Style::Dim, format_args!("{name:11}"));
        context.output.line(format_args!("{name}  {}", clean(&value)))?;
    }
    for (name, value) in &message_of.headers {
        context.output.line(format_args!("{}: {}", clean(name), clean(value)))?;
    }
    let size = message_of.payload.len();
    context.output.line(format_args!("payload, {size} bytes, {encoding}:"))?;
    for line in payload.lines() {
        context.output.line(format_args!("  {}", clean(line)))?;
    }
    Ok(Exit::Done)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Decision {
    Retry,
    Discard,
}

async fn decide(
    context: &mut Context,
    store: &Connected,
    outbox: &Outbox,
    id: &str,
    consent: &Consent,
    decision: Decision,
) -> Result<Exit, Failure> {
    let parked = find(context, outbox, id).await?;
    let id = parked.message.id.to_string();
    let (command, question, done) = match decision {
        Decision::Retry => (
            "outbox retry",
            format!("Deliver {id} to {} after all?", clean(&parked.message.topic)),
            format!("{id} is pending again"),
        ),
        Decision::Discard => (
            "outbox discard",
            format!(
                "Delete {id} for {}, so that nobody receives it?",
                clean(&parked.message.topic)
            ),
            format!("{id} is deleted"),
        ),
    };
    let document = |done, audit| Document::MessageChange {
        command,
        id: id.clone(),
        done,
        dry_run: consent.dry_run,
        audit,
    };
    let (document, text) = if consent.dry_run {
        (document(false, None), format!("dry run: {command} would change it"))
    } else {
        let reason = agree(context, consent, &question).await?;
        let subject = Subject {
            command,
            subject: id.clone(),
            step: None,
            owner: None,
            said: Some(parked.reason.clone()),
            result: None,
            before: None,
        };
        let audit = Audit::begin(context, consent, &reason, &store.place(), &subject)?;
        let act = async {
            let was_parked = match decision {
                Decision::Retry => outbox.retry(&parked).await,
                Decision::Discard => outbox.discard(&parked).await,
            };
            match was_parked {
                Ok(true) => Ok(()),
                Ok(false) => {
                    Err(Failure::new(Exit::Refused, format!("{id} is not parked any more")))
                }
                Err(error) => Err(error.into()),
            }
        };
        let ((), audit) = audit.around(act).await?;
        (document(true, Some(audit)), done)
    };
    match context.is_json() {
        true => context.output.line(document.to_line())?,
        false => context.output.line(text)?,
    }
    Ok(Exit::Done)
}

/// The parked message with this id.
async fn find(context: &Context, outbox: &Outbox, id: &str) -> Result<Parked, Failure> {
    let id: MessageId = id.parse().map_err(|_| Failure::usage("a message's id is a UUID"))?;
    let mut last: Option<Parked> = None;
    loop {
        let page = outbox.parked(last.as_ref(), PAGE);
        let page = context.interrupt.unless_pressed(page).await??;
        let count = page.len();
        for parked in page {
            if parked.message.id == id {
                return Ok(parked);
            }
            last = Some(parked);
        }
        if count < PAGE {
            let message = format!("no message with the id {id} is parked");
            return Err(Failure::new(Exit::NotFound, message));
        }
    }
}

fn message(parked: &Parked, content: Option<ContentDocument>) -> Document {
    let message = &parked.message;
    Document::Message(Box::new(MessageDocument {
        id: message.id.to_string(),
        topic: message.topic.clone(),
        key: message.key.clone(),
        published: timestamp(message.published_at),
        parked: timestamp(parked.parked_at),
        attempts: message.attempt - 1,
        reason: parked.reason.clone(),
        bytes: message.payload.len(),
        content,
    }))
}
