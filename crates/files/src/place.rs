//! Where whole files are put.

use std::{
    fs::{self, DirBuilder, File},
    io,
    path::Path,
};

/// Makes a directory, unless there is one; a link to one is none.
pub(crate) fn own_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(path)?;
            if found.is_dir() { Ok(()) } else { Err(io::Error::other("what should be a directory is none")) }
        }
        Err(error) => Err(error),
        Ok(()) => path.parent().map_or(Ok(()), sync),
    }
}

/// Moves a file to a name in a directory.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when something has that name, which stays as it is.
pub(crate) fn put(from: &Path, directory: &Path, name: &str) -> io::Result<()> {
    let to = directory.join(name);
    match fs::hard_link(from, &to) {
        Ok(()) => fs::remove_file(from)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // Not every file system has links.
        Err(_) => claim_and_rename(from, &to)?,
    }
    sync(directory)
}

/// Renaming replaces what is there, so the name is claimed by an empty file first, which is then replaced.
fn claim_and_rename(from: &Path, to: &Path) -> io::Result<()> {
    File::create_new(to)?;
    fs::rename(from, to).inspect_err(|_| drop(fs::remove_file(to)))
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays_with_links_and_without() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("from");
        let moved: [fn(&Path, &Path) -> io::Result<()>; 2] =
            [|from, to| put(from, to.parent().unwrap(), to.file_name().unwrap().to_str().unwrap()), claim_and_rename];
        for (name, put) in ["a", "b"].into_iter().zip(moved) {
            let to = directory.path().join(name);
            fs::write(&from, "new").unwrap();
            put(&from, &to).unwrap();
            assert!(!from.exists());
            fs::write(&from, "newer").unwrap();
            assert_eq!(put(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&to).unwrap(), b"new");
        }
        assert!(claim_and_rename(&directory.path().join("nothing"), &directory.path().join("c")).is_err());
        assert!(!directory.path().join("c").exists(), "a claimed name is given back");
    }

    #[test]
    fn a_link_is_no_directory() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/tmp", &link).unwrap();
        assert!(own_directory(&link).is_err());
        let real = directory.path().join("real");
        own_directory(&real).unwrap();
        own_directory(&real).unwrap();
    }
}
