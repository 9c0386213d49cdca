//! Detects directories on network mounts, whose events and clocks are not those of this machine.

use std::path::Path;

/// Whether a directory is on a network mount or in a file system of another program.
#[cfg(target_os = "linux")]
pub(super) fn is_network(directory: &Path) -> bool {
    use nix::sys::statfs::statfs;
    // NFS, SMB, CIFS, SMB2, FUSE, 9P, AFS, Coda, Ceph, Lustre, GFS2, OCFS2.
    const MAGIC: [u64; 12] = [
        0x6969,
        0x517B,
        0xFF53_4D42,
        0xFE53_4D42,
        0x6573_5546,
        0x0102_1997,
        0x5346_414F,
        0x7375_7245,
        0x00C3_6400,
        0x0BD0_0BD0,
        0x0116_1970,
        0x7461_636F,
    ];
    #[expect(clippy::cast_sign_loss, reason = "a bit pattern of 32 bits")]
    statfs(directory).is_ok_and(|system| MAGIC.contains(&(system.filesystem_type().0 as u64 & 0xFFFF_FFFF)))
}

/// Whether a directory is on a network mount. Not known on this system.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_network(_: &Path) -> bool {
    false
}
