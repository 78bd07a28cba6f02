//! Secrets: from the environment or from files, never from the command line.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::Failure;

/// An engine's secret from a file, or from this variable.
pub(crate) fn engine_secret(
    file: Option<&Path>,
    variable: &str,
) -> Result<Option<Hidden32>, Failure> {
    let (bytes, from) = match (file, env::var_os(variable)) {
        (Some(file), _) => (read(file)?, file.display().to_string()),
        (None, Some(value)) if !value.is_empty() => {
            (value.into_encoded_bytes(), format!("${variable}"))
        }
        (None, _) => return Ok(None),
    };
    let secret = decode(&bytes).ok_or_else(|| {
        Failure::usage(format!(
            "{from} is no secret: it has to be 64 hex digits, 32 bytes in base64, or 32 bytes"
        ))
    });
    secret.map(|secret| Some(Hidden32(secret)))
}

/// Where the password comes from.
#[derive(Clone, Debug)]
pub(crate) enum Password {
    /// A file, which is read again whenever a connection is opened.
    File(PathBuf),
    /// The environment.
    Value(Hidden),
}

/// A text that `Debug` does not show.
#[derive(Clone)]
pub(crate) struct Hidden(pub(crate) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden")
    }
}

impl Password {
    /// From the file that is named, or from `$IDEMPOTENT_PASSWORD`.
    pub(crate) fn find(file: Option<PathBuf>) -> Option<Self> {
        Self::find_in(file, "IDEMPOTENT_PASSWORD")
    }

    /// From the file that is named, or from this variable.
    pub(crate) fn find_in(file: Option<PathBuf>, variable: &str) -> Option<Self> {
        let value = || env::var(variable).ok().filter(|value| !value.is_empty());
        file.map(Self::File).or_else(|| value().map(|value| Self::Value(Hidden(value))))
    }

    /// The password as it is now. An error names the file.
    pub(crate) fn read(&self) -> io::Result<String> {
        match self {
            Self::File(file) => match fs::read_to_string(file) {
                Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => Err(io::Error::new(
                    error.kind(),
                    format!("{} cannot be read: {error}", file.display()),
                )),
            },
            Self::Value(Hidden(value)) => Ok(value.clone()),
        }
    }
}

/// A file, with an error that names it.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", file.display())))
}

fn decode(bytes: &[u8]) -> Option<[u8; 32]> {
    if let Ok(raw) = bytes.try_into() {
        return Some(raw);
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    if text.len() == 64 {
        return hex(text);
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// 32 bytes from 64 hex digits.
pub(crate) fn hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// A secret that `Debug` does not show.
#[derive(Clone, Copy)]
pub(crate) struct Hidden32(pub(crate) [u8; 32]);

impl std::fmt::Debug for Hidden32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden")
    }
}
