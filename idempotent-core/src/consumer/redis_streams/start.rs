//! What is checked before the first delivery.

use redis::{Cmd, RedisError};

use super::group::{Group, StartAt, is_gone, is_no_stream};
use super::received;
use crate::consumer::SourceError;

/// Looks the group and the dead letters up, and checks that they suit.
pub(super) async fn start(
    group: &Group,
    creates: Option<StartAt>,
    dead_letters: &str,
) -> Result<(), SourceError> {
    let Group { stream, name, commands, .. } = group;
    let wrong = |text: String| Err(SourceError::misconfigured(text));
    if stream.is_empty() || name.is_empty() {
        return wrong("the names of the stream and of the group must not be empty".to_owned());
    }
    if dead_letters.is_empty() {
        return wrong(
            "there is nowhere to park messages: set `dead_letters`, another stream".into(),
        );
    }
    if dead_letters == stream {
        return wrong(format!("the dead letters of `{stream}` must be in another stream"));
    }
    if group.min_idle.is_zero() {
        return wrong("with a `min_idle` of zero every message is another worker's at once".into());
    }
    if !commands.can_connect() {
        return wrong(
            "reading blocks a connection, and a store on an existing connection cannot open one: build it from a URL \
             or a redis::Client"
                .into(),
        );
    }
    commands.ready().await.map_err(SourceError::unavailable)?;
    if !commands.share_a_slot(&[stream, &group.delayed]) {
        return wrong(format!(
            "in a cluster, `{stream}` needs a hash tag such as `{{orders}}`: its braces are none"
        ));
    }
    check_type(group, dead_letters, "stream", "the dead letters").await?;
    check_type(group, &group.delayed, "zset", "the delayed messages").await?;
    if let Some(at) = creates {
        group.create(at).await.map_err(|error| unreadable(group, error))?;
    }
    // Finds out whether the group is there, too.
    group.leave(false).await.map_err(|error| unreadable(group, error))?;
    Ok(())
}

/// What is kept there need not be there yet.
async fn check_type(group: &Group, key: &str, kind: &str, what: &str) -> Result<(), SourceError> {
    let mut ask = Cmd::new();
    ask.arg("TYPE").arg(key);
    let answer = group.commands.repeatable(key, &ask).await;
    let found = received::bytes(answer.map_err(SourceError::unavailable)?).unwrap_or_default();
    if found != kind.as_bytes() && found != "none" {
        let found = String::from_utf8_lossy(&found).into_owned();
        let text = format!("{what} cannot be in `{key}`, which is a {found}");
        return Err(SourceError::misconfigured(text));
    }
    Ok(())
}

fn unreadable(group: &Group, error: RedisError) -> SourceError {
    let Group { stream, name, .. } = group;
    if is_no_stream(&error) {
        return SourceError::misconfigured(format!("`{stream}` is no stream"));
    }
    if is_gone(&error) || is_missing(&error) {
        return SourceError::gone(format!(
            "there is no group `{name}` of a stream `{stream}`: create it, or let the source do so with `create_group`"
        ));
    }
    SourceError::unavailable(error)
}

/// What `XINFO` says where others say that there is no group.
fn is_missing(error: &RedisError) -> bool {
    error.detail().is_some_and(|text| text.starts_with("no such key"))
}
