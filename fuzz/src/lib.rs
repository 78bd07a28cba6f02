//! What must hold of bytes from outside, whatever they are: a module for each target.

pub mod body;
pub mod header;
pub mod record;
pub mod response;
