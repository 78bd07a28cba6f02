//! What makes a store in a file of `SQLite` weaker.

use std::fs;
use std::path::Path;

use super::checkup::Checkup;
use super::checkup::Severity::{Error, Warning};
use crate::failure::{Exit, Failure};

/// File systems by their magic numbers.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];
const NETWORK: [u64; 4] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42];

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
        is_over_the_network(kind).then(|| "it is in a file system over the network".to_owned()),
        "SQLite's locks do not hold there, so two machines may run one call, and the file may be damaged.",
        "move the file to a disk of this machine, or use PostgreSQL",
    );
    Ok(())
}

/// Whether a file system with this magic number is on another machine: NFS, SMB, CIFS, SMB2.
fn is_over_the_network(kind: u64) -> bool {
    NETWORK.contains(&kind)
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `statfs(2)` lists them. None of them can be mounted without a server of its own.
    #[test]
    fn a_file_system_on_another_machine_is_told_by_its_magic_number() {
        for (name, magic) in
            [("nfs", 0x6969), ("smb", 0x517b), ("cifs", 0xff53_4d42), ("smb2", 0xfe53_4d42)]
        {
            assert!(is_over_the_network(magic), "{name}");
        }
        for (name, magic) in [
            ("ext4", 0xef53),
            ("xfs", 0x5846_5342),
            ("btrfs", 0x9123_683e),
            ("overlay", 0x794c_7630),
        ] {
            assert!(!is_over_the_network(magic), "{name}");
        }
    }
}
