//! What is not sent again: the client is told that something broke, and asks again under its key.

use idempotent_servers::{Server, require};

use crate::curl::Curl;
use crate::gateway::Kind;
use crate::shop::{OPEN, ORDER_GATE, Shop, key};

/// The proxy has connections to both apps, and takes turns.
async fn an_order_is_sent_once(kind: Kind, headers: &[String], body: Option<&str>) -> Shop {
    let shop = Shop::start(kind).await;
    shop.apps.open_gate(ORDER_GATE);
    let curl = Curl::new().get(&shop.warm_up(OPEN)).get(&shop.warm_up("armed"));
    let curl = curl.post(&shop.order(), headers, body).start();
    let app = shop.warm_ups(2).await[0];
    shop.lines[app].drop_next_reply();
    shop.apps.open_gate("armed");

    let answer = curl.await.unwrap();

    assert!(!shop.lines[app].is_armed(), "another app was asked");
    assert_eq!(answer.status, 502, "{answer:?}");
    let story = shop.story();
    assert_eq!((story.arrived.len(), story.effects.len()), (1, 1), "{story:?}");
    shop
}

async fn whoever_asks_again_gets_the_first_answer(kind: Kind, body: Option<&str>) {
    let headers = [key("idempotency-key")];
    let shop = an_order_is_sent_once(kind, &headers, body).await;
    let answer = Curl::new().post(&shop.order(), &headers, body).start().await.unwrap();
    shop.story().assert_once(&answer);
}

#[tokio::test]
async fn nginx_sends_a_lost_order_once_and_whoever_asks_again_gets_the_first_answer() {
    require!(Server::Nginx, Server::Curl, Server::Redis);
    whoever_asks_again_gets_the_first_answer(Kind::Nginx, None).await;
}

#[tokio::test]
async fn caddy_sends_an_order_with_a_body_once_and_whoever_asks_again_gets_the_first_answer() {
    require!(Server::Caddy, Server::Curl, Server::Redis);
    whoever_asks_again_gets_the_first_answer(Kind::Caddy, Some("19.90")).await;
}

#[tokio::test]
async fn traefik_sends_an_order_with_a_body_once_and_whoever_asks_again_gets_the_first_answer() {
    require!(Server::Traefik, Server::Curl, Server::Redis);
    whoever_asks_again_gets_the_first_answer(Kind::Traefik, Some("19.90")).await;
}

#[tokio::test]
async fn caddy_sends_an_order_without_a_key_once() {
    require!(Server::Caddy, Server::Curl, Server::Redis);
    an_order_is_sent_once(Kind::Caddy, &[], None).await;
}

#[tokio::test]
async fn traefik_sends_an_order_without_a_key_once() {
    require!(Server::Traefik, Server::Curl, Server::Redis);
    an_order_is_sent_once(Kind::Traefik, &[], None).await;
}
