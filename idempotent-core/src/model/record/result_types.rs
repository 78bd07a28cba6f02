//! [`ResultTypes`]: the types of a call's result, for those who resolve it.

use crate::model::key::clip;

/// So many bytes of each name are kept.
const NAME_BYTES: usize = 200;

/// Ends the first name. No name of a type has it.
const SEPARATOR: char = '\n';

/// The names of the types that a call's result may have, as [`std::any::type_name`] says them.
///
/// A record keeps them for those who [resolve](crate::Idempotency::resolve) it. They are advisory: the name of a type
/// depends on the compiler and on the module it is in, so a replay never looks at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResultTypes<'a> {
    /// The type of an `Ok`.
    pub ok: &'a str,
    /// The type of an `Err`, if the operation memoizes errors.
    pub err: Option<&'a str>,
}

impl<'a> ResultTypes<'a> {
    /// The names of these types.
    #[must_use]
    pub const fn new(ok: &'a str, err: Option<&'a str>) -> Self {
        Self { ok, err }
    }

    pub(in crate::model) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(shortened(self.ok).as_bytes());
        if let Some(err) = self.err {
            out.push(SEPARATOR as u8);
            out.extend_from_slice(shortened(err).as_bytes());
        }
    }

    pub(in crate::model) fn read(text: &'a str) -> Self {
        match text.split_once(SEPARATOR) {
            Some((ok, err)) => Self { ok, err: Some(err) },
            None => Self { ok: text, err: None },
        }
    }

    /// Whether `kept`, a name that a record keeps, is that of the type with this name.
    pub(crate) fn is_name(kept: &str, name: &str) -> bool {
        kept == shortened(name)
    }
}

fn shortened(name: &str) -> &str {
    clip(name, NAME_BYTES)
}
