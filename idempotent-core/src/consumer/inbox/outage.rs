//! Telling a database that does not answer from a handler that fails, as far as an error tells: the handler may have asked
//! another database. Whether it is the consumer's own is asked afterwards.

use std::error::Error as StdError;

use sqlx::Error as SqlError;

use super::pool::InboxPool;
use crate::error::{Error, ErrorKind};

/// Whether an error, or one of its causes, says that the database does not answer, or the store.
pub(super) fn is_outage<P: InboxPool>(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<SqlError>() {
            if is_sql_outage::<P>(error) {
                return true;
            }
        }
        if error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::Store) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether a commit with this error may have happened: its answer was lost.
pub(super) fn is_unclear<P: InboxPool>(error: &SqlError) -> bool {
    !matches!(error, SqlError::Database(_)) || is_sql_outage::<P>(error)
}

fn is_sql_outage<P: InboxPool>(error: &SqlError) -> bool {
    match error {
        SqlError::Database(error) => error.code().is_some_and(|code| P::is_outage(&code)),
        SqlError::Io(_)
        | SqlError::Tls(_)
        | SqlError::PoolTimedOut
        | SqlError::PoolClosed
        | SqlError::WorkerCrashed => true,
        _ => false,
    }
}
