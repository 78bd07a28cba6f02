//! A page in Chromium sends an order again that HAProxy or Apache left without an answer: `fetch` has no
//! setting for that, and the page's script does not learn of it.

use idempotent_core::model::Token;
use idempotent_servers::{Server, require};
use idempotent_tests::Tab;
use serde_json::json;

use crate::curl::Answer;
use crate::gateway::Kind;
use crate::shop::{OPEN, ORDER_GATE, Shop};

async fn fetch_sends_a_lost_order_again(kind: Kind) {
    let shop = Shop::start(kind).await;
    shop.apps.open_gate(ORDER_GATE);
    let mut tab = Tab::open(&shop.page(), 800, 600).await;
    tab.until("document.title === 'page'").await;
    let addresses = json!([shop.warm_up(OPEN), shop.warm_up("armed"), shop.order()]);
    let key = Token::random();
    tab.eval(&format!(
        "(async ([first, second, order]) => {{
            await fetch(first);
            await fetch(second);
            const headers = {{ 'Idempotency-Key': '{key}' }};
            const answer = await fetch(order, {{ method: 'POST', body: '19.90', headers }});
            const replayed = answer.headers.get('Idempotency-Replayed') === 'true';
            window.answer = [answer.status, replayed, await answer.text()];
        }})({addresses}).catch(error => window.answer = [0, false, String(error)])"
    ))
    .await;
    let app = shop.warm_ups(2).await[0];

    shop.lines[app].drop_next_reply();
    shop.apps.open_gate("armed");

    let answer = tab.until("window.answer").await;
    assert!(!shop.lines[app].is_armed(), "another app was asked");
    shop.story().assert_once(&Answer {
        status: answer[0].as_u64().unwrap().try_into().unwrap(),
        replayed: answer[1].as_bool().unwrap(),
        text: answer[2].as_str().unwrap().into(),
    });
    assert_eq!(tab.faults(), [""; 0]);
}

#[tokio::test]
async fn behind_haproxy_a_page_sends_a_lost_order_again_and_ends_with_the_first_answer() {
    require!(Server::Haproxy, Server::Chromium, Server::Redis);
    fetch_sends_a_lost_order_again(Kind::Haproxy).await;
}

#[tokio::test]
async fn behind_apache_a_page_sends_a_lost_order_again_and_ends_with_the_first_answer() {
    require!(Server::Apache, Server::Chromium, Server::Redis);
    fetch_sends_a_lost_order_again(Kind::Apache).await;
}
