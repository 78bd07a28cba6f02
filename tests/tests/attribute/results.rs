//! What is kept of a result: `memoize`, `on_error` and `map_error`.

use std::time::Duration;

use idempotent_core::{Disposition, Error, ErrorKind, idempotent};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::{Runs, alone};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum ChargeError {
    Declined(u32),
    Timeout(u32),
    Refused,
}

impl From<Error> for ChargeError {
    fn from(_: Error) -> Self {
        Self::Refused
    }
}

#[idempotent(key = "ok", singleton, memoize = ok)]
async fn memoizing_ok(runs: &Runs) -> Result<u32, ChargeError> {
    match runs.next() {
        1 => Err(ChargeError::Declined(1)),
        run => Ok(run),
    }
}

#[tokio::test]
async fn an_error_is_not_kept_by_default() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(memoizing_ok(&runs).await, Err(ChargeError::Declined(1)));
        assert_eq!(memoizing_ok(&runs).await, Ok(2));
        assert_eq!(memoizing_ok(&runs).await, Ok(2));
    })
    .await;
}

#[idempotent(key = "all", singleton, memoize = all)]
async fn memoizing_all(runs: &Runs) -> Result<u32, ChargeError> {
    Err(ChargeError::Declined(runs.next()))
}

#[tokio::test]
async fn memoize_all_replays_errors() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(memoizing_all(&runs).await, Err(ChargeError::Declined(1)));
        assert_eq!(memoizing_all(&runs).await, Err(ChargeError::Declined(1)));
    })
    .await;
}

impl ChargeError {
    fn rule(result: &Result<u32, Self>) -> Disposition {
        match result {
            Ok(_) => Disposition::KeepFor(Duration::from_secs(10)),
            Err(Self::Declined(_)) => Disposition::Keep,
            Err(Self::Timeout(_)) => Disposition::HoldForLease,
            Err(Self::Refused) => Disposition::Release,
        }
    }

    fn disposition(&self) -> Disposition {
        match self {
            Self::Timeout(_) => Disposition::HoldForLease,
            Self::Declined(_) | Self::Refused => Disposition::Release,
        }
    }
}

#[idempotent(key = result.is_ok(), memoize = ChargeError::rule)]
async fn memoizing_by_a_rule(
    result: Result<(), ChargeError>,
    runs: &Runs,
) -> Result<u32, ChargeError> {
    let run = runs.next();
    result.map(|()| run)
}

#[tokio::test(start_paused = true)]
async fn a_function_decides_what_is_kept() {
    let runs = Runs::default();
    let declined = || Err(ChargeError::Declined(7));
    alone(async {
        assert_eq!(memoizing_by_a_rule(declined(), &runs).await, Err(ChargeError::Declined(7)));
        let replayed = memoizing_by_a_rule(Err(ChargeError::Timeout(8)), &runs).await;
        assert_eq!(replayed, Err(ChargeError::Declined(7)));
        assert_eq!(memoizing_by_a_rule(Ok(()), &runs).await, Ok(2));
        assert_eq!(memoizing_by_a_rule(Ok(()), &runs).await, Ok(2));
        sleep(Duration::from_secs(11)).await;
        assert_eq!(memoizing_by_a_rule(Ok(()), &runs).await, Ok(3));
    })
    .await;
}

#[idempotent(key = "on_error", singleton, on_error = ChargeError::disposition)]
async fn deciding_on_errors(error: ChargeError, runs: &Runs) -> Result<u32, ChargeError> {
    runs.next();
    Err(error)
}

#[tokio::test]
async fn on_error_holds_or_releases() {
    let runs = Runs::default();
    alone(async {
        let declined = deciding_on_errors(ChargeError::Declined(1), &runs).await;
        assert_eq!(declined, Err(ChargeError::Declined(1)));
        let timeout = deciding_on_errors(ChargeError::Timeout(2), &runs).await;
        assert_eq!(timeout, Err(ChargeError::Timeout(2)));
        let refused = deciding_on_errors(ChargeError::Declined(3), &runs).await;
        assert_eq!(refused, Err(ChargeError::Refused));
        assert_eq!(runs.count(), 2);
    })
    .await;
}

/// An error of somebody else's, without `From<idempotent_core::Error>` and without serde.
#[derive(Debug, PartialEq)]
enum Foreign {
    Idempotency(ErrorKind),
    Own,
}

#[allow(clippy::needless_pass_by_value, reason = "it is what `map_error` takes")]
fn foreign(error: Error) -> Foreign {
    Foreign::Idempotency(error.kind())
}

#[idempotent(key = id, map_error = foreign)]
async fn mapping_errors(id: Option<u32>) -> Result<u32, Foreign> {
    id.filter(|id| *id > 0).ok_or(Foreign::Own)
}

#[idempotent(key = id, map_error = std::io::Error::other)]
async fn mapping_to_a_constructor(id: Option<u32>) -> Result<u32, std::io::Error> {
    id.ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

#[tokio::test]
async fn map_error_carries_refusals() {
    alone(async {
        assert_eq!(mapping_errors(Some(1)).await, Ok(1));
        assert_eq!(mapping_errors(Some(0)).await, Err(Foreign::Own));
        let missing = Foreign::Idempotency(ErrorKind::MissingKey);
        assert_eq!(mapping_errors(None).await, Err(missing));
        let error = mapping_to_a_constructor(None).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Other);
    })
    .await;
}
