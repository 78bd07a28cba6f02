//! The records of messages by hand, in Redis: the commands that nobody can leave out. `SET … NX GET` reserves, and the smallest
//! script that compares before it sets keeps the result.

use std::sync::atomic::{AtomicU64, Ordering};

use redis::aio::ConnectionManager;
use redis::{Client, Script};

use crate::Failure;

const LEASE_MS: u64 = 30_000;
const DAY_MS: u64 = 86_400_000;
/// What is kept of a handler that returns nothing.
const RESULT: &[u8] = &[0xc0];

const COMPARE_AND_SET: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

pub(super) struct RedisByHand {
    connection: ConnectionManager,
    script: Script,
    last_token: AtomicU64,
}

impl RedisByHand {
    pub(super) async fn connect(url: &str) -> Result<Self, Failure> {
        let connection = Client::open(url)?.get_connection_manager().await?;
        let script = Script::new(COMPARE_AND_SET);
        script.prepare_invoke().load_async(&mut connection.clone()).await?;
        Ok(Self { connection, script, last_token: AtomicU64::new(0) })
    }

    /// Reserves a message, and keeps its result. Returns whether it was the first to do so.
    pub(super) async fn handle(&self, message: &str) -> Result<bool, Failure> {
        let (mut connection, key) = (self.connection.clone(), format!("by-hand:{message}"));
        let token = self.last_token.fetch_add(1, Ordering::Relaxed);
        let mut reserve = redis::cmd("SET");
        reserve.arg(&key).arg(token).arg("NX").arg("GET").arg("PX").arg(LEASE_MS);
        let taken: Option<Vec<u8>> = reserve.query_async(&mut connection).await?;
        if taken.is_some() {
            return Ok(false);
        }
        let mut keep = self.script.key(&key);
        keep.arg(token).arg(RESULT).arg(DAY_MS);
        Ok(keep.invoke_async::<u8>(&mut connection).await? == 1)
    }
}
