//! A payment service on axum whose handlers keep their own responses: no layer, an attribute a handler.
//!
//! Run it with `cargo run -p examples-http --bin axum_payments`. It serves on a free port of this
//! machine, sends itself what payments suffer from (lost answers, double clicks, changed amounts,
//! impatient clients), prints both sides, and checks that each payment moved money once.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::http::IdempotencyKey;
use idempotent_core::idempotent;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use self::bank::Bank;
use self::client::Client;

#[derive(Clone)]
struct App {
    engine: Idempotency,
    bank: Bank,
}

/// Whose request it is. Stands for real authentication: `Bearer alice.anything`, where what follows
/// the account is refreshed now and then, and is no part of who somebody is.
struct Account(String);

impl FromRequestParts<App> for Account {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, StatusCode> {
        let token = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
        let account = token.and_then(|token| token.strip_prefix("Bearer ")?.split_once('.'));
        account.map(|(account, _)| Self(account.to_owned())).ok_or(StatusCode::UNAUTHORIZED)
    }
}

#[derive(Deserialize, Serialize)]
struct Payment {
    cents: u32,
}

#[derive(Serialize)]
struct Receipt {
    number: usize,
    cents: u32,
}

/// No `From<Error>` and no serde: an error of a handler is kept as the response that it becomes.
struct Declined;

impl IntoResponse for Declined {
    fn into_response(self) -> Response {
        (StatusCode::PAYMENT_REQUIRED, "the card is declined").into_response()
    }
}

/// A duplicate waits for the first one's response. With `detach` the payment goes on when its client
/// hangs up; under `at_most_once` it would otherwise be left for somebody to resolve.
#[idempotent(
    key = key,
    name = "payments::pay",
    scope = account.0,
    fingerprint = payment,
    engine = app.engine,
    guarantee = at_most_once,
    wait = "5s",
    detach,
    response
)]
async fn pay(
    State(app): State<App>,
    account: Account,
    key: IdempotencyKey,
    Json(payment): Json<Payment>,
) -> Result<impl IntoResponse, Declined> {
    let taken = app.bank.take(&account.0, payment.cents).await;
    let number = taken.ok_or(Declined)?;
    let location = [("location", format!("/payments/{number}"))];
    Ok((StatusCode::CREATED, location, Json(Receipt { number, cents: payment.cents })))
}

/// Without `wait`, a duplicate of a running refund is told to come back.
#[idempotent(
    key = key,
    name = "payments::refund",
    scope = account.0,
    fingerprint = payment,
    engine = app.engine,
    guarantee = at_most_once,
    detach,
    response
)]
async fn refund(
    State(app): State<App>,
    account: Account,
    key: IdempotencyKey,
    Json(payment): Json<Payment>,
) -> impl IntoResponse {
    let number = app.bank.give_back(&account.0, payment.cents).await;
    (StatusCode::CREATED, Json(Receipt { number, cents: payment.cents }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bank = Bank::default();
    let app = App { engine: Idempotency::new(MemoryStore::new()), bank: bank.clone() };
    let address = serve(app).await?;
    println!("serving on {address}");

    let alice = Client::new(address, "alice.1");
    lost_answers(&alice).await?;
    double_clicks(&alice).await?;
    an_impatient_client(&alice, &bank).await?;
    whose_key(&alice, &Client::new(address, "alice.2"), &Client::new(address, "bob.1")).await?;

    let happened = bank.happened();
    println!("\nWhat the bank did:\n   {}", happened.join("\n   "));
    let paid = ["19.90 from alice", "alice's card is declined", "49.00 from alice"];
    let then = ["49.00 back to alice", "75.00 from alice", "19.90 from bob"];
    assert_eq!(happened, [paid, then].concat());
    Ok(())
}

async fn serve(app: App) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router =
        Router::new().route("/payments", post(pay)).route("/refunds", post(refund)).with_state(app);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn lost_answers(alice: &Client) -> reqwest::Result<()> {
    println!("\nA payment, and again, since its answer got lost on the way");
    let paid = alice.send("/payments", "order-1", 19_90).await?;
    let again = alice.send("/payments", "order-1", 19_90).await?;
    assert!(paid.is(201, false) && again.is(201, true));
    assert_eq!((&paid.body, &paid.location), (&again.body, &again.location));

    println!("\nThe same key with another amount");
    let changed = alice.send("/payments", "order-1", 1).await?;
    assert!(changed.is(422, false) && changed.body.contains("fingerprint_mismatch"));

    println!("\nA declined card is a final answer too: the bank is not asked twice");
    assert!(alice.send("/payments", "order-2", 300_000).await?.is(402, false));
    assert!(alice.send("/payments", "order-2", 300_000).await?.is(402, true));
    Ok(())
}

async fn double_clicks(alice: &Client) -> reqwest::Result<()> {
    println!("\nA double click on Pay: the second one waits for the first one's receipt");
    let click = || alice.send("/payments", "order-3", 49_00);
    let (one, other) = tokio::try_join!(click(), click())?;
    assert!(one.is(201, !other.replayed) && other.status == 201 && one.body == other.body);

    println!("\nA double click on Refund, which does not let duplicates wait");
    let click = || alice.send("/refunds", "refund-3", 49_00);
    let (one, other) = tokio::try_join!(click(), click())?;
    let (done, refused) = if one.status == 201 { (one, other) } else { (other, one) };
    assert!(done.is(201, false) && refused.is(409, false));
    println!("   … and when it comes back after as long as Retry-After says");
    tokio::time::sleep(refused.retry_after.expect("it says when to come back")).await;
    assert!(alice.send("/refunds", "refund-3", 49_00).await?.is(201, true));
    Ok(())
}

async fn an_impatient_client(alice: &Client, bank: &Bank) -> reqwest::Result<()> {
    println!("\nA client that hangs up while the bank is at it, and comes back");
    let asked_again = bank.asked_again();
    tokio::select! {
        answer = alice.send("/payments", "order-4", 75_00) => {
            unreachable!("it is not that fast: {:?}", answer.map(|answer| answer.status));
        }
        () = asked_again => println!("   alice hangs up"),
    }
    assert!(alice.send("/payments", "order-4", 75_00).await?.is(201, true));
    Ok(())
}

async fn whose_key(alice: &Client, refreshed: &Client, bob: &Client) -> reqwest::Result<()> {
    println!("\nWhat somebody else pays under the same key is a payment of its own");
    assert!(bob.send("/payments", "order-1", 19_90).await?.is(201, false));
    println!("\nAlice's token was refreshed: she is still Alice");
    assert!(refreshed.send("/payments", "order-1", 19_90).await?.is(201, true));
    println!("\nNo key, and two keys in one header");
    assert!(alice.send("/payments", "", 19_90).await?.is(400, false));
    assert!(alice.send("/payments", "a, b", 19_90).await?.is(400, false));
    Ok(())
}

/// Sends payments, and prints what comes back.
mod client {
    use super::{Duration, SocketAddr};
    use reqwest::Result;

    pub(crate) struct Client {
        http: reqwest::Client,
        url: String,
        token: &'static str,
    }

    pub(crate) struct Answer {
        pub(crate) status: u16,
        pub(crate) replayed: bool,
        pub(crate) location: Option<String>,
        pub(crate) retry_after: Option<Duration>,
        pub(crate) body: String,
    }

    impl Answer {
        pub(crate) fn is(&self, status: u16, replayed: bool) -> bool {
            self.status == status && self.replayed == replayed
        }
    }

    impl Client {
        pub(crate) fn new(address: SocketAddr, token: &'static str) -> Self {
            Self { http: reqwest::Client::new(), url: format!("http://{address}"), token }
        }

        pub(crate) async fn send(&self, path: &str, key: &str, cents: u32) -> Result<Answer> {
            let body = format!(r#"{{"cents":{cents}}}"#);
            let mut request = self
                .http
                .post(format!("{}{path}", self.url))
                .header("authorization", format!("Bearer {}", self.token))
                .header("content-type", "application/json");
            if !key.is_empty() {
                request = request.header("idempotency-key", key);
            }
            let answer = request.body(body).send().await?;
            let text = |name| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
            let seconds = text("retry-after").and_then(|seconds| seconds.parse().ok());
            let retry_after = seconds.map(Duration::from_secs);
            let (replayed, location) = (text("idempotency-replayed").is_some(), text("location"));
            let status = answer.status().as_u16();
            let body = answer.text().await?;
            let how = if replayed { "replayed" } else { "" };
            println!("   {:<7} {path:<10} {key:<8} {status} {how:<8} {body:.46}", self.token);
            Ok(Answer { status, replayed, location, retry_after, body })
        }
    }
}

/// A bank that takes its time and remembers everything it did.
mod bank {
    use super::Duration;
    use tokio::sync::watch;

    #[derive(Clone, Default)]
    pub(crate) struct Bank {
        asked: watch::Sender<()>,
        happened: watch::Sender<Vec<String>>,
    }

    impl Bank {
        /// The movement's number, or `None` for more than the card has.
        pub(crate) async fn take(&self, who: &str, cents: u32) -> Option<usize> {
            if cents > 100_000 {
                self.happens(format!("{who}'s card is declined")).await;
                return None;
            }
            Some(self.happens(format!("{}.{:02} from {who}", cents / 100, cents % 100)).await)
        }

        pub(crate) async fn give_back(&self, who: &str, cents: u32) -> usize {
            self.happens(format!("{}.{:02} back to {who}", cents / 100, cents % 100)).await
        }

        async fn happens(&self, what: String) -> usize {
            self.asked.send_replace(());
            tokio::time::sleep(Duration::from_secs(1)).await;
            println!("      bank: {what}");
            self.happened.send_modify(|happened| happened.push(what));
            self.happened.borrow().len()
        }

        /// Waits until it is asked once more than until now.
        pub(crate) fn asked_again(&self) -> impl Future<Output = ()> + use<> {
            let mut asked = self.asked.subscribe();
            // An error would mean that the bank is gone, and with it whoever asks.
            async move { asked.changed().await.unwrap_or_default() }
        }

        pub(crate) fn happened(&self) -> Vec<String> {
            self.happened.borrow().clone()
        }
    }
}
