//! A server by its name, for people: without a user or a password.

use sqlx::postgres::PgConnectOptions;

/// The server and the database.
pub(crate) fn server_of(options: &PgConnectOptions) -> String {
    let port = options.get_port();
    let at = match (options.get_socket(), options.get_host()) {
        (Some(folder), _) => format!("the socket in {}, port {port}", folder.display()),
        (None, folder) if folder.starts_with('/') => format!("the socket in {folder}, port {port}"),
        (None, host) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        (None, host) => format!("{host}:{port}"),
    };
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("postgres at {at}, database {database}")
}
