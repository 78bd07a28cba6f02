//! Databases of the sides: both revisions' tables have the same names.

use idempotent_servers::Postgres;

/// Makes a database, and gives its URL.
pub(crate) async fn create(server: &Postgres, name: &str) -> String {
    server.sql(&format!("CREATE DATABASE {name}")).await;
    let url = server.url();
    let (server, _) = url.rsplit_once('/').expect("the URL has a database");
    format!("{server}/{name}")
}
