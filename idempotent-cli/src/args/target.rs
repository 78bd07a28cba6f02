//! Which one record a command is about.

use clap::Args;

/// Which one record a command is about.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    /// The record: its id as the log and `show` print it (shop.charge:5c83…), the store's own key
    /// (idem:shop.charge:XIMm…), or the id's hex digits, of which eight are enough if no other record begins so, with
    /// or without the operation before them.
    #[arg(value_name = "RECORD", conflicts_with_all = ["key"])]
    pub(crate) record: Option<String>,
    /// In place of RECORD: the operation's name, with --key, and --scope if it has one.
    #[arg(long, value_name = "NAME")]
    pub(crate) operation: Option<String>,
    /// The scope. Several parts, as of a tuple, are several --scope.
    #[arg(long, value_name = "PART")]
    pub(crate) scope: Vec<String>,
    /// The key. A key string as "order:{id}" has two parts: --key order: --key 7.
    #[arg(long, value_name = "PART", requires = "operation")]
    pub(crate) key: Vec<String>,
    /// Goes on only if the record has this token, which `show` prints: for scripts that have looked before. The token
    /// tells attempts apart, not resolutions: `correct` leaves it as it is.
    #[arg(long, value_parser = token, value_name = "TOKEN")]
    pub(crate) seen: Option<String>,
}

/// A token as `show` prints it.
fn token(text: &str) -> Result<String, String> {
    let is_one = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    match is_one {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("a token is 32 hex digits, as `show` prints it".to_owned()),
    }
}
