//! The shop, served, and its page in a tab: where things are on it.

use std::time::Duration;

use idempotent_tests::Tab;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::shop::Shop;

/// How long the bank takes: longer than a browser on a busy machine, to click twice or to reload.
pub(crate) const PACE: Duration = Duration::from_secs(6);

pub(crate) const PAY: &str = "#pay";
pub(crate) const MORE: &str = "#more";
/// Loses the next answer.
pub(crate) const LOSE: &str = "#lose";
/// Goes back to what the key stands for.
pub(crate) const BACK: &str = "#back";
/// Buys under a new key what the old one was refused for.
pub(crate) const ANEW: &str = "#anew";

/// The page of a shop of its own.
pub(crate) struct Page {
    pub(crate) shop: Shop,
    pub(crate) tab: Tab,
    serving: JoinHandle<()>,
}

impl Page {
    pub(crate) async fn open() -> Self {
        let shop = Shop::new(PACE);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = shop.router();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let mut tab = Tab::open(&url, 1280, 832).await;
        tab.until("document.querySelector('.live.on')").await;
        Self { shop, tab, serving }
    }

    /// The receipt, once it shows that many answers: its order, and whether all answers were alike.
    pub(crate) async fn receipt(&mut self, answers: usize) -> (String, bool) {
        let found =
            format!("document.querySelector('#receipt[data-answers=\"{answers}\"]')?.dataset");
        let data =
            self.tab.until(&format!("(data => data && [data.order, data.same])({found})")).await;
        (data[0].as_str().unwrap().to_owned(), data[1] == "true")
    }

    /// Waits until the log says of each request, in their order, that it ended so.
    pub(crate) async fn outcomes(&mut self, expected: &[&str]) {
        let rows = "[...document.querySelectorAll('.row')].map(row => row.dataset.outcome)";
        let expected = json!(expected);
        self.tab.until(&format!("JSON.stringify({rows}) === '{expected}'")).await;
    }

    /// The text of the one thing that a selector finds.
    pub(crate) async fn text(&mut self, selector: &str) -> String {
        let text = format!("document.querySelector('{selector}').innerText");
        self.tab.until(&text).await.as_str().unwrap().to_owned()
    }

    /// Waits until what a selector finds says that. What the log says of a request may be there before
    /// its answer is.
    pub(crate) async fn says(&mut self, selector: &str, text: &str) {
        let found = format!("document.querySelector('{selector}')?.innerText");
        self.tab.until(&format!("{found}?.includes({})", json!(text))).await;
    }

    /// What has been tried, according to the page.
    pub(crate) async fn tried(&mut self) -> Vec<String> {
        let seen = "[...document.querySelectorAll('.tries .seen')].map(tried => tried.id)";
        let Value::Array(seen) = self.tab.eval(seen).await else { return Vec::new() };
        seen.into_iter().map(|id| id.as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
