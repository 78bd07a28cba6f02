//! The contract of every store, on each version. The cases of a version share one server and one
//! table.

use std::time::Duration;

use idempotent_core::backends::{PostgresStore, PostgresStoreBuilder};
use idempotent_core::model::RecordId;
use idempotent_core::testing::contract::Lapsed;
use idempotent_servers::{Postgres, PostgresVersion};
use idempotent_tests::TwoHandles;
use tokio::sync::OnceCell;

use crate::setup::migrated;

/// Two handles to one server.
async fn subject_of(server: &'static Postgres) -> TwoHandles {
    opened(server, |builder| builder).await
}

/// The same, with every step in a group.
async fn grouped_subject_of(server: &'static Postgres) -> TwoHandles {
    opened(server, PostgresStoreBuilder::never_alone).await
}

async fn opened(
    server: &'static Postgres,
    set: fn(PostgresStoreBuilder) -> PostgresStoreBuilder,
) -> TwoHandles {
    let garble = move |id: RecordId| async move {
        let id: String = id.hash().iter().map(|byte| format!("{byte:02x}")).collect();
        let sql = format!("UPDATE idempotent.records SET record = '\\x00ff' WHERE id = '\\x{id}'");
        server.sql(&sql).await;
    };
    TwoHandles::open(Lapsed::Kept, async || {
        // Loaded machines are slow; what is bounded in time is tested elsewhere.
        let builder = PostgresStore::builder(server.url())
            .response_timeout(Duration::from_secs(10))
            .max_connections(4);
        migrated(set(builder)).await
    })
    .await
    .garbled_by(garble)
}

async fn start(version: PostgresVersion) -> Postgres {
    Postgres::builder().version(version).arg("max_connections", "900").start().await
}

mod postgres_15 {
    use super::*;

    static SERVER: OnceCell<Postgres> = OnceCell::const_new();

    async fn subject() -> TwoHandles {
        let server = SERVER.get_or_init(|| start(PostgresVersion::Distribution)).await;
        subject_of(server).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

mod postgres_18 {
    use super::*;

    static SERVER: OnceCell<Postgres> = OnceCell::const_new();

    async fn subject() -> TwoHandles {
        subject_of(SERVER.get_or_init(|| start(PostgresVersion::V18)).await).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

mod postgres_15_in_groups {
    use super::*;

    static SERVER: OnceCell<Postgres> = OnceCell::const_new();

    async fn subject() -> TwoHandles {
        let server = SERVER.get_or_init(|| start(PostgresVersion::Distribution)).await;
        grouped_subject_of(server).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

mod postgres_18_in_groups {
    use super::*;

    static SERVER: OnceCell<Postgres> = OnceCell::const_new();

    async fn subject() -> TwoHandles {
        grouped_subject_of(SERVER.get_or_init(|| start(PostgresVersion::V18)).await).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}
