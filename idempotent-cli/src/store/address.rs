//! How a store is named: the forms of its URL.

use std::path::PathBuf;

use crate::failure::Failure;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// One server of Redis or Valkey, as the library takes its URL.
    Redis(String),
    /// A group that Sentinel watches: the sentinels' URLs, the group's name, the database.
    Sentinel(Vec<String>, String, i64),
    /// The nodes' URLs of a Redis Cluster.
    Cluster(Vec<String>),
    /// As the library takes its URL.
    Postgres(String),
    /// A file.
    Sqlite(PathBuf),
}

/// What a URL may begin with.
const FORMS: &str = "redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, redis+cluster://, \
     rediss+cluster://, postgres:// or sqlite:";

impl Address {
    /// Reads a URL. Errors do not repeat it, since it may have a password.
    pub(crate) fn parse(url: &str) -> Result<Self, Failure> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(Failure::usage(
                    "the store's URL has no path: write sqlite:/path/to/calls.db",
                )),
                path => Ok(Self::Sqlite(PathBuf::from(path))),
            };
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(Failure::usage(format!("the store's URL has to begin with {FORMS}")));
        };
        match scheme {
            "redis" | "rediss" | "valkey" | "valkeys" | "unix" | "redis+unix" | "valkey+unix" => {
                Ok(Self::Redis(url.to_owned()))
            }
            "postgres" | "postgresql" => Ok(Self::Postgres(url.to_owned())),
            "redis+sentinel" | "valkey+sentinel" => sentinel("redis", rest),
            "rediss+sentinel" | "valkeys+sentinel" => sentinel("rediss", rest),
            "redis+cluster" | "valkey+cluster" => cluster("redis", rest),
            "rediss+cluster" | "valkeys+cluster" => cluster("rediss", rest),
            _ => Err(Failure::usage(format!(
                "there are no stores of the kind {scheme}://: a URL has to begin with {FORMS}"
            ))),
        }
    }
}

fn sentinel(scheme: &str, rest: &str) -> Result<Address, Failure> {
    let mut parts = rest.trim_end_matches('/').splitn(3, '/');
    let urls = hosts(scheme, parts.next().unwrap_or_default())?;
    let Some(group) = parts.next().filter(|group| !group.is_empty()) else {
        return Err(Failure::usage(
            "the store's URL does not name the group: write redis+sentinel://HOST:26379/mymaster",
        ));
    };
    let database = match parts.next() {
        None => 0,
        Some(number) => number.parse().map_err(|_| {
            Failure::usage(
                "what follows the group in the store's URL has to be the database's number",
            )
        })?,
    };
    Ok(Address::Sentinel(urls, group.to_owned(), database))
}

fn cluster(scheme: &str, rest: &str) -> Result<Address, Failure> {
    Ok(Address::Cluster(hosts(scheme, rest.trim_end_matches('/'))?))
}

/// A URL for each of several hosts.
fn hosts(scheme: &str, list: &str) -> Result<Vec<String>, Failure> {
    if list.contains('@') {
        return Err(Failure::usage(
            "the login of several servers is not part of their URL: use --username, and $IDEMPOTENT_PASSWORD or \
             --password-file",
        ));
    }
    let urls: Vec<_> = list.split(',').filter(|host| !host.is_empty()).collect();
    if urls.is_empty() || list.contains('/') {
        return Err(Failure::usage("the store's URL has to name its servers: HOST:PORT,HOST:PORT"));
    }
    Ok(urls.into_iter().map(|host| format!("{scheme}://{host}")).collect())
}
