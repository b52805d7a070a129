use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};

use rustix::fs::OFlags;

/// What root makes in a directory of somebody else becomes that one's, as if he had made it: else his node could not use it.
pub(super) fn follow(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let owner = fs::metadata(folder)?;
    if owner.uid() == 0 || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let made = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = made.metadata()?;
    // The folder's owner can put another name of somebody else's file there.
    if !found.is_dir() && found.nlink() != 1 {
        return Err(io::Error::other("it has several names, so its owner stays"));
    }
    fchown(&made, Some(owner.uid()), Some(owner.gid()))
}
