//! Scopes in every form in which programs have them.

use http::HeaderValue;
use idempotent_core::{Error, ErrorKind, Operation, idempotent};

use crate::{Runs, alone};

const CHARGE: Operation = Operation::new("shop.charge");

async fn count(call: idempotent_core::call::CallBuilder, runs: &Runs) -> Result<u32, Error> {
    call.returning::<Result<u32, Error>>().run(|| async { Ok(runs.next()) }).await
}

#[tokio::test]
async fn a_scope_may_be_borrowed_owned_or_a_header() {
    let runs = Runs::default();
    alone(async {
        let owned = String::from("acme");
        let scopes = [
            CHARGE.scope("acme"),
            CHARGE.scope(&owned),
            CHARGE.scope(owned.clone()),
            CHARGE.scope(Some(owned.as_str())),
            CHARGE.scope(HeaderValue::from_static("acme")),
            CHARGE.scope(Some(&HeaderValue::from_static("acme"))),
        ];
        for scoped in scopes {
            assert_eq!(count(scoped.key("7"), &runs).await.unwrap(), 1);
        }
        let afterwards = CHARGE.key(&7).scope(owned);
        assert_eq!(count(afterwards, &runs).await.unwrap(), 1);
        let other = CHARGE.scope(HeaderValue::from_static("globex")).key(&7);
        assert_eq!(count(other, &runs).await.unwrap(), 2);
        let nobody = CHARGE.scope(None::<HeaderValue>).key(&7);
        assert_eq!(count(nobody, &runs).await.unwrap_err().kind(), ErrorKind::MissingKey);
    })
    .await;
}

#[idempotent(key = id, scope = (tenant, user))]
async fn scoped(tenant: HeaderValue, user: u32, id: u32, runs: &Runs) -> Result<u32, Error> {
    Ok(id * 100 + user * 10 + runs.next())
}

#[tokio::test]
async fn a_header_may_be_a_part_of_a_scope() {
    let runs = Runs::default();
    let tenant = HeaderValue::from_static;
    alone(async {
        assert_eq!(scoped(tenant("acme"), 1, 2, &runs).await.unwrap(), 211);
        assert_eq!(scoped(tenant("globex"), 1, 2, &runs).await.unwrap(), 212);
        assert_eq!(scoped(tenant("acme"), 1, 2, &runs).await.unwrap(), 211);
    })
    .await;
}

#[tokio::test]
async fn a_header_as_the_key_is_a_clients_and_must_be_hard_to_guess_without_an_owner() {
    let runs = Runs::default();
    alone(async {
        let key = HeaderValue::from_static("order-7");
        let guessable = CHARGE.global_scope().key(&key);
        assert_eq!(count(guessable, &runs).await.unwrap_err().kind(), ErrorKind::InvalidKey);
        let random = HeaderValue::from_static("8e03978e-40d5-43e8-bc93-6894a57f9324");
        assert_eq!(count(CHARGE.global_scope().key(&random), &runs).await.unwrap(), 1);
        assert_eq!(count(CHARGE.scope("acme").key(&key), &runs).await.unwrap(), 2);
    })
    .await;
}
