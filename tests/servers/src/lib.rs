//! Real servers for tests, benchmarks and examples: each started on a free port in a temporary
//! folder, waited for until it answers, and stopped when its handle is dropped.
//!
//! Nothing stays behind, also when a test panics or is killed with `kill -9`: see `guard`.
//! What waits is `async` and wants a tokio runtime; what is done at once (`kill`, faults) is not.
//! A harness that cannot do what it is asked panics with the server's log: it is for tests.

mod chromium;
mod cluster;
mod controls;
mod folder;
mod guard;
mod nats;
mod netns;
mod nginx;
mod node;
mod pg;
mod pgbouncer;
mod port;
mod postgres;
mod process;
mod program;
mod proxy;
mod rabbitmq;
mod redis;
mod resp;
mod sentinel;
mod server;
mod steps;
mod tls;
mod topology;

pub use chromium::Chromium;
pub use cluster::{Cluster, ClusterBuilder};
pub use nats::Nats;
pub use netns::Namespace;
pub use nginx::Nginx;
pub use pgbouncer::PgBouncer;
pub use postgres::{Postgres, PostgresBuilder, PostgresVersion};
pub use program::Program;
pub use proxy::{Counts, TcpProxy};
pub use rabbitmq::RabbitMq;
pub use redis::{Data, Flavor, Redis, RedisBuilder};
pub use resp::Reply;
pub use sentinel::Sentinel;
pub use server::{Server, are_here};
pub use steps::{Halt, Halted, Step, StepProxy};
pub use tls::Certificate;
