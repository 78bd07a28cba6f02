//! HAProxy and Apache close a kept connection without an answer when an app broke theirs, and curl,
//! which may not know whether its request was read, sends it again on a new connection.

use idempotent_servers::{Server, require};

use crate::curl::{Answer, Curl};
use crate::gateway::Kind;
use crate::shop::{OPEN, ORDER_GATE, Shop, Story, key};

/// Whose connection breaks is known: the proxies take turns.
struct Ordering {
    shop: Shop,
    curl: tokio::task::JoinHandle<Answer>,
    /// The app that is asked next.
    app: usize,
}

impl Ordering {
    /// curl has connections to both apps, and does not order before the gate `armed` is open.
    async fn start(kind: Kind, headers: &[String]) -> Ordering {
        let shop = Shop::start(kind).await;
        let curl = Curl::new()
            .get(&shop.warm_up(OPEN))
            .get(&shop.warm_up("armed"))
            .post(&shop.order(), headers, Some("19.90"))
            .start();
        let [app, other] = shop.warm_ups(2).await[..] else { panic!("only two were sent") };
        assert_ne!(app, other, "the proxy does not take turns");
        Ordering { shop, curl, app }
    }
}

async fn the_answer_is_lost(kind: Kind, headers: &[String]) -> (Story, Answer) {
    let Ordering { shop, curl, app } = Ordering::start(kind, headers).await;
    shop.apps.open_gate(ORDER_GATE);

    shop.lines[app].drop_next_reply();
    shop.apps.open_gate("armed");

    let answer = curl.await.unwrap();
    assert!(!shop.lines[app].is_armed(), "another app was asked");
    (shop.story(), answer)
}

async fn the_connection_breaks_while_the_order_runs(kind: Kind) {
    let Ordering { shop, curl, app } = Ordering::start(kind, &[key("idempotency-key")]).await;
    shop.apps.open_gate("armed");
    shop.runs().await;

    shop.lines[app].cut();
    shop.asked(2).await;
    shop.apps.open_gate(ORDER_GATE);

    let answer = curl.await.unwrap();
    shop.story().assert_once(&answer);
}

async fn an_order_is_sent_again(kind: Kind) {
    let (story, answer) = the_answer_is_lost(kind, &[key("idempotency-key")]).await;
    story.assert_once(&answer);
    assert_ne!(story.arrived[0], story.arrived[1], "both apps are asked");
}

/// What all this is about: it was one order.
async fn an_order_without_a_key_is_taken_twice(kind: Kind) {
    let (story, answer) = the_answer_is_lost(kind, &[]).await;
    assert_eq!((answer.status, answer.replayed), (201, false), "{answer:?}");
    assert_eq!(story.arrived.len(), 2, "nobody sent it again: {story:?}, {answer:?}");
    assert_eq!(story.effects, story.arrived);
}

#[tokio::test]
async fn behind_haproxy_curl_sends_a_lost_order_again_and_ends_with_the_first_answer() {
    require!(Server::Haproxy, Server::Curl, Server::Redis);
    an_order_is_sent_again(Kind::Haproxy).await;
}

#[tokio::test]
async fn behind_apache_curl_sends_a_lost_order_again_and_ends_with_the_first_answer() {
    require!(Server::Apache, Server::Curl, Server::Redis);
    an_order_is_sent_again(Kind::Apache).await;
}

#[tokio::test]
async fn behind_haproxy_an_order_that_is_sent_again_while_it_runs_waits_for_the_first_answer() {
    require!(Server::Haproxy, Server::Curl, Server::Redis);
    the_connection_breaks_while_the_order_runs(Kind::Haproxy).await;
}

#[tokio::test]
async fn behind_apache_an_order_that_is_sent_again_while_it_runs_waits_for_the_first_answer() {
    require!(Server::Apache, Server::Curl, Server::Redis);
    the_connection_breaks_while_the_order_runs(Kind::Apache).await;
}

#[tokio::test]
async fn behind_haproxy_an_order_without_a_key_is_taken_twice() {
    require!(Server::Haproxy, Server::Curl, Server::Redis);
    an_order_without_a_key_is_taken_twice(Kind::Haproxy).await;
}

#[tokio::test]
async fn behind_apache_an_order_without_a_key_is_taken_twice() {
    require!(Server::Apache, Server::Curl, Server::Redis);
    an_order_without_a_key_is_taken_twice(Kind::Apache).await;
}
