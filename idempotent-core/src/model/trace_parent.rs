//! [`TraceParent`]: which span of a distributed trace a call ran in.

use std::fmt;
use std::str::FromStr;

/// A span of a distributed trace, as W3C's `traceparent` header names it: what a record keeps of the span that ran
/// its call, if the engine has a [`TraceContext`](crate::engine::TraceContext).
///
/// ```
/// use idempotent_core::model::TraceParent;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let parent: TraceParent = text.parse()?;
/// assert_eq!(parent.to_string(), text);
/// assert_eq!(parent, TraceParent::new(*parent.trace_id(), *parent.span_id(), 1)?);
/// # Ok::<(), idempotent_core::model::InvalidTraceParent>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
}

/// Why something is not a [`TraceParent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTraceParent;

/// The length of its text.
const TEXT: usize = 55;

impl TraceParent {
    /// Makes one of its parts. Bit 0 of the flags says that the trace is sampled.
    ///
    /// # Errors
    ///
    /// [`InvalidTraceParent`] if either id is all zeros.
    pub fn new(
        trace_id: [u8; 16],
        span_id: [u8; 8],
        flags: u8,
    ) -> Result<Self, InvalidTraceParent> {
        if trace_id == [0; 16] || span_id == [0; 8] {
            return Err(InvalidTraceParent);
        }
        Ok(Self { trace_id, span_id, flags })
    }

    /// The id of the trace.
    #[must_use]
    pub const fn trace_id(&self) -> &[u8; 16] {
        &self.trace_id
    }

    /// The id of the span.
    #[must_use]
    pub const fn span_id(&self) -> &[u8; 8] {
        &self.span_id
    }

    /// The trace's flags. Bit 0 says that it is sampled.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.flags
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    /// Reads the text of version 00, and the beginning of later ones, as W3C asks.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let dashes = [2, 35, 52].iter().all(|at| bytes.get(*at) == Some(&b'-'));
        let version: [u8; 1] = hex(bytes, 0)?;
        let ends = match version {
            [0] => bytes.len() == TEXT,
            [255] => false,
            _ => bytes.len() == TEXT || bytes.get(TEXT) == Some(&b'-'),
        };
        if !dashes || !ends {
            return Err(InvalidTraceParent);
        }
        let [flags] = hex(bytes, 53)?;
        Self::new(hex(bytes, 3)?, hex(bytes, 36)?, flags)
    }
}

/// So many bytes in lower-case hexadecimal digits.
fn hex<const N: usize>(text: &[u8], at: usize) -> Result<[u8; N], InvalidTraceParent> {
    let digits = text.get(at..at + 2 * N).ok_or(InvalidTraceParent)?;
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(InvalidTraceParent),
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (u128::from_be_bytes(self.trace_id), u64::from_be_bytes(self.span_id));
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", self.flags)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceParent({self})")
    }
}

impl fmt::Display for InvalidTraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a `traceparent`: `00-{trace id}-{span id}-{flags}`, in lower-case hexadecimal digits")
    }
}

impl std::error::Error for InvalidTraceParent {}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_a_traceparent_is_one() {
        let later = TEXT.replacen("00", "cc", 1);
        for text in [TEXT, &later, &format!("{later}-more")] {
            assert_eq!(text.parse::<TraceParent>().unwrap().to_string(), TEXT, "{text}");
        }
        let wrong = [
            "".to_owned(),
            TEXT[1..].to_owned(),
            format!("{TEXT}-more"),
            format!("{later}more"),
            TEXT.replacen("00", "ff", 1),
            TEXT.to_uppercase(),
            TEXT.replace("00f067aa0ba902b7", "0000000000000000"),
            TEXT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            TEXT.replace('-', "_"),
            TEXT.replace("4b", "ä"),
        ];
        for text in wrong {
            assert_eq!(text.parse::<TraceParent>(), Err(InvalidTraceParent), "{text}");
        }
    }
}
