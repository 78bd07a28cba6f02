//! What a store is opened with: from the command line, the environment and the configuration file, in this order.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::time::Duration;

use idempotent_core::backends::{
    Credentials, CredentialsProvider, PostgresStore, PostgresStoreBuilder, RedisSource, RedisStore,
    SqliteStore, SqliteStoreBuilder,
};

use idempotent_core::store::{StoreError, StoreErrorKind};

use super::address::Address;
use super::connected::{Backend, Connected};
use super::plain::{Plain, PlainSettings};
use super::reachability::{
    in_words, refuse_closed_port, refuse_other_server, server_at, without_tls,
};
use super::secret::{self, Password};
use super::siblings::{Sibling, siblings};
use crate::args::{MoveTarget, Options};
use crate::config::Config;
use crate::failure::{Exit, Failure, in_plain_words};

/// A command sends one request at a time, and the outbox has connections of its own.
const CONNECTIONS: u32 = 2;

/// What the library tells programs whose login is refused.
const BUILDERS_ADVICE: &str = ": check the URL, or `username` and `password` of the builder";

/// What a store is opened with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) address: Address,
    username: Option<String>,
    password: Option<Password>,
    secret: Option<secret::Hidden32>,
    authentication_secret: Option<secret::Hidden32>,
    ca_file: Option<PathBuf>,
    prefix: Option<String>,
    schema: Option<String>,
    table: Option<String>,
    timeout: Duration,
    connections: u32,
    /// What its options begin with.
    options: &'static str,
}

impl Settings {
    pub(crate) fn new(options: &Options, config: &Config) -> Result<Self, Failure> {
        let text = |given: &Option<String>, configured: &Option<String>| {
            given.clone().or_else(|| configured.clone()).filter(|text| !text.is_empty())
        };
        let path = |given: &Option<PathBuf>, configured: &Option<PathBuf>| {
            given.clone().or_else(|| configured.clone())
        };
        let configured = config.store.as_ref().filter(|_| options.is_store_from_environment);
        if configured.is_some_and(|configured| options.store.as_ref() != Some(configured)) {
            return Err(Failure::usage(
                "which store? $IDEMPOTENT_STORE names another one than the file of --config: unset it, or add --store URL",
            ));
        }
        let Some(url) = text(&options.store, &config.store) else {
            return Err(Failure::usage(
                "which store? Name it with --store URL, $IDEMPOTENT_STORE or `store` in the configuration file; \
                 `idempotent --help` lists the forms",
            ));
        };
        let secret_file = path(&options.secret_file, &config.secret_file);
        let authentication =
            path(&options.authentication_secret_file, &config.authentication_secret_file);
        Ok(Self {
            address: Address::parse(&url)?,
            username: text(&options.username, &config.username),
            password: Password::find(path(&options.password_file, &config.password_file)),
            secret: secret::engine_secret(secret_file.as_deref(), "IDEMPOTENT_SECRET")?,
            authentication_secret: secret::engine_secret(
                authentication.as_deref(),
                "IDEMPOTENT_AUTHENTICATION_SECRET",
            )?,
            ca_file: path(&options.ca_file, &config.ca_file),
            prefix: text(&options.prefix, &config.prefix),
            schema: text(&options.schema, &config.schema),
            table: text(&options.table, &config.table),
            timeout: options.timeout,
            connections: CONNECTIONS,
            options: "--",
        })
    }

    /// The store to which records are moved. Neither the configuration file nor the other store's login is about it.
    pub(crate) fn of_target(target: &MoveTarget, timeout: Duration) -> Result<Self, Failure> {
        let password = Password::find_in(target.to_password_file.clone(), "IDEMPOTENT_TO_PASSWORD");
        Ok(Self {
            address: Address::parse(&target.to)?,
            username: target.to_username.clone(),
            password,
            secret: None,
            authentication_secret: None,
            ca_file: target.to_ca_file.clone(),
            prefix: target.to_prefix.clone(),
            schema: target.to_schema.clone(),
            table: target.to_table.clone(),
            timeout,
            connections: CONNECTIONS * 4,
            options: "--to-",
        })
    }

    /// With so many connections at most, where a store has several.
    pub(crate) const fn with_connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// Opens the store. It neither creates nor migrates anything, and sweeps nothing.
    pub(crate) async fn connect(self) -> Result<Connected, Failure> {
        let backend = match &self.address {
            Address::Postgres(url) => {
                let builder = self.postgres()?;
                refuse_closed_port(url, self.timeout).await?;
                let opened = builder.connect().await;
                if opened.as_ref().is_err_and(is_unreachable) {
                    refuse_other_server(url).await?;
                }
                Backend::Postgres(self.known(opened).await?)
            }
            Address::Sqlite(path) => {
                let builder = self.sqlite()?;
                if !path.exists() {
                    let path = path.display();
                    return Err(Failure::new(
                        Exit::Unavailable,
                        format!("sqlite file {path}: there is no such file"),
                    ));
                }
                Backend::Sqlite(self.known(builder.connect().await).await?)
            }
            address => match self.redis().await? {
                Err(error) if timed_out(&error) => {
                    let Some(server) = without_tls(address).await else { return named(Err(error)) };
                    return Err(Failure::new(
                        Exit::Unavailable,
                        format!(
                            "{server}: it speaks no TLS: write redis in place of rediss in the store's URL"
                        ),
                    ));
                }
                opened => Backend::Redis(named(opened)?),
            },
        };
        let place = (self.prefix.clone(), self.schema.clone(), self.table.clone());
        let secrets = (self.secret.map(|it| it.0), self.authentication_secret.map(|it| it.0));
        Ok(Connected::new(backend, secrets, place, self.timeout))
    }

    /// An opened store. If its tables are missing, and those of another one are there, that is the hint, and not to create
    /// a second store.
    async fn known<T>(&self, opened: Result<T, StoreError>) -> Result<T, Failure> {
        let Err(error) = &opened else { return named(opened) };
        let text = error.to_string();
        let Some((server, _)) = text.split_once(MISSING) else { return named(opened) };
        let siblings = siblings(self, self.timeout).await;
        let schema = self.schema.as_deref().unwrap_or("idempotent");
        if siblings.is_empty() || siblings.iter().any(|it| it.is(schema, self.table.as_deref())) {
            return named(opened);
        }
        let options: Vec<_> = siblings.iter().map(Sibling::options).collect();
        let options = options.join(", or ");
        let text =
            format!("{server}: there is no such store, though there are others: is it {options}?");
        Err(Failure::new(Exit::Unavailable, text))
    }

    /// The login beside the URL, as it is now.
    pub(super) fn login(&self) -> (Option<String>, Option<String>) {
        let password = self.password.as_ref().and_then(|password| password.read().ok());
        (self.username.clone(), password)
    }

    /// Where the tables are, for people.
    pub(crate) fn place(&self) -> String {
        let table = |default| self.table.as_deref().unwrap_or(default).to_owned();
        match &self.address {
            Address::Sqlite(path) => {
                format!("sqlite file {}, table {}", path.display(), table("idempotent_records"))
            }
            address => {
                let schema = self.schema.as_deref().unwrap_or("idempotent");
                let part = format!("schema {schema}, table {}", table("records"));
                let server = match address {
                    Address::Postgres(url) => server_at(url),
                    _ => None,
                };
                server.map_or_else(|| part.clone(), |server| format!("{server}, {part}"))
            }
        }
    }

    /// Connections of their own, for plain commands about records of this operation.
    pub(crate) async fn connect_plain(&self, operation: &str) -> Result<Plain, Failure> {
        let password = self.password.as_ref().map(Password::read).transpose();
        let plain = PlainSettings {
            address: &self.address,
            username: self.username.as_deref(),
            password: password.map_err(|error| Failure::usage(error.to_string()))?,
            ca: self.ca_file.as_deref().map(secret::read).transpose()?,
            prefix: self.prefix.as_deref().unwrap_or("idem:"),
            schema: self.schema.as_deref().unwrap_or("idempotent"),
            table: self.table.as_deref(),
            connections: self.connections,
            limit: self.timeout,
        };
        Ok(plain.connect(operation).await?)
    }

    /// A store in PostgreSQL that is not open yet.
    pub(crate) fn postgres(&self) -> Result<PostgresStoreBuilder, Failure> {
        let Address::Postgres(url) = &self.address else {
            return Err(Failure::usage("that is for stores in PostgreSQL"));
        };
        self.refuse(&[("prefix", self.prefix.is_some()), ("ca-file", self.ca_file.is_some())])?;
        let mut builder = PostgresStore::builder(url.as_str())
            .migrate(false)
            .notify(false)
            .sweep_every(None)
            .max_connections(self.connections)
            .response_timeout(self.timeout);
        if let Some(schema) = &self.schema {
            builder = builder.schema(schema);
        }
        if let Some(table) = &self.table {
            builder = builder.table(table);
        }
        Ok(match self.credentials()? {
            Some(credentials) => builder.credentials(credentials),
            None => builder,
        })
    }

    /// A store in a file that is not open yet.
    pub(crate) fn sqlite(&self) -> Result<SqliteStoreBuilder, Failure> {
        let Address::Sqlite(path) = &self.address else {
            return Err(Failure::usage("that is for stores in SQLite"));
        };
        self.refuse(&[
            ("prefix", self.prefix.is_some()),
            ("schema", self.schema.is_some()),
            ("ca-file", self.ca_file.is_some()),
            ("username", self.username.is_some()),
        ])?;
        let builder = SqliteStore::builder(path)
            .migrate(false)
            .sweep_every(None)
            .max_connections(self.connections)
            .response_timeout(self.timeout);
        Ok(match &self.table {
            Some(table) => builder.table(table),
            None => builder,
        })
    }

    async fn redis(&self) -> Result<Result<RedisStore, StoreError>, Failure> {
        self.refuse(&[("schema", self.schema.is_some()), ("table", self.table.is_some())])?;
        let mut builder = match &self.address {
            Address::Sentinel(urls, group, database) => {
                let source = RedisSource::sentinel(urls.iter().map(String::as_str), group);
                RedisStore::builder(source).database(*database)
            }
            Address::Cluster(urls) => {
                RedisStore::builder(RedisSource::cluster(urls.iter().map(String::as_str)))
            }
            Address::Redis(url) => RedisStore::builder(url.as_str()),
            Address::Postgres(_) | Address::Sqlite(_) => {
                return Err(Failure::usage("that is for stores in Redis"));
            }
        };
        builder = builder.response_timeout(self.timeout).connect_timeout(self.timeout);
        if let Some(prefix) = &self.prefix {
            builder = builder.prefix(prefix);
        }
        if let Some(file) = &self.ca_file {
            builder = builder.root_certificates(secret::read(file)?);
        }
        if let Some(username) = &self.username {
            builder = builder.username(username);
        }
        if let Some(credentials) = self.credentials()? {
            builder = builder.credentials(credentials);
        }
        Ok(builder.connect().await)
    }

    /// The login, if there is one beside the URL. A file that is not there is a mistake now, not once the server is
    /// reached.
    fn credentials(&self) -> Result<Option<impl CredentialsProvider + use<>>, Failure> {
        let Some(password) = self.password.clone() else { return Ok(None) };
        password.read().map_err(|error| Failure::usage(error.to_string()))?;
        let username = self.username.clone();
        Ok(Some(move || {
            let credentials = password.read().map(|password| match &username {
                Some(username) => Credentials::new(username, password),
                None => Credentials::password(password),
            });
            async move {
                credentials.map_err(|error| Box::new(error) as Box<dyn StdError + Send + Sync>)
            }
        }))
    }

    /// An option that has no effect on this store is a mistake.
    fn refuse(&self, options: &[(&str, bool)]) -> Result<(), Failure> {
        let kind = match self.address {
            Address::Postgres(_) => "PostgreSQL",
            Address::Sqlite(_) => "SQLite",
            _ => "Redis",
        };
        match options.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Failure::usage(format!(
                "{}{option} has no meaning for a store in {kind}",
                self.options
            ))),
            None => Ok(()),
        }
    }
}

/// What the library says of tables that are not there.
const MISSING: &str = ": the tables of the store are missing or too old";

/// Whether nobody answered. A cluster's client says so in its text alone.
fn timed_out(error: &StoreError) -> bool {
    error.kind() == StoreErrorKind::Timeout || error.to_string().contains("timed out")
}

/// Whether nobody answered, or not as a server of this kind does.
fn is_unreachable(error: &StoreError) -> bool {
    timed_out(error) || error.kind() == StoreErrorKind::Unavailable
}

fn named<T>(opened: Result<T, StoreError>) -> Result<T, Failure> {
    opened.map_err(|error| {
        // The library speaks to programs.
        let text = in_plain_words(&error.to_string());
        if text.contains(" the user name or the password") {
            let text = text.replace(BUILDERS_ADVICE, "");
            return Failure::new(
                Exit::Unavailable,
                format!(
                    "{text}; check `--username` and `$IDEMPOTENT_PASSWORD` or `--password-file`"
                ),
            );
        }
        if let Some(words) = in_words(&text) {
            return Failure::new(Exit::Unavailable, words);
        }
        match text.find(MISSING) {
            Some(at) => Failure::new(
                Exit::Unavailable,
                format!(
                    "{}: the tables of the store are missing or too old: run `idempotent migrate`",
                    &text[..at]
                ),
            ),
            None => error.into(),
        }
    })
}
