//! The limit: the plain commands that nobody can leave out.

use std::error::Error;

use async_trait::async_trait;
use redis::aio::ConnectionManager;
use serde::{Deserialize, Serialize};

use crate::receipt::{Receipt, receipt};
use crate::side::{Outcome, Side};

const DAY_MS: u64 = 86_400_000;

pub(crate) struct Limit(ConnectionManager);

impl Limit {
    pub(crate) async fn connect(url: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self(redis::Client::open(url)?.get_connection_manager().await?))
    }
}

fn encoded() -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = Vec::with_capacity(256);
    let mut encoder =
        rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
    receipt().serialize(&mut encoder)?;
    Ok(bytes)
}

#[async_trait]
impl Side for Limit {
    fn name(&self) -> &'static str {
        "plain commands"
    }

    async fn execute(&self, key: &str) -> Outcome {
        let (mut connection, key) = (self.0.clone(), format!("plain:{key}"));
        let mut reserve = redis::cmd("SET");
        reserve.arg(&key).arg("reserved").arg("NX").arg("GET").arg("PX").arg(30_000);
        let taken: Option<Vec<u8>> = reserve.query_async(&mut connection).await?;
        assert!(taken.is_none(), "keys are fresh");
        let mut complete = redis::cmd("SET");
        complete.arg(&key).arg(encoded()?).arg("PX").arg(DAY_MS);
        complete.exec_async(&mut connection).await?;
        Ok(())
    }

    async fn replay(&self, key: &str) -> Outcome {
        let key = format!("plain:{key}");
        let bytes: Vec<u8> = redis::cmd("GET").arg(&key).query_async(&mut self.0.clone()).await?;
        let mut decoder = rmp_serde::Deserializer::from_read_ref(&bytes[..]).with_human_readable();
        std::hint::black_box(Receipt::deserialize(&mut decoder)?);
        Ok(())
    }
}
