//! What is sent to a server, to which one, and whether it may be sent again.

use redis::{Cmd, Pipeline};

use super::node::Node;

/// What is sent.
#[derive(Clone, Copy)]
pub(in crate::backends::redis) enum Request<'a> {
    Command(&'a Cmd),
    /// Several commands. The answer is an array, in which the errors of single commands are values.
    Pipeline(&'a Pipeline),
}

/// The server that it is sent to.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "redis-cluster"), allow(dead_code, reason = "there is only one server"))]
pub(in crate::backends::redis) enum Destination<'a> {
    /// The primary of a key.
    Key(&'a str),
    Node(&'a Node),
}

/// Whether a command may be sent a second time if the connection is lost before its answer arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backends::redis) enum Retry {
    /// The second answer is as good as the first.
    Once,
    /// The second answer would not tell what the first command did.
    Never,
}
