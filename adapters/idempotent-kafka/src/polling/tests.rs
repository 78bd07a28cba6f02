use idempotent_core::consumer::SourceErrorKind;

use super::*;

/// A member of a group whose broker is nowhere.
fn member(joined: oneshot::Sender<Result<(), SourceError>>) -> Polling {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", "127.0.0.1:1").set("group.id", "shop");
    let plan = Plan {
        topics: vec!["orders".to_owned()],
        reading: Reading::default(),
        commit_every: Duration::from_secs(1),
        drain_within: Duration::from_secs(1),
    };
    let group = Arc::new(Group::new(true, 4));
    Polling::new(client(&config).unwrap(), group, plan, joined).unwrap()
}

fn refusal() -> KafkaError {
    KafkaError::MessageConsumption(RDKafkaErrorCode::GroupAuthorizationFailed)
}

#[test]
fn a_refusal_is_told_to_who_joins() {
    let (joined, mut joining) = oneshot::channel();
    let mut member = member(joined);
    member.failed(&refusal());
    let told = joining.try_recv().unwrap().unwrap_err();
    assert_eq!(told.kind(), SourceErrorKind::Misconfigured);
    assert!(member.group.take(1).is_ok(), "it is told once");
}

#[test]
fn a_refusal_that_comes_when_nobody_waits_for_joining_any_more_is_told_to_who_waits_for_messages() {
    let (joined, joining) = oneshot::channel();
    let mut member = member(joined);
    drop(joining);
    member.failed(&refusal());
    let told = member.group.take(1).map(drop).unwrap_err();
    assert_eq!(told.kind(), SourceErrorKind::Unavailable);
}
