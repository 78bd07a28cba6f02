//! Two apps behind a proxy, over lines that a test can break.

use std::time::Duration;

use idempotent_servers::TcpProxy;
use idempotent_tests::{millis, secs, until_within};
use tokio::time::{Instant, sleep};

use crate::app::receipt;
use crate::apps::{Apps, Promise};
use crate::curl::Answer;
use crate::gateway::{Gateway, Kind};
use crate::ledger::{Event, Life};

/// The only order of a test.
pub(crate) const ORDER: u32 = 7;
/// What opens the order's gate.
pub(crate) const ORDER_GATE: &str = "order-7";
/// A gate that is open.
pub(crate) const OPEN: &str = "open";

/// Wide, since processes of others share the machine.
const PATIENCE: Duration = secs(30);

pub(crate) struct Shop {
    gateway: Gateway,
    /// Between the proxy and each app.
    pub(crate) lines: [TcpProxy; 2],
    pub(crate) apps: Apps,
    // The warm-ups before the test's own.
    before: usize,
}

/// What became of the order.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// The apps that were asked for it, in order.
    pub(crate) arrived: Vec<Life>,
    /// The apps whose handlers began with it, in order.
    pub(crate) begun: Vec<Life>,
    /// The apps that took it, in order.
    pub(crate) effects: Vec<Life>,
}

impl Shop {
    /// With a layer that waits, as the guide has it.
    pub(crate) async fn start(kind: Kind) -> Shop {
        Shop::waiting(kind, Some(PATIENCE)).await
    }

    pub(crate) async fn waiting(kind: Kind, wait: Option<Duration>) -> Shop {
        let promise = Promise { at_most_once: true, lease: secs(30), wait };
        let apps = Apps::start(&promise).await;
        let [first, second] = apps.addresses();
        let lines = [TcpProxy::start(first).await, TcpProxy::start(second).await];
        let gateway = Gateway::start(kind, lines.each_ref().map(TcpProxy::address)).await;
        apps.open_gate(OPEN);
        let mut shop = Shop { gateway, lines, apps, before: 0 };
        // A proxy that listens may not know the apps yet.
        let (url, client) = (shop.warm_up(OPEN), client());
        until_within(PATIENCE, async || {
            client.get(&url).send().await.is_ok_and(|answer| answer.status() == 204)
        })
        .await;
        shop.before = shop.warmed_up().len();
        shop
    }

    /// The address of a page without anything on it.
    pub(crate) fn page(&self) -> String {
        format!("http://{}/page", self.gateway.address())
    }

    pub(crate) fn order(&self) -> String {
        format!("http://{}/gated-orders/{ORDER}", self.gateway.address())
    }

    /// The address of a request that opens connections, and is answered when that gate is open.
    pub(crate) fn warm_up(&self, gate: &str) -> String {
        format!("http://{}/warm-ups/{gate}", self.gateway.address())
    }

    /// Which app each of the test's so many warm-ups came to, once they have.
    pub(crate) async fn warm_ups(&self, count: usize) -> Vec<usize> {
        until_within(PATIENCE, async || self.warmed_up().len() >= self.before + count).await;
        self.warmed_up().split_off(self.before)
    }

    fn warmed_up(&self) -> Vec<usize> {
        let ports = self.apps.addresses().map(|address| address.port());
        let app = |event| match event {
            Event::WarmUp { port } => ports.iter().position(|app| *app == port),
            _ => None,
        };
        self.apps.events().into_iter().filter_map(app).collect()
    }

    /// Waits until an app's handler is at the order's gate.
    pub(crate) async fn runs(&self) {
        self.until(|story| !story.begun.is_empty()).await;
    }

    /// Waits until apps have been asked for the order so often.
    pub(crate) async fn asked(&self, times: usize) {
        self.until(|story| story.arrived.len() >= times).await;
    }

    async fn until(&self, condition: impl Fn(&Story) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(&self.story()) {
            assert!(Instant::now() < deadline, "{:?}\n{}", self.story(), self.gateway.log());
            sleep(millis(5)).await;
        }
    }

    pub(crate) fn story(&self) -> Story {
        let mut story = Story::default();
        for event in self.apps.events() {
            match event {
                Event::Arrived { life, .. } => story.arrived.push(life),
                Event::Began { life, .. } => story.begun.push(life),
                Event::Effect { life, .. } => story.effects.push(life),
                Event::Killed { .. } | Event::WarmUp { .. } => {}
            }
        }
        story
    }
}

impl Story {
    /// The order was sent again and taken once, and whoever ordered has that answer.
    pub(crate) fn assert_once(&self, answer: &Answer) {
        assert!(self.arrived.len() > 1, "nobody sent it again: {self:?}, {answer:?}");
        assert_eq!(self.effects, self.arrived[..1], "{self:?}, {answer:?}");
        let answer = (answer.status, answer.replayed, answer.text.as_str());
        assert_eq!(answer, (201, true, receipt(self.effects[0], ORDER).as_str()));
    }
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A header with a key that no other order has.
pub(crate) fn key(header: &str) -> String {
    format!("{header}: {}", idempotent_core::model::Token::random())
}
