//! On Redis: beside the plain commands, whose steps are fenced by the smallest script.

use std::sync::Arc;

use async_trait::async_trait;
use idempotent_core::Idempotency;
use idempotent_core::backends::RedisStore;
use idempotent_servers::{Flavor, Redis};
use redis::aio::ConnectionManager;
use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo, Script};

use crate::STEPS;
use crate::by_hand::encoded;
use crate::ours::{Failure, Ours};
use crate::receipt::receipt;
use crate::side::Outcome;
use crate::turns::{Checkout, Plan, compare};

const FENCED: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return 1";

const DAY_MS: u64 = 86_400_000;

struct ByHand {
    connection: ConnectionManager,
    script: Script,
}

#[async_trait]
impl Checkout for ByHand {
    fn name(&self) -> &'static str {
        "plain commands"
    }

    async fn checkout(&self, key: &str) -> Outcome {
        let mut connection = self.connection.clone();
        let (call, journal) = (format!("plain:{key}"), format!("steps:{key}"));
        let mut reserve = redis::cmd("SET");
        reserve.arg(&call).arg("reserved").arg("NX").arg("GET").arg("PX").arg(30_000);
        let taken: Option<Vec<u8>> = reserve.query_async(&mut connection).await?;
        assert!(taken.is_none(), "keys are fresh");
        for name in STEPS {
            let mut write = self.script.prepare_invoke();
            write.key(&call).key(&journal).arg("reserved").arg(name).arg(encoded(&receipt())?);
            let written: u8 = write.invoke_async(&mut connection).await?;
            assert_eq!(written, 1, "it stands there");
        }
        let mut complete = redis::pipe();
        complete.cmd("SET").arg(&call).arg(encoded(&receipt())?).arg("PX").arg(DAY_MS).ignore();
        complete.cmd("UNLINK").arg(&journal).ignore();
        complete.exec_async(&mut connection).await?;
        Ok(())
    }
}

pub(crate) fn measure() -> Result<(), Failure> {
    let threads = crate::runtime(64)?;
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = threads.block_on(Redis::builder().flavor(flavor).start());
        for tasks in [1, 64] {
            let runtime = crate::runtime(tasks)?;
            for no_delay in [false, true] {
                println!("\n{flavor:?}, {} TCP_NODELAY", if no_delay { "with" } else { "without" });
                runtime.block_on(on(&server.url(), no_delay, tasks))?;
            }
        }
    }
    Ok(())
}

async fn on(url: &str, no_delay: bool, tasks: u64) -> Result<(), Failure> {
    let settings = TcpSettings::default().set_nodelay(no_delay);
    let client = Client::open(url.into_connection_info()?.set_tcp_settings(settings))?;
    let connection = client.get_connection_manager().await?;
    let store = RedisStore::builder(client).connect().await?;
    let sides: [Arc<dyn Checkout>; 2] = [
        Arc::new(ByHand { connection, script: Script::new(FENCED) }),
        Arc::new(Ours::new(Idempotency::new(store))),
    ];
    let calls = if tasks == 1 { 128 } else { 2_048 };
    compare(&sides, Plan { tasks, calls, rounds: 15 }).await;
    Ok(())
}
