//! What is compared.

use std::error::Error;
use std::sync::Arc;

use idempotent_servers::Postgres;

use crate::current::Current;
use crate::database;
use crate::limit::{self, Limit};
use crate::older::Older;
use crate::side::AnySide;

/// The older revision, this one, and the plain statements on a pool of ten connections.
pub(crate) struct Sides(pub(crate) [Arc<dyn AnySide>; 3]);

impl Sides {
    pub(crate) async fn connect(server: &Postgres) -> Result<Self, Box<dyn Error>> {
        let older = Older::on_postgres(&database::create(server, "older").await).await?;
        let current = Current::on_postgres(&database::create(server, "current").await).await?;
        let plain = limit::pool(&database::create(server, "plain").await).await?;
        Ok(Self([Arc::new(older), Arc::new(current), Arc::new(Limit::new(plain).await?)]))
    }
}
