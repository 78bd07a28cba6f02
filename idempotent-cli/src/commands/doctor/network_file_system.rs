//! Whether a file is on another machine.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// By their magic numbers, as `statfs(2)` and the kernel's headers have them.
const KERNEL: [(u64, &str); 12] = [
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x00c3_6400, "ceph"),
    (0x5346_414f, "afs"),
    (0x6b41_4653, "afs"),
    (0x7375_7245, "coda"),
    (0x0102_1997, "9p"),
    (0x0bd0_0bd0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x1983_0326, "beegfs"),
];

/// All that programs serve has this one, on whichever machine the files are.
const FUSE: u64 = 0x6573_5546;

/// Programs that serve files of other machines, as the kernel names their mounts after `fuse.`.
const PROGRAMS: [&str; 14] = [
    "blobfuse2",
    "ceph",
    "ceph-fuse",
    "curlftpfs",
    "gcsfuse",
    "glusterfs",
    "goofys",
    "juicefs",
    "mfs",
    "rclone",
    "s3fs",
    "seaweedfs",
    "smbnetfs",
    "sshfs",
];

/// The file system's name, if it is one over the network. `kind` is its magic number.
pub(super) fn name(path: &Path, kind: u64) -> Option<String> {
    if kind != FUSE {
        return of_kernel(kind).map(str::to_owned);
    }
    let device = fs::metadata(path).ok()?.dev();
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    // Without this file, nobody knows which program it is.
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    of_mount(&mounts, &device).map(str::to_owned)
}

fn of_kernel(kind: u64) -> Option<&'static str> {
    KERNEL.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

/// The program that serves a device, if that serves files of other machines. A line has the device as its third field, and
/// the type behind a dash.
fn of_mount<'a>(mounts: &'a str, device: &str) -> Option<&'a str> {
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some(device))?;
    let (_, behind) = line.split_once(" - ")?;
    let program = behind.split(' ').next()?.strip_prefix("fuse.")?;
    PROGRAMS.contains(&program).then_some(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
43 27 0:39 / /mnt/shop rw,nosuid,nodev,relatime shared:7 - fuse.sshfs shop:/data rw,user_id=0,group_id=0
44 27 0:40 / /mnt/merged rw,relatime - fuse.mergerfs a:b rw,user_id=0,group_id=0
";

    #[test]
    fn a_file_system_on_another_machine_is_told_by_its_magic_number() {
        for (name, magic) in
            [("nfs", 0x6969), ("cifs", 0xff53_4d42), ("smb2", 0xfe53_4d42), ("ceph", 0x00c3_6400)]
        {
            assert_eq!(of_kernel(magic), Some(name));
        }
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x794c_7630] {
            assert_eq!(of_kernel(local), None, "ext4, xfs, btrfs and overlay are local");
        }
    }

    #[test]
    fn a_program_that_serves_files_of_another_machine_is_told_by_its_mount() {
        assert_eq!(of_mount(MOUNTS, "0:39"), Some("sshfs"));
        assert_eq!(of_mount(MOUNTS, "0:40"), None, "it joins local folders");
        assert_eq!(of_mount(MOUNTS, "254:0"), None);
        assert_eq!(of_mount(MOUNTS, "0:41"), None);
    }
}
