//! Responses: taking in a handler's response, storing it, and the body that clients get.

mod body;
mod capture;
mod header_pattern;
mod stored_response;
mod stripped_headers;

pub use self::body::ResponseBody;
pub(super) use self::body::whole_frame;
pub(super) use self::capture::{
    CaptureLimits, Captured, CollectedBody, WhyNotKept, capture, collect,
};
pub(crate) use self::header_pattern::HeaderPattern;
pub(super) use self::stored_response::REPLAYED;
pub use self::stored_response::StoredResponse;
pub(crate) use self::stripped_headers::StrippedHeaders;
#[cfg(feature = "tonic")]
pub(crate) use self::stripped_headers::is_of_connection;
