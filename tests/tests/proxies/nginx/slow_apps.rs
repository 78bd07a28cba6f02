//! A layer that waits makes up for an app that is slower than nginx's patience.

use std::collections::HashSet;

use idempotent_core::model::Token;
use idempotent_servers::{Server, require};
use idempotent_tests::secs;

use super::servers::Servers;
use crate::app::receipt;
use crate::apps::Promise;
use crate::fault::Fault;
use crate::ledger::Event;

#[tokio::test]
async fn a_client_that_never_retries_sees_the_first_answer_from_the_app_that_waited_for_it() {
    require!(Server::Nginx, Server::Redis);
    let promise = Promise { at_most_once: true, lease: secs(15), wait: Some(secs(30)) };
    // Three seconds on either side of what nginx waits for the first app, and for the second.
    let servers = Servers::start(&promise, secs(6)).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .post(servers.url(7))
        .header("content-type", "application/json")
        .header("idempotency-key", Token::random().to_string())
        .body(serde_json::to_vec(&Fault::Stall(9_000)).unwrap());

    let answer = request.send().await.unwrap();

    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["idempotency-replayed"], "true");
    let text = answer.text().await.unwrap();
    let (mut arrived, mut effects) = (Vec::new(), Vec::new());
    for event in servers.events() {
        match event {
            Event::Arrived { life, .. } => arrived.push(life),
            Event::Effect { life, .. } => effects.push(life),
            Event::Began { .. } | Event::Killed { .. } | Event::WarmUp { .. } => {
                panic!("nothing of the kind is here")
            }
        }
    }
    assert_eq!(HashSet::<u128>::from_iter(arrived.clone()).len(), 2, "nginx asked both apps");
    assert_eq!((arrived.len(), effects.as_slice()), (2, &arrived[..1]));
    assert_eq!(text, receipt(effects[0], 7));
    println!("2 apps asked, 1 effect, the second app gave the first's answer");
}
