//! One tab of a browser, driven over the `DevTools` protocol: one command after another, and what
//! happened meanwhile is kept.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use idempotent_servers::Chromium;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

/// Wide, since a browser on a busy machine takes its time; nothing waits it out but a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A tab of Chromium. Dropping it closes its browser.
#[derive(Debug)]
pub struct Tab {
    chromium: Chromium,
    /// Which target commands are for, once there is one.
    session: Option<String>,
    /// How many commands were sent.
    sent: u64,
    /// What was read, and is not a whole message yet.
    unread: Vec<u8>,
    /// What went wrong in the page's scripts.
    faults: Vec<String>,
}

impl Tab {
    /// A tab of that size, in CSS pixels, which shows that page.
    pub async fn open(url: &str, width: u32, height: u32) -> Self {
        let chromium = Chromium::start().await;
        let (unread, faults) = (Vec::new(), Vec::new());
        let mut tab = Self { chromium, session: None, sent: 0, unread, faults };
        let target = tab.call("Target.createTarget", json!({"url": "about:blank"})).await;
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let attached = tab.call("Target.attachToTarget", target).await;
        tab.session = attached["sessionId"].as_str().map(str::to_owned);
        tab.call("Runtime.enable", json!({})).await;
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        tab.call("Emulation.setDeviceMetricsOverride", size).await;
        tab.call("Page.navigate", json!({"url": url})).await;
        tab
    }

    /// As F5 does.
    pub async fn reload(&mut self) {
        self.call("Page.reload", json!({})).await;
    }

    /// What a script's expression gives now; `null` also while there is no page to ask.
    pub async fn eval(&mut self, expression: &str) -> Value {
        let script = json!({"expression": expression, "returnByValue": true});
        let answer = self.answer("Runtime.evaluate", script).await;
        answer["result"]["result"]["value"].clone()
    }

    /// Waits until an expression gives something that is not `null`, `false`, `0` or empty.
    pub async fn until(&mut self, expression: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.eval(&format!("({expression}) || null")).await;
            if !value.is_null() {
                return value;
            }
            if Instant::now() > deadline {
                let page = self.eval("document.body.innerText").await;
                panic!("in vain: {expression}\nfaults: {:?}\non the page: {page}", self.faults);
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Clicks so many times in a row on the middle of what a selector finds, as a mouse does.
    pub async fn click(&mut self, selector: &str, times: u32) {
        let place = format!(
            "(found => found && (box => [box.x + box.width / 2, box.y + box.height / 2])\
             (found.getBoundingClientRect()))(document.querySelector('{selector}'))"
        );
        let place = self.until(&place).await;
        for count in 1..=times {
            for kind in ["mousePressed", "mouseReleased"] {
                let event = json!({
                    "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": count,
                });
                self.call("Input.dispatchMouseEvent", event).await;
            }
        }
    }

    /// What the tab shows, as a PNG.
    pub async fn picture(&mut self) -> Vec<u8> {
        let picture = self.call("Page.captureScreenshot", json!({"format": "png"})).await;
        STANDARD.decode(picture["data"].as_str().expect("a text")).expect("it is base64")
    }

    /// What went wrong in scripts so far.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        let mut answer = self.answer(method, params).await;
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].take()
    }

    async fn answer(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut command = json!({"id": self.sent, "method": method, "params": params});
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        let command = format!("{command}\0");
        self.chromium.commands.write_all(command.as_bytes()).await.expect("it reads");
        loop {
            let message = timeout(PATIENCE, self.message()).await;
            let message = message.unwrap_or_else(|_| panic!("{method}: {}", self.chromium.log()));
            if message["id"] == self.sent {
                return message;
            }
            self.note(&message);
        }
    }

    /// The next answer or event.
    async fn message(&mut self) -> Value {
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == 0) {
                let message = self.unread.drain(..=end).collect::<Vec<_>>();
                return serde_json::from_slice(&message[..end]).expect("it is JSON");
            }
            self.chromium.answers.read_buf(&mut self.unread).await.expect("it writes");
        }
    }

    fn note(&mut self, event: &Value) {
        let fault = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => &event["params"]["exceptionDetails"],
            Some("Runtime.consoleAPICalled") if event["params"]["type"] == "error" => {
                &event["params"]
            }
            _ => return,
        };
        self.faults.push(fault.to_string());
    }
}
