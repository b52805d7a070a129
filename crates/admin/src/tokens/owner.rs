use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};

use rustix::fs::OFlags;

/// What root makes in a directory of somebody else becomes that one's, as if he had made it: else his node could not use it.
pub(super) fn follow(path: &Path) -> io::Result<()> {
    let Some(owner) = other_owner(path)? else { return Ok(()) };
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    give(&OpenOptions::new().read(true).custom_flags(flags).open(path)?, owner)
}

/// The same of an open file that is to come to this path: his node must not find it there before it is his.
pub(super) fn follow_to(path: &Path, made: &File) -> io::Result<()> {
    other_owner(path)?.map_or(Ok(()), |owner| give(made, owner))
}

/// Whose directory it is, when root acts in somebody else's.
fn other_owner(path: &Path) -> io::Result<Option<(u32, u32)>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let owner = fs::metadata(folder)?;
    let is_other = owner.uid() != 0 && rustix::process::geteuid().is_root();
    Ok(is_other.then(|| (owner.uid(), owner.gid())))
}

fn give(made: &File, (user, group): (u32, u32)) -> io::Result<()> {
    let found = made.metadata()?;
    // The folder's owner can put another name of somebody else's file there.
    if !found.is_dir() && found.nlink() != 1 {
        return Err(io::Error::other("it has several names, so its owner stays"));
    }
    fchown(made, Some(user), Some(group))
}
