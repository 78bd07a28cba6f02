//! What is checked before the first delivery.

use std::time::Duration;

use idempotent_core::consumer::{Needs, SourceError};
use lapin::options::QueueDeclareOptions;
use lapin::types::ShortString;
use lapin::{Connection, ErrorKind};

use crate::look_up;
use crate::queue::Queue;
use crate::settings::{DeadLetters, Settings};

const FEWEST_DELIVERIES: u32 = 20;

/// What can be said before the broker is asked.
pub(crate) fn check(settings: &Settings, needs: &Needs) -> Result<(), SourceError> {
    let wrong = |text: String| Err(SourceError::misconfigured(text));
    let queue = &settings.queue;
    match &settings.dead_letters {
        DeadLetters::Unset => {
            return wrong(
                "there is nowhere to park messages: set `dead_letters`, a queue, or `dead_letters_by`, an exchange"
                    .to_owned(),
            );
        }
        DeadLetters::Queue(name) if name == queue => {
            return wrong(format!(
                "messages would be parked on the queue `{name}` itself, and be delivered again: park them on another one"
            ));
        }
        _ => {}
    }
    if settings.delay_queues.is_none() && crate::delay_queues::is_too_long(queue) {
        return wrong(format!(
            "the name of the queue `{queue}` leaves no room for those of its delay queues, which have at most 255 bytes"
        ));
    }
    if settings.delay_queues.as_ref().is_some_and(Vec::is_empty) {
        return wrong("there is no delay queue: name at least one in `delay_queues`".to_owned());
    }
    if settings.deadline < Duration::from_millis(1) || settings.consumer_timeout < settings.deadline
    {
        return wrong(format!(
            "a deadline of {:?} does not fit into the broker's consumer timeout of {:?}",
            settings.deadline, settings.consumer_timeout
        ));
    }
    check_limit(settings, needs)
}

/// A broker counts what is given back and what is lost with its worker, and drops the message in the end. Failed
/// attempts do not count, since the message of each is a new one, but those do in which the process dies.
fn check_limit(settings: &Settings, needs: &Needs) -> Result<(), SourceError> {
    let declared = settings.declared.as_ref().and_then(|queue| queue.delivery_limit);
    let Some(limit) = settings.delivery_limit.or(declared) else { return Ok(()) };
    let attempts = needs.attempts.unwrap_or(0);
    let least = attempts.saturating_mul(2).max(FEWEST_DELIVERIES);
    if limit >= least {
        return Ok(());
    }
    Err(SourceError::misconfigured(format!(
        "the queue `{}` has a delivery limit of {limit}, after which the broker drops a message, and it also counts \
         deliveries in which no handler ran: with {attempts} attempts, set it to at least {least}",
        settings.queue
    )))
}

/// Looks the queue up, or declares it.
pub(crate) async fn find_queue(
    connection: &Connection,
    settings: &Settings,
) -> Result<(), SourceError> {
    let name = &settings.queue;
    let found = match &settings.declared {
        Some(queue) => declare(connection, name, queue).await,
        None => look_up::queue(connection, name).await,
    };
    found.map_err(|error| match (&settings.declared, look_up::is_missing(&error)) {
        (None, true) => SourceError::gone(format!(
            "there is no queue `{name}`: create it first, or let the source `declare` it"
        )),
        _ => refused(&format!("the queue `{name}`"), error),
    })
}

/// Looks up where messages are parked, and where they wait.
pub(crate) async fn find_others(
    connection: &Connection,
    settings: &Settings,
) -> Result<(), SourceError> {
    let (what, found) = match &settings.dead_letters {
        DeadLetters::Unset => return Ok(()),
        DeadLetters::Queue(name) => {
            (format!("the queue of dead letters, `{name}`"), look_up::queue(connection, name).await)
        }
        DeadLetters::Exchange(name, _) => {
            let found = look_up::exchange(connection, name).await;
            (format!("the exchange of dead letters, `{name}`"), found)
        }
    };
    found.map_err(|error| refused(&what, error))?;
    for (_, name) in settings.delay_queues.iter().flatten() {
        let found = look_up::queue(connection, name).await;
        found.map_err(|error| refused(&format!("the delay queue `{name}`"), error))?;
    }
    Ok(())
}

async fn declare(connection: &Connection, name: &ShortString, queue: &Queue) -> lapin::Result<()> {
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.clone(), options, queue.arguments()).await.map(drop)
}

/// What the broker says by closing the channel is no outage.
pub(crate) fn refused(what: &str, error: lapin::Error) -> SourceError {
    match error.kind() {
        ErrorKind::ProtocolError(why) if error.is_amqp_soft_error() => {
            SourceError::misconfigured(format!("{what} cannot be used: {why}"))
        }
        _ => SourceError::unavailable(error),
    }
}
