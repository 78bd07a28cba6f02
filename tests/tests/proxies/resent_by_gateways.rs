//! Caddy and Traefik send a `POST` without a body again by themselves when an app broke a kept
//! connection, if its header calls it idempotent: what makes it safe is what arms it.

use idempotent_servers::{Server, TcpProxy, require};
use idempotent_tests::until;
use tokio::task::{JoinHandle, JoinSet};

use crate::curl::{Answer, Curl};
use crate::gateway::Kind;
use crate::shop::{ORDER_GATE, Shop, Story, client, key};

const MANY: usize = 6;
/// One for each app.
const FEW: usize = 2;

/// A shop whose proxy has so many idle connections, to both apps.
async fn warm(shop: Shop, connections: usize) -> Shop {
    let (client, mut tasks) = (client(), JoinSet::new());
    for _ in 0..connections {
        tasks.spawn(client.get(shop.warm_up("warm")).send());
    }
    shop.warm_ups(connections).await;
    shop.apps.open_gate("warm");
    for answer in tasks.join_all().await {
        assert_eq!(answer.unwrap().status(), 204);
    }
    shop
}

/// How many connections each app has had. All are open.
fn connections(shop: &Shop) -> [usize; 2] {
    shop.lines.each_ref().map(|line| line.counts().connections().try_into().unwrap())
}

async fn order(shop: &Shop, headers: &[String], body: Option<&str>) -> Answer {
    Curl::new().post(&shop.order(), headers, body).start().await.unwrap()
}

/// The answers on all idle connections are lost. Gives how many connections the app that was asked had.
async fn all_answers_are_lost(kind: Kind, headers: &[String]) -> (Story, Answer, usize) {
    let shop = warm(Shop::start(kind).await, MANY).await;
    shop.apps.open_gate(ORDER_GATE);
    let idle = connections(&shop);
    for (line, idle) in shop.lines.iter().zip(idle) {
        (0..idle).for_each(|_| line.drop_next_reply());
    }

    let answer = order(&shop, headers, None).await;

    let asked = shop.lines.iter().position(|line| !line.is_armed());
    (shop.story(), answer, idle[asked.unwrap()])
}

async fn an_order_is_sent_again_on_each_idle_connection(kind: Kind) {
    let (story, answer, idle) = all_answers_are_lost(kind, &[key("idempotency-key")]).await;
    story.assert_once(&answer);
    assert!(idle > 1);
    assert_eq!(story.arrived.len(), idle + 1, "the last one is on a new connection");
}

/// The layer does not look at that header unless it is told so.
async fn another_header_arms_it_too(kind: Kind) {
    let (story, answer, idle) = all_answers_are_lost(kind, &[key("x-idempotency-key")]).await;
    assert_eq!((answer.status, answer.replayed), (201, false), "{answer:?}");
    assert_eq!(story.arrived.len(), idle + 1, "{answer:?}");
    assert_eq!(story.effects, story.arrived);
}

/// An order whose connection broke while it ran, and which has been sent again: on a new connection,
/// since its app had no other.
async fn sent_again_while_it_runs(shop: &Shop) -> JoinHandle<Answer> {
    let curl = Curl::new().post(&shop.order(), &[key("idempotency-key")], None).start();
    shop.runs().await;
    shop.lines.iter().for_each(TcpProxy::cut);
    shop.asked(2).await;
    curl
}

async fn it_waits_for_the_first_answer(kind: Kind) {
    let shop = warm(Shop::start(kind).await, FEW).await;
    let curl = sent_again_while_it_runs(&shop).await;

    shop.apps.open_gate(ORDER_GATE);

    let answer = curl.await.unwrap();
    shop.story().assert_once(&answer);
}

/// Why the guide says to wait: nobody is there to ask again.
async fn without_wait_it_is_refused_although_it_is_taken(kind: Kind) {
    let shop = warm(Shop::waiting(kind, None).await, FEW).await;
    let curl = sent_again_while_it_runs(&shop).await;

    let answer = curl.await.unwrap();
    shop.apps.open_gate(ORDER_GATE);

    assert_eq!(answer.status, 409, "{answer:?}");
    assert!(answer.text.contains(r#""code":"in_progress""#), "{answer:?}");
    until(async || shop.story().effects.len() == 1).await;
}

#[tokio::test]
async fn caddy_sends_an_order_without_a_body_again_once_for_each_idle_connection() {
    require!(Server::Caddy, Server::Curl, Server::Redis);
    an_order_is_sent_again_on_each_idle_connection(Kind::Caddy).await;
}

#[tokio::test]
async fn traefik_sends_an_order_without_a_body_again_once_for_each_idle_connection() {
    require!(Server::Traefik, Server::Curl, Server::Redis);
    an_order_is_sent_again_on_each_idle_connection(Kind::Traefik).await;
}

#[tokio::test]
async fn caddy_takes_a_header_for_a_key_that_the_layer_does_not_and_the_order_is_taken_often() {
    require!(Server::Caddy, Server::Curl, Server::Redis);
    another_header_arms_it_too(Kind::Caddy).await;
}

#[tokio::test]
async fn traefik_takes_a_header_for_a_key_that_the_layer_does_not_and_the_order_is_taken_often() {
    require!(Server::Traefik, Server::Curl, Server::Redis);
    another_header_arms_it_too(Kind::Traefik).await;
}

#[tokio::test]
async fn behind_caddy_an_order_that_is_sent_again_while_it_runs_waits_for_the_first_answer() {
    require!(Server::Caddy, Server::Curl, Server::Redis);
    it_waits_for_the_first_answer(Kind::Caddy).await;
}

#[tokio::test]
async fn behind_traefik_an_order_that_is_sent_again_while_it_runs_waits_for_the_first_answer() {
    require!(Server::Traefik, Server::Curl, Server::Redis);
    it_waits_for_the_first_answer(Kind::Traefik).await;
}

#[tokio::test]
async fn behind_caddy_without_wait_an_order_is_refused_although_it_is_taken() {
    require!(Server::Caddy, Server::Curl, Server::Redis);
    without_wait_it_is_refused_although_it_is_taken(Kind::Caddy).await;
}

#[tokio::test]
async fn behind_traefik_without_wait_an_order_is_refused_although_it_is_taken() {
    require!(Server::Traefik, Server::Curl, Server::Redis);
    without_wait_it_is_refused_although_it_is_taken(Kind::Traefik).await;
}
