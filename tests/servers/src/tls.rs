//! Certificates for a server and for its clients, from an authority made for the occasion.

use std::ffi::OsString;
use std::path::Path;

use crate::process::run;
use crate::server::Server;

/// What is wrong with the certificate that a server shows, if anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Certificate {
    /// It is for `127.0.0.1` and `localhost`, from the authority beside it.
    #[default]
    Valid,
    /// It is for `elsewhere.example`.
    AnotherName,
    /// It ended yesterday.
    Expired,
}

/// Fills `folder` with `ca`, `server` and `client`, each a `.crt` and a `.key`, and gives it back.
pub(crate) fn create(folder: &Path, certificate: Certificate) -> Result<&Path, String> {
    let authority = "-x509 -subj /CN=authority -addext basicConstraints=critical,CA:TRUE";
    request(folder, "ca", authority)?;
    let signed = "-x509 -addext basicConstraints=critical,CA:FALSE";
    let names = match certificate {
        Certificate::Valid | Certificate::Expired => "IP:127.0.0.1,DNS:localhost",
        Certificate::AnotherName => "DNS:elsewhere.example",
    };
    let names = format!("-addext subjectAltName={names}");
    let by = format!("-CA {0}/ca.crt -CAkey {0}/ca.key", folder.display());
    request(folder, "server", &format!("{signed} {names} -subj /CN=server {by}"))?;
    if certificate == Certificate::Expired {
        expire(folder, &names)?;
    }
    request(folder, "client", &format!("{signed} -subj /CN=client {by}"))?;
    Ok(folder)
}

/// Signs the server's certificate again, as one that ended yesterday.
fn expire(folder: &Path, names: &str) -> Result<(), String> {
    let asked = format!(
        "req -batch -new -subj /CN=server -key {{}}/server.key {names} -out {{}}/server.csr"
    );
    let signed = "x509 -req -days -1 -copy_extensions copyall -in {}/server.csr -CA {}/ca.crt \
                  -CAkey {}/ca.key -CAcreateserial -out {}/server.crt";
    for words in [&asked, signed] {
        let words = words.replace("{}", &folder.display().to_string());
        let arguments: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
        run(Server::OpenSsl.path()?, &arguments)?;
    }
    Ok(())
}

fn request(folder: &Path, name: &str, what: &str) -> Result<(), String> {
    let key = folder.join(format!("{name}.key"));
    let certificate = folder.join(format!("{name}.crt"));
    let common = "req -batch -noenc -days 3650 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1";
    let mut arguments: Vec<OsString> = common.split(' ').map(OsString::from).collect();
    arguments.extend(what.split(' ').map(OsString::from));
    arguments.extend(["-keyout".into(), key.into(), "-out".into(), certificate.into()]);
    run(Server::OpenSsl.path()?, &arguments)
}

/// The settings of a Redis server that speaks TLS on `port`, and plain text on its other port.
pub(crate) fn arguments(folder: &Path, port: u16, auth_clients: &str) -> Vec<OsString> {
    let settings = [
        ("--tls-port", port.to_string().into()),
        ("--tls-cert-file", folder.join("server.crt").into()),
        ("--tls-key-file", folder.join("server.key").into()),
        ("--tls-ca-cert-file", folder.join("ca.crt").into()),
        ("--tls-auth-clients", auth_clients.into()),
    ];
    settings.into_iter().flat_map(|(name, value)| [OsString::from(name), value]).collect()
}
