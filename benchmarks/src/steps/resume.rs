//! A call that resumes over ten thousand steps, beside reading and decoding as many.

use std::collections::HashMap;
use std::time::Instant;

use idempotent_core::backends::RedisStore;
use idempotent_core::{Error, ErrorKind, Idempotency, Operation};
use idempotent_servers::{Flavor, Postgres, Redis};
use redis::aio::MultiplexedConnection;
use sqlx::{Connection as _, PgConnection, Row};

use crate::by_hand::{decoded, encoded};
use crate::ours::{Failure, in_memory};
use crate::postgres::store;
use crate::receipt::{Receipt, receipt};
use crate::rounds::{Ratios, median};

const STEPS: u32 = 10_000;
const ROUNDS: usize = 25;

const IMPORT: Operation = Operation::new("shop::import");

const TABLE: &str = "CREATE TABLE plain_steps (
    key text, step text, result bytea NOT NULL, PRIMARY KEY (key, step))";

/// What reads and decodes the same by hand.
enum ByHand {
    Nothing,
    Redis(MultiplexedConnection),
    Postgres(PgConnection),
}

impl ByHand {
    async fn fill(&mut self) -> Result<(), Failure> {
        let result = encoded(&receipt())?;
        match self {
            Self::Nothing => {}
            Self::Redis(connection) => {
                let mut fill = redis::cmd("HSET");
                fill.arg("plain");
                for step in 0..STEPS {
                    fill.arg(format!("step {step}")).arg(&result);
                }
                fill.exec_async(connection).await?;
            }
            Self::Postgres(connection) => {
                sqlx::raw_sql(TABLE).execute(&mut *connection).await?;
                let fill = "INSERT INTO plain_steps
                    SELECT 'plain', 'step ' || n, $1 FROM generate_series(1, $2) AS n";
                sqlx::query(fill).bind(result).bind(STEPS as i32).execute(&mut *connection).await?;
                sqlx::raw_sql("VACUUM ANALYZE").execute(connection).await?;
            }
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<usize, Failure> {
        let mut steps: HashMap<String, Receipt> = HashMap::new();
        match self {
            Self::Nothing => {}
            Self::Redis(connection) => {
                let read: Vec<(String, Vec<u8>)> =
                    redis::cmd("HGETALL").arg("plain").query_async(connection).await?;
                for (step, result) in read {
                    steps.insert(step, decoded(&result)?);
                }
            }
            Self::Postgres(connection) => {
                let read = sqlx::query("SELECT step, result FROM plain_steps WHERE key = 'plain'");
                for row in read.fetch_all(connection).await? {
                    steps.insert(row.try_get(0)?, decoded(row.try_get(1)?)?);
                }
            }
        }
        Ok(std::hint::black_box(steps).len())
    }
}

/// A run over all steps, which does not end the call.
async fn run(engine: &Idempotency) -> Result<(), Failure> {
    let call = IMPORT.key("import 7").engine(engine).returning::<Result<Receipt, Error>>();
    let ended = call.run(|| async {
        for number in 0..STEPS {
            let step = Operation::new("line").step().key(&number);
            let step = step.returning::<Result<Receipt, Error>>();
            std::hint::black_box(step.run(|| async { Ok(receipt()) }).await?);
        }
        // Refused, as nothing is recorded: the next run resumes.
        let missing =
            Operation::new("never").key(&None::<u32>).returning::<Result<Receipt, Error>>();
        missing.run(|| async { Ok(receipt()) }).await
    });
    match ended.await {
        Err(error) if error.kind() == ErrorKind::MissingKey => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err("the call should not end".into()),
    }
}

async fn compare(name: &str, engine: &Idempotency, mut by_hand: ByHand) -> Result<(), Failure> {
    by_hand.fill().await?;
    run(engine).await?;
    let (mut resumed, mut read, mut ratios) = (Vec::new(), Vec::new(), Ratios::default());
    for round in 0..ROUNDS {
        let mut times = [0.0; 2];
        for place in 0..2 {
            let side = (place + round) % 2;
            let start = Instant::now();
            match side {
                0 => run(engine).await?,
                _ => drop(by_hand.read().await?),
            }
            times[side] = start.elapsed().as_secs_f64() * 1e3;
        }
        resumed.push(times[0]);
        read.push(times[1]);
        ratios.add(times[0] / times[1]);
    }
    let (resumed, read) = (median(resumed), median(read));
    match by_hand {
        ByHand::Nothing => println!("{name}: 10,000 steps resume in {resumed:.1} ms"),
        _ => println!(
            "{name}: 10,000 steps resume in {resumed:.1} ms, by hand {read:.1} ms, {ratios}"
        ),
    }
    Ok(())
}

pub(crate) fn measure() -> Result<(), Failure> {
    println!();
    crate::runtime(64)?.block_on(async {
        compare("Memory", &in_memory(), ByHand::Nothing).await?;
        let server = Redis::builder().flavor(Flavor::Redis).start().await;
        let engine = Idempotency::new(RedisStore::connect(server.url()).await?);
        let client = redis::Client::open(server.url())?;
        let connection = client.get_multiplexed_async_connection().await?;
        compare("Redis", &engine, ByHand::Redis(connection)).await?;
        let server = Postgres::start().await;
        let engine = Idempotency::new(store(&server.url(), true).await?);
        let connection = PgConnection::connect(&server.url()).await?;
        compare("PostgreSQL 15", &engine, ByHand::Postgres(connection)).await
    })
}
