//! Whether a server is on this machine, so that nobody else sees what is said to it.

use std::net::IpAddr;

/// Whether a URL's host is this machine, by its name or its address. Nothing is looked up.
pub(in crate::backends) fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let name = host.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_local() {
        for host in [
            "127.0.0.1",
            "127.8.0.1",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
            "LocalHost",
            "a.localhost.",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "10.0.0.1",
            "0.0.0.0",
            "::2",
            "db",
            "localhost.example",
            "notlocalhost",
            "128.0.0.1",
            "",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
