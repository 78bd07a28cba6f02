//! What makes a store in a file of `SQLite` weaker.

use std::fs;
use std::path::Path;

use super::checkup::Checkup;
use super::checkup::Severity::{Error, Warning};
use super::network_file_system;
use crate::failure::{Exit, Failure};

/// `tmpfs` and `ramfs`, by their magic numbers.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

pub(super) fn check(checkup: &mut Checkup, path: &Path, server: &str) -> Result<(), Failure> {
    checkup.servers.push(server.to_owned());
    let unreadable = |error: std::io::Error| {
        Failure::new(Exit::Unavailable, format!("{} cannot be looked at: {error}", path.display()))
    };
    let mode = mode(&fs::metadata(path).map_err(unreadable)?);
    let file = path.display();
    checkup.check(
        server,
        ("writable-by-others", Error),
        (mode & 0o022 != 0).then(|| format!("its mode is {:o}", mode & 0o777)),
        "Whoever may write it can make a call replay what they want, or run again.",
        format!("chmod 600 {file}*"),
    );
    checkup.check(
        server,
        ("readable-by-others", Warning),
        (mode & 0o044 != 0).then(|| format!("its mode is {:o}", mode & 0o777)),
        "Whoever may read it sees keys and results.",
        format!("chmod 600 {file}*"),
    );
    let kind = rustix::fs::statfs(path).map_err(|error| unreadable(error.into()))?.f_type as u64;
    let kind = kind & 0xffff_ffff;
    let over_network = network_file_system::name(path, kind);
    checkup.check(
        server,
        ("in-memory", Error),
        IN_MEMORY.contains(&kind).then(|| "it is in a file system that is kept in memory".to_owned()),
        "A restart of the machine forgets every record: retries of calls that have finished run again.",
        "move the file to a disk while no process has it open",
    );
    checkup.check(
        server,
        ("network-file-system", Error),
        over_network.map(|name| format!("it is in a file system over the network, {name}")),
        "SQLite's locks do not hold there, so two machines may run one call, and the file may be damaged.",
        "move the file to a disk of this machine, or use PostgreSQL",
    );
    Ok(())
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions())
}
