//! What must hold of bytes from outside, whatever they are: a module for each target.

pub mod body;
pub mod frames;
pub mod header;
pub mod query;
pub mod record;
pub mod response;
