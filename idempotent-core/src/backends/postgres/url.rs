//! Reading a URL, and refusing one that would leave it to the server whether a network sees everything.

use std::env;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::error::store_error;
use crate::backends::shared::local_host::is_local;
use crate::backends::shared::url_problem::scheme_problem;
use crate::store::{StoreError, StoreErrorKind};

const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// How a URL says whether to use TLS.
const PARAMETERS: [&str; 2] = ["sslmode", "ssl-mode"];

/// The same in the environment.
const VARIABLE: &str = "PGSSLMODE";

/// The server that a URL names. If it is not on this machine, the URL has to say whether to use TLS: the
/// default of PostgreSQL's clients is to do without if the server, or somebody in between, says so.
pub(super) fn parse_url(url: &str) -> Result<PgConnectOptions, StoreError> {
    // sqlx would accept any scheme.
    if let Some(problem) = scheme_problem(url, "postgres", &SCHEMES) {
        return Err(StoreError::new(StoreErrorKind::Unavailable, problem).without_outage());
    }
    let options = PgConnectOptions::from_str(url).map_err(store_error)?;
    if is_on_this_machine(&options) || names_mode(url) || env::var_os(VARIABLE).is_some() {
        return Ok(options);
    }
    Err(StoreError::new(
        StoreErrorKind::Unavailable,
        format!(
            "the server {:?} is on another machine, and the URL does not say whether to use TLS: add \
             `?sslmode=verify-full`, with `&sslrootcert=/path/to/ca.pem` if its certificate is from an \
             authority of your own, or `?sslmode=disable` if nobody else can reach that network",
            options.get_host()
        ),
    ))
}

/// Warns of options that leave it to the server. They are the application's, and may say so on purpose.
pub(super) fn warn_if_unprotected(options: &PgConnectOptions) {
    let mode = options.get_ssl_mode();
    let decides = !matches!(mode, PgSslMode::Prefer | PgSslMode::Allow);
    if !decides && !is_on_this_machine(options) {
        tracing::warn!(
            host = options.get_host(),
            ?mode,
            "postgres is on another machine, and whoever is in between can have everything sent in plain \
             text: choose `PgSslMode::VerifyFull`"
        );
    }
}

fn is_on_this_machine(options: &PgConnectOptions) -> bool {
    // A host that is a path is the folder of a socket.
    let host = options.get_host();
    options.get_socket().is_some() || host.starts_with('/') || is_local(host)
}

/// Whether the URL has the parameter. One that is written with escapes is not found, and refused.
fn names_mode(url: &str) -> bool {
    let without_fragment = url.split('#').next().unwrap_or_default();
    let Some((_, query)) = without_fragment.split_once('?') else { return false };
    let mut names = query.split('&').filter_map(|pair| pair.split('=').next());
    names.any(|name| PARAMETERS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_another_machine_has_to_say_whether_to_use_tls() {
        for url in [
            "postgres://shop:hunter2@db.example/shop",
            "postgresql://shop@10.0.0.7:5433/shop?application_name=sslmode",
            "postgres://shop@[2001:db8::1]/shop#?sslmode=disable",
            "postgres://shop@localhost/shop?host=db.example",
            "postgres://shop@localhost/shop?hostaddr=10.0.0.7",
            "postgres://sslmode=disable@db.example/shop",
        ] {
            let refused = parse_url(url).unwrap_err();
            let shown = format!("{refused} {refused:?}");
            assert!(shown.contains("sslmode=verify-full"), "{url}: {shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        for (url, mode) in [
            ("postgres://shop@db.example/shop?sslmode=verify-full", "VerifyFull"),
            ("postgres://shop@db.example/shop?application_name=a&ssl-mode=require", "Require"),
            ("postgres://shop@db.example/shop?sslmode=disable#fragment", "Disable"),
            ("postgres://shop@db.example/shop?sslmode=prefer", "Prefer"),
        ] {
            assert_eq!(format!("{:?}", parse_url(url).unwrap().get_ssl_mode()), mode, "{url}");
        }
    }

    #[test]
    fn a_url_of_this_machine_need_not() {
        for url in [
            "postgres://shop@localhost/shop",
            "postgres://shop@127.0.0.1:5433/shop",
            "postgresql://shop@[::1]/shop",
            "postgres://shop@%2Frun%2Fpostgresql/shop",
            "postgres:///shop?host=/run/postgresql",
            "postgres://shop@db.example/shop?host=/run/postgresql",
        ] {
            parse_url(url).unwrap();
        }
    }
}
