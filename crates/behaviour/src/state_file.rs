//! Small files of a data directory: after a crash there is the old one or the new one, whole and on disk.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use nuncio_pki::read_file;

/// Reads a file; `None` when there is none.
///
/// # Errors
/// When it cannot be read, is no file, or is longer than `limit` bytes; see [`read_file`].
pub fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    match read_file(path, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces a file as a whole, readable for its owner only. When this returns, it is on disk, and so is its name.
///
/// # Errors
/// When it cannot be written; the old one stays.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, bytes, 0o600, |_| Ok(()))
}

/// [`replace`] of what must not be in its place before something was done to it, such as to give it to its owner.
///
/// # Errors
/// When it cannot be written, or that fails; the old one stays.
pub fn replace_prepared(path: &Path, bytes: &[u8], prepare: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    replace_with(path, bytes, 0o600, prepare)
}

/// [`replace`] of what is no secret: readable for everybody, as far as the process' mask lets it be.
///
/// # Errors
/// When it cannot be written; the old one stays.
pub fn replace_readable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, bytes, 0o644, |_| Ok(()))
}

fn replace_with(path: &Path, bytes: &[u8], mode: u32, prepare: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let new = new_path(path)?;
    // One that a crash left behind, whoever may write it.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    let whole = file.write_all(bytes).and_then(|()| prepare(&file)).and_then(|()| file.sync_all());
    let replaced = whole.and_then(|()| fs::rename(&new, path));
    if replaced.is_err() {
        // On a full disk it would be in the way of the next one. If it stays all the same, the next call takes it away.
        let _ = fs::remove_file(&new);
    }
    replaced?;
    sync_directory(path)
}

/// Keeps a copy of a file that holds nonsense, as `NAME.broken`, in the place of an earlier one, and returns its path.
///
/// # Errors
/// When it cannot be read or written.
pub fn copy_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = aside(path)?;
    fs::copy(path, &aside)?;
    File::open(&aside)?.sync_all()?;
    sync_directory(path)?;
    Ok(aside)
}

/// Where [`copy_aside`] keeps it.
///
/// # Errors
/// When the path ends in no name.
pub fn aside(path: &Path) -> io::Result<PathBuf> {
    let mut name = file_name(path)?;
    name.push(".broken");
    Ok(path.with_file_name(name))
}

fn new_path(path: &Path) -> io::Result<PathBuf> {
    let mut name = OsString::from(".");
    name.push(file_name(path)?);
    name.push(".new");
    Ok(path.with_file_name(name))
}

fn file_name(path: &Path) -> io::Result<OsString> {
    path.file_name().map(Into::into).ok_or_else(|| io::ErrorKind::InvalidFilename.into())
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn what_could_not_be_put_into_its_place_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epoch");
        fs::create_dir_all(path.join("in the way")).unwrap();
        replace(&path, b"1\n").unwrap_err();
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["epoch"]);
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_also_when_a_crash_left_the_new_one_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert_eq!(read(&path, 9).unwrap(), None);
        replace(&path, b"a").unwrap();
        fs::write(dir.path().join(".x.new"), "half of wh").unwrap();
        fs::set_permissions(dir.path().join(".x.new"), fs::Permissions::from_mode(0o000)).unwrap();
        replace(&path, b"b").unwrap();
        assert_eq!(read(&path, 9).unwrap().as_deref(), Some(&b"b"[..]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        replace_readable(&path, b"c").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o444, 0o444);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else stays");
    }

    #[test]
    fn a_file_is_made_ready_before_it_is_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        replace(&path, b"old").unwrap();
        let inode = |file: &fs::Metadata| file.ino();
        replace_prepared(&path, b"new", |file| {
            assert_eq!(read(&path, 9)?.as_deref(), Some(&b"old"[..]));
            assert_ne!(inode(&file.metadata()?), inode(&fs::metadata(&path)?));
            assert_eq!(file.metadata()?.len(), 3, "it is whole");
            file.set_permissions(fs::Permissions::from_mode(0o400))
        })
        .unwrap();
        assert_eq!(read(&path, 9).unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
        replace_prepared(&path, b"newer", |_| Err(io::ErrorKind::Other.into())).unwrap_err();
        assert_eq!(read(&path, 9).unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else stays");
    }

    #[test]
    fn no_more_is_read_than_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "1234").unwrap();
        assert_eq!(read(&path, 4).unwrap().as_deref(), Some(&b"1234"[..]));
        assert_eq!(read(&path, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let (sender, outcome) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(read(&path, 9).map_err(|error| error.kind())));
        let outcome = outcome.recv_timeout(std::time::Duration::from_secs(10)).expect("nobody is waited for");
        assert_eq!(outcome, Err(io::ErrorKind::InvalidInput));
    }

    #[test]
    fn of_nonsense_the_last_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for text in ["first, longer", "second"] {
            fs::write(&path, text).unwrap();
            assert_eq!(copy_aside(&path).unwrap(), dir.path().join("x.broken"));
        }
        assert_eq!(fs::read(dir.path().join("x.broken")).unwrap(), b"second");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
