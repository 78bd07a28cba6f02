//! curl, as scripts use it: requests on one connection, as long as that is open, and no `--retry`.

use std::ffi::OsString;
use std::process::Command;

use idempotent_servers::Server;
use tokio::task::JoinHandle;

/// The answer to the last request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) replayed: bool,
    pub(crate) text: String,
}

/// A command line.
pub(crate) struct Curl(Vec<OsString>);

impl Curl {
    pub(crate) fn new() -> Curl {
        Curl(vec!["--disable".into()])
    }

    /// A `GET`, for the connection.
    pub(crate) fn get(self, url: &str) -> Curl {
        self.request(url, &["--output", "/dev/null", "--next"])
    }

    /// A `POST` with header lines, with or without a body. The last request.
    pub(crate) fn post(mut self, url: &str, headers: &[String], body: Option<&str>) -> Curl {
        for header in headers {
            self.0.extend(["--header".into(), header.into()]);
        }
        match body {
            Some(body) => self.request(url, &["--include", "--data", body]),
            None => self.request(url, &["--include", "--request", "POST"]),
        }
    }

    fn request(mut self, url: &str, options: &[&str]) -> Curl {
        let all = ["--silent", "--show-error", "--noproxy", "*", "--max-time", "60", url];
        self.0.extend(all.iter().chain(options).map(OsString::from));
        self
    }

    /// Starts it. It ends without a word but the answer.
    pub(crate) fn start(self) -> JoinHandle<Answer> {
        tokio::task::spawn_blocking(|| {
            let output = Command::new(Server::Curl.find().unwrap()).args(self.0).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", output.status);
            assert!(output.status.success(), "{}", output.status);
            Answer::parse(&String::from_utf8(output.stdout).unwrap())
        })
    }
}

impl Answer {
    fn parse(output: &str) -> Answer {
        let (head, text) = output.split_once("\r\n\r\n").unwrap();
        let (status, headers) = head.split_once("\r\n").unwrap();
        Answer {
            status: status.split(' ').nth(1).unwrap().parse().unwrap(),
            replayed: headers.to_ascii_lowercase().contains("idempotency-replayed: true"),
            text: text.into(),
        }
    }
}
