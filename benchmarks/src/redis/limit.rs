//! The limit: the plain commands that nobody can leave out, and the same with the smallest script that
//! compares before it sets.

use std::error::Error;

use redis::aio::ConnectionManager;
use redis::{Client, Script};
use serde::{Deserialize, Serialize};

use crate::receipt::{Receipt, receipt};
use crate::side::{Outcome, Side};

const DAY_MS: u64 = 86_400_000;

const COMPARE_AND_SET: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

pub(crate) struct Limit {
    connection: ConnectionManager,
    /// What completes; without one a plain `SET` does, whatever stands there.
    script: Option<Script>,
}

impl Limit {
    pub(crate) async fn connect(client: &Client) -> Result<Self, Box<dyn Error>> {
        Ok(Self { connection: client.get_connection_manager().await?, script: None })
    }

    pub(crate) async fn comparing(client: &Client) -> Result<Self, Box<dyn Error>> {
        let limit = Self::connect(client).await?;
        Ok(Self { script: Some(Script::new(COMPARE_AND_SET)), ..limit })
    }

    /// A key that no other side uses.
    fn own(&self, key: &str) -> String {
        let side = if self.script.is_some() { "script" } else { "plain" };
        format!("{side}:{key}")
    }
}

fn encoded() -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = Vec::with_capacity(256);
    let mut encoder =
        rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
    receipt().serialize(&mut encoder)?;
    Ok(bytes)
}

impl Side for Limit {
    fn name(&self) -> &'static str {
        match self.script {
            None => "plain commands",
            Some(_) => "… the second by script",
        }
    }

    async fn execute(&self, key: &str) -> Outcome {
        let (mut connection, key) = (self.connection.clone(), self.own(key));
        let mut reserve = redis::cmd("SET");
        reserve.arg(&key).arg("reserved").arg("NX").arg("GET").arg("PX").arg(30_000);
        let taken: Option<Vec<u8>> = reserve.query_async(&mut connection).await?;
        assert!(taken.is_none(), "keys are fresh");
        match &self.script {
            None => {
                let mut complete = redis::cmd("SET");
                complete.arg(&key).arg(encoded()?).arg("PX").arg(DAY_MS);
                complete.exec_async(&mut connection).await?;
            }
            Some(script) => {
                let mut complete = script.key(&key);
                complete.arg("reserved").arg(encoded()?).arg(DAY_MS);
                let set: u8 = complete.invoke_async(&mut connection).await?;
                assert_eq!(set, 1, "it stands there");
            }
        }
        Ok(())
    }

    async fn replay(&self, key: &str) -> Outcome {
        let key = self.own(key);
        let bytes: Vec<u8> =
            redis::cmd("GET").arg(&key).query_async(&mut self.connection.clone()).await?;
        let mut decoder = rmp_serde::Deserializer::from_read_ref(&bytes[..]).with_human_readable();
        std::hint::black_box(Receipt::deserialize(&mut decoder)?);
        Ok(())
    }
}
