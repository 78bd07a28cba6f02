//! What is wrong with the beginning of a URL, and what to write. Nothing of it is shown that may be a secret.

/// What is wrong with a URL's scheme, if it is none of `schemes`. The first of these is the one to write.
pub(in crate::backends) fn scheme_problem(
    url: &str,
    service: &str,
    schemes: &[&str],
) -> Option<String> {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, url),
    };
    let is_known = |scheme: &str| schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    if scheme.is_some_and(is_known) {
        return None;
    }
    let write = format!("write {}://{}", schemes[0], address(rest, schemes));
    Some(match scheme.filter(|scheme| is_word(scheme)) {
        Some(scheme) => format!("the URL begins with {scheme}://, which is not {service}: {write}"),
        None => format!("the URL has no scheme: {write}"),
    })
}

/// The address in what follows the scheme, or in place of it, if it can be nothing else.
fn address(rest: &str, schemes: &[&str]) -> String {
    // `redis:host` and `redis//host` are typing errors.
    let without =
        schemes.iter().find_map(|scheme| rest.strip_prefix(scheme)?.strip_prefix([':', '/']));
    let rest = without.unwrap_or(rest).trim_start_matches('/');
    let (login, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => ("…@", rest),
        None => ("", rest),
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    if is_address(rest) { format!("{login}{rest}") } else { "host:port".to_owned() }
}

/// Whether it is a host with a port, or this machine, and perhaps a database. A password is neither.
fn is_address(text: &str) -> bool {
    let (server, database) = text.split_once('/').unwrap_or((text, ""));
    let (host, port) = server.rsplit_once(':').unwrap_or((server, ""));
    let is_host =
        !host.is_empty() && host.chars().all(|it| it.is_ascii_alphanumeric() || ".-_".contains(it));
    let is_server = host == "localhost" || !port.is_empty();
    is_host
        && is_server
        && port.parse::<u16>().is_ok() != port.is_empty()
        && is_word_or_empty(database)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 12 && is_word_or_empty(text)
}

fn is_word_or_empty(text: &str) -> bool {
    text.chars().all(|it| it.is_ascii_alphanumeric() || "-_+".contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REDIS: &[&str] = &["redis", "rediss"];

    fn problem(url: &str) -> String {
        scheme_problem(url, "redis", REDIS).unwrap_or_default()
    }

    #[test]
    fn a_missing_or_wrong_scheme_is_told_with_what_to_write() {
        for (url, text) in [
            ("localhost:6379", "the URL has no scheme: write redis://localhost:6379"),
            ("localhost", "the URL has no scheme: write redis://localhost"),
            ("127.0.0.1:6379/2", "the URL has no scheme: write redis://127.0.0.1:6379/2"),
            ("redis:localhost:6379", "the URL has no scheme: write redis://localhost:6379"),
            ("redis//db.internal:1", "the URL has no scheme: write redis://db.internal:1"),
            (
                "http://localhost:6379",
                "the URL begins with http://, which is not redis: write redis://localhost:6379",
            ),
            ("", "the URL has no scheme: write redis://host:port"),
        ] {
            assert_eq!(problem(url), text, "{url}");
        }
    }

    #[test]
    fn a_right_scheme_is_none() {
        for url in ["redis://a", "REDIS://a", "rediss://a"] {
            assert_eq!(scheme_problem(url, "redis", REDIS), None, "{url}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        for url in [
            "user:hunter2@localhost:6379",
            "http://user:hunter2@localhost:6379/1?password=hunter2",
            "hunter2",
            "http://hunter2",
            "user:hunt?er2@localhost:6379",
            ":hunter2",
            "hunter2://localhost:1",
            "localhost:6379/hunter2?x=y",
        ] {
            let text = problem(url);
            let is_scheme_or_path = url.starts_with("hunter2://") || url.contains("/hunter2");
            assert!(is_scheme_or_path || !text.contains("hunt"), "{url}: {text}");
        }
        assert_eq!(
            problem("u:p@localhost:1"),
            "the URL has no scheme: write redis://…@localhost:1"
        );
    }
}
