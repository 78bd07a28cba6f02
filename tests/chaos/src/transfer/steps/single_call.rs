//! A worker that makes one call, says what it was told, and stays until it is killed.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use idempotent_core::ErrorKind;
use idempotent_core::backends::is_conflict;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::transfer::Level;
use crate::transfer::bank::{BankError, Order, Terms};
use crate::transfer::bank_client::BankClient;

/// How long a call is made again where only another one is in its way.
const PATIENCE: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(5);

/// What a worker is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SingleCall {
    pub(super) url: String,
    pub(super) level: Level,
    pub(super) order: Order,
    pub(super) decline: bool,
}

/// What a call told its caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CallAnswer {
    Answer(i64),
    Declined,
    Failed(String),
}

/// The process. The line that it writes has left it before it goes on.
pub(in crate::transfer) fn main(single_call: &str) -> Result<ExitCode> {
    let single_call: SingleCall = serde_json::from_str(single_call).context("the call to make")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let told = single_call.run("first").await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&told)?)?;
        out.flush()?;
        // Whoever started it holds the other end.
        tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
        Ok(ExitCode::SUCCESS)
    })
}

impl SingleCall {
    /// With one connection of that name, and with another one where the call has to be made again: so
    /// each attempt sends the same.
    pub(super) async fn run(&self, name: &str) -> Result<CallAnswer> {
        let began = Instant::now();
        loop {
            let client = BankClient::open(&self.url, self.level, name, 1).await?.trying_once();
            if let Some(told) = told(&client, &self.order, self.decline, began, is_in_the_way).await
            {
                return Ok(told);
            }
        }
    }

    /// The same as a task of this process.
    pub(super) fn spawn(self) -> JoinHandle<Result<CallAnswer>> {
        tokio::spawn(async move { self.run("first").await })
    }
}

/// Makes the call until there is an answer, also where a busy machine let it wait too long.
pub(super) async fn until_told(client: &BankClient, order: &Order) -> CallAnswer {
    let began = Instant::now();
    loop {
        if let Some(told) = told(client, order, false, began, is_worth_another).await {
            return told;
        }
    }
}

/// `None` where the call is to be made again.
async fn told(
    client: &BankClient,
    order: &Order,
    decline: bool,
    began: Instant,
    again: fn(&BankError) -> bool,
) -> Option<CallAnswer> {
    let terms = Terms { patience: Duration::from_secs(5), decline };
    match client.call(order, terms).await {
        Ok(answer) => Some(CallAnswer::Answer(answer)),
        Err(BankError::Declined) => Some(CallAnswer::Declined),
        Err(error) if again(&error) && began.elapsed() < PATIENCE => {
            sleep(PAUSE).await;
            None
        }
        Err(error) => Some(CallAnswer::Failed(error.to_string())),
    }
}

/// Another call was. A connection that was lost is none of that.
fn is_in_the_way(error: &BankError) -> bool {
    let in_progress = matches!(
        error,
        BankError::Idempotency(error) if error.kind() == ErrorKind::InProgress
    );
    in_progress || is_conflict(error)
}

fn is_worth_another(error: &BankError) -> bool {
    match error {
        BankError::Idempotency(error) => error.is_retryable(),
        BankError::Database(_) => true,
        BankError::Declined => false,
    }
}
