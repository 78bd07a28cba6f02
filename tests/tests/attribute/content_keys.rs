//! Keys by content: equal payloads are one call.

use std::collections::HashMap;

use idempotent_core::backends::MemoryStore;
use idempotent_core::call::ContentKey;
use idempotent_core::model::RecordId;
use idempotent_core::{Error, ErrorKind, Idempotency, Operation, idempotent};
use serde::{Serialize, Serializer};

use crate::{Runs, alone};

#[derive(Clone, Serialize)]
struct Mail {
    to: String,
    tags: HashMap<u8, u8>,
}

fn mail(to: &str) -> Mail {
    Mail { to: to.to_owned(), tags: (0..20).map(|tag| (tag, tag)).collect() }
}

#[idempotent(key = content(&mail))]
async fn send(mail: Mail, runs: &Runs) -> Result<u32, Error> {
    drop(mail);
    Ok(runs.next())
}

#[tokio::test]
async fn equal_payloads_are_one_call_and_different_ones_two() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(send(mail("a"), &runs).await.unwrap(), 1);
        assert_eq!(send(mail("a"), &runs).await.unwrap(), 1);
        assert_eq!(send(mail("b"), &runs).await.unwrap(), 2);
    })
    .await;
}

#[idempotent(key = (tenant, content(mail)))]
async fn send_for(tenant: u8, mail: Mail, runs: &Runs) -> Result<u32, Error> {
    drop(mail);
    Ok(runs.next())
}

#[idempotent(key = "tenant:{tenant}:{content(&mail)}", name = "send.for")]
async fn send_by_string(tenant: u8, mail: Mail, runs: &Runs) -> Result<u32, Error> {
    drop(mail);
    Ok(runs.next())
}

#[tokio::test]
async fn content_may_be_a_part_of_a_key() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(send_for(1, mail("a"), &runs).await.unwrap(), 1);
        assert_eq!(send_for(2, mail("a"), &runs).await.unwrap(), 2);
        assert_eq!(send_for(1, mail("b"), &runs).await.unwrap(), 3);
        assert_eq!(send_for(1, mail("a"), &runs).await.unwrap(), 1);
        assert_eq!(send_by_string(1, mail("a"), &runs).await.unwrap(), 4);
        assert_eq!(send_by_string(1, mail("a"), &runs).await.unwrap(), 4);
    })
    .await;
}

mod text {
    //! A function of the user's own with that name.

    pub(super) fn content(text: &str) -> &str {
        text.trim()
    }
}

#[idempotent(key = text::content(text))]
async fn read(text: &str, ran: u32) -> Result<u32, Error> {
    Ok(ran)
}

#[tokio::test]
async fn a_function_of_that_name_is_called_by_its_path() {
    alone(async {
        assert_eq!(read("a", 1).await.unwrap(), 1);
        assert_eq!(read(" a ", 2).await.unwrap(), 1);
    })
    .await;
}

/// One operation whose keys come in both kinds.
async fn run(engine: &Idempotency, key: impl idempotent_core::Key, ran: u32) -> Result<u32, Error> {
    let call = Operation::new("mixed").key(&key).engine(engine).returning::<Result<u32, Error>>();
    call.run(|| async move { Ok(ran) }).await
}

#[tokio::test]
async fn no_other_key_meets_one_by_content() {
    let engine = Idempotency::new(MemoryStore::new());
    assert_eq!(run(&engine, ContentKey::of("tea"), 1).await.unwrap(), 1);
    // As a record shows it, and the payload itself.
    assert_eq!(run(&engine, "(content)", 2).await.unwrap(), 2);
    assert_eq!(run(&engine, "tea", 3).await.unwrap(), 3);
    // The empty part that marks a digest cannot be had by any other means.
    let empty = run(&engine, ("", "tea"), 4).await.unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::InvalidKey);
    assert_eq!(run(&engine, ContentKey::of("tea"), 5).await.unwrap(), 1);
}

#[tokio::test]
async fn an_operator_finds_the_record_of_a_payload_and_not_the_payload() {
    let engine = Idempotency::new(MemoryStore::new());
    run(&engine, ("order:", ContentKey::of("4242 4242")), 1).await.unwrap();
    let id = RecordId::of("mixed", None, &("order:", ContentKey::of("4242 4242"))).unwrap();
    let inspection = engine.inspect(&id).await.unwrap().unwrap();
    assert_eq!(inspection.key(), Some("order:(content)"));
    let shown = format!("{:?} {inspection:?}", ContentKey::of("4242 4242"));
    assert!(!shown.contains("4242"), "{shown}");
}

/// Processes of two versions share records, so the key of a payload must never change.
#[test]
fn the_key_of_a_payload_is_the_same_in_every_process() {
    let id = |payload: ContentKey| RecordId::of("mixed", None, &payload).unwrap().to_string();
    assert_eq!(id(ContentKey::of(&7_u8)), id(ContentKey::of(&7_i64)));
    assert_ne!(id(ContentKey::of(&7)), id(ContentKey::of("7")));
    assert_eq!(
        id(ContentKey::of(&("tea", 7, [Some(1.5), None]))),
        "mixed:055b24d9daf32f29ee0031059073f36a544000ea5aa0f4a5a346fa6ee991ab28"
    );
}

struct Unserializable;

impl Serialize for Unserializable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("never"))
    }
}

#[tokio::test]
async fn a_payload_that_cannot_be_serialized_is_refused() {
    let engine = Idempotency::new(MemoryStore::new());
    let refused = run(&engine, ContentKey::of(&Unserializable), 1).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Encode);
    assert!(refused.to_string().contains("the payload that the key is made of"), "{refused}");
}
