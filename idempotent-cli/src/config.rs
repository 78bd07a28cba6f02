//! The configuration file: what would otherwise be repeated on every command line.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde::Deserialize;

use crate::failure::Failure;

/// The file's settings. A command line and the environment win over it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    pub(crate) store: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) authentication_secret_file: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) prefix: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) table: Option<String>,
    pub(crate) audit_log: Option<PathBuf>,
    #[serde(default)]
    pub(crate) audit_results: bool,
    pub(crate) operator: Option<String>,
}

impl Config {
    /// Reads the file that is named, or the one in its usual place if that is there.
    pub(crate) fn read(named: Option<&Path>) -> Result<Self, Failure> {
        let usual = usual_place();
        let Some(path) = named.map(Path::to_path_buf).or(usual) else { return Ok(Self::default()) };
        let text = match fs::read_to_string(&path) {
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => {
                return Err(Failure::usage(format!("{} cannot be read: {error}", path.display())));
            }
            Ok(text) => text,
        };
        // Not the error's own text: it quotes the line, which may have a password.
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |at| 1 + text[..at.start].matches('\n').count());
            let message = error.message();
            Failure::usage(format!("{}, line {line}: {message}", path.display()))
        })
    }
}

fn usual_place() -> Option<PathBuf> {
    let folder = match env::var_os("XDG_CONFIG_HOME") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => PathBuf::from(env::var_os("HOME")?).join(".config"),
    };
    Some(folder.join("idempotent/config.toml"))
}
