//! What a failed attempt says about the next one: passing, an unknown host, or permanent.

use std::error::Error as StdError;
use std::io;
use std::iter;

/// What the failure of an attempt says about another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prospect {
    /// Another attempt may succeed.
    Passing,
    /// The name of the host was not found. A record that was just created may appear, but not for long.
    UnknownHost,
    /// Another attempt fails in the same way: a certificate or a setting is wrong.
    Permanent,
}

/// Windows' codes for a host without an address. Its other codes, and those of every other system, say that
/// the lookup itself failed.
const HOST_NOT_FOUND: [i32; 2] = [11_001, 11_004];

/// What `getaddrinfo` and resolvers in Rust say of a lookup that failed for the time being, in lower case.
const LOOKUP_FAILED: [&str; 4] = ["temporary failure", "try again", "timed out", "timeout"];

/// Connecting fails with these until a setting is changed, in lower case: an `https` URL without a TLS
/// feature, a port that is none, and a proxy that wants other credentials.
const SETTINGS: [&str; 3] =
    ["invalid url", "proxy authorization required", "missing destination host"];

/// What a failure to connect means.
pub(super) fn of_connecting(error: &(dyn StdError + 'static), is_lookup: bool) -> Prospect {
    if is_lookup {
        return of_lookup(error);
    }
    let is_permanent = causes(error).any(|cause| {
        // What a TLS stack reads during a handshake and does not accept: a certificate, an alert, or an
        // answer that is not TLS. A connection that breaks meanwhile has other kinds.
        let is_refused_by_tls = cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::InvalidData);
        is_refused_by_tls || {
            let text = cause.to_string().to_ascii_lowercase();
            // OpenSSL, SChannel and Secure Transport have error types of their own.
            text.contains("certificate")
                || text.contains("ssl routines")
                || SETTINGS.iter().any(|setting| text.contains(setting))
        }
    });
    if is_permanent { Prospect::Permanent } else { Prospect::Passing }
}

/// What the failure of a request on a connection means.
///
/// With TLS 1.3 a server refuses a client's certificate only after the client's handshake has ended, so this
/// arrives as the failure of the first request.
pub(super) fn of_sending(error: &(dyn StdError + 'static)) -> Prospect {
    let is_permanent = causes(error).any(|cause| {
        let text = cause.to_string().to_ascii_lowercase();
        let is_alert = text.contains("alert")
            && ["certificate", "unknownca", "unknown ca", "accessdenied", "access denied"]
                .iter()
                .any(|alert| text.contains(alert));
        // A request that the HTTP client itself does not accept.
        is_alert || text.starts_with("client error (user")
    });
    if is_permanent { Prospect::Permanent } else { Prospect::Passing }
}

fn of_lookup(error: &(dyn StdError + 'static)) -> Prospect {
    let failed = causes(error).any(|cause| {
        let code = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        code.is_some_and(|code| !HOST_NOT_FOUND.contains(&code)) || {
            let text = cause.to_string().to_ascii_lowercase();
            LOOKUP_FAILED.iter().any(|failed| text.contains(failed))
        }
    });
    if failed { Prospect::Passing } else { Prospect::UnknownHost }
}

/// The error and its causes. An [`io::Error`] leaves out of its `source` the error that it was made from.
pub(super) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        match error.downcast_ref::<io::Error>() {
            Some(error) => error.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    /// An error with a text and a cause, like those of HTTP clients.
    #[derive(Debug)]
    struct Link(&'static str, Option<Box<dyn StdError + Send + Sync>>);

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Link {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.1.as_ref().map(|cause| &**cause as _)
        }
    }

    fn connecting(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Prospect {
        of_connecting(&Link("client error (Connect)", Some(cause.into())), false)
    }

    #[test]
    fn what_tls_does_not_accept_is_permanent_however_deep_it_is() {
        let refused = io::Error::new(io::ErrorKind::InvalidData, "invalid peer certificate");
        assert_eq!(connecting(io::Error::other(refused)), Prospect::Permanent);
        for text in [
            "error:0A00010B:SSL routines:ssl3_get_record:wrong version number",
            "A certificate chain could not be built to a trusted root authority.",
        ] {
            assert_eq!(connecting(text), Prospect::Permanent, "{text}");
        }
    }

    #[test]
    fn settings_that_are_wrong_are_permanent() {
        for text in [
            "invalid URL, scheme is not http",
            "tunnel error: proxy authorization required",
            "tunnel error: missing destination host",
        ] {
            assert_eq!(connecting(text), Prospect::Permanent, "{text}");
        }
    }

    #[test]
    fn what_a_server_that_restarts_does_is_passing() {
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, TimedOut, UnexpectedEof};
        for kind in [ConnectionRefused, ConnectionReset, TimedOut, UnexpectedEof] {
            let error = io::Error::other(io::Error::new(kind, "tls handshake eof"));
            assert_eq!(connecting(error), Prospect::Passing, "{kind:?}");
        }
        assert_eq!(connecting("tunnel error: unsuccessful"), Prospect::Passing);
    }

    #[test]
    fn a_host_without_an_address_is_unknown_and_a_lookup_that_failed_is_not() {
        let lookup = |error: io::Error| of_connecting(&Link("dns", Some(error.into())), true);
        for text in [
            "failed to lookup address information: Name or service not known",
            "failed to lookup address information: nodename nor servname provided, or not known",
            "failed to lookup address information: Name does not resolve",
            "no records found for Query { name: Name(\"a.example.\") }",
        ] {
            assert_eq!(lookup(io::Error::other(text)), Prospect::UnknownHost, "{text}");
        }
        for text in [
            "failed to lookup address information: Temporary failure in name resolution",
            "failed to lookup address information: Try again",
            "request timed out",
        ] {
            assert_eq!(lookup(io::Error::other(text)), Prospect::Passing, "{text}");
        }
        assert_eq!(lookup(io::Error::from_raw_os_error(11_001)), Prospect::UnknownHost);
        assert_eq!(lookup(io::Error::from_raw_os_error(11_002)), Prospect::Passing);
        assert_eq!(lookup(io::Error::from_raw_os_error(24)), Prospect::Passing, "too many files");
    }

    #[test]
    fn a_request_that_the_client_or_the_servers_tls_refuses_is_permanent() {
        for text in [
            "client error (UserUnsupportedVersion)",
            "received fatal alert: CertificateRequired",
            "received fatal alert: UnknownCA",
            "error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required",
        ] {
            assert_eq!(of_sending(&Link(text, None)), Prospect::Permanent, "{text}");
        }
        for text in [
            "connection closed before message completed",
            "client error (SendRequest)",
            "received fatal alert: InternalError",
        ] {
            assert_eq!(of_sending(&Link(text, None)), Prospect::Passing, "{text}");
        }
    }
}
