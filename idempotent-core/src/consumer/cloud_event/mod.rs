//! [`CloudEvent`]: messages that are events by the `CloudEvents` specification, version 1.0.
//!
//! [`headers`] reads the binary content mode and [`structured`] the JSON format, both into [`attributes`], which are
//! validated there; [`text`] and [`time`] are the syntax of values, and [`event`] is what a handler gets.

mod attributes;
mod error;
mod event;
mod headers;
mod structured;
mod text;
mod time;

pub use self::error::InvalidCloudEvent;
pub use self::event::{CloudEvent, cloud_event_key};
