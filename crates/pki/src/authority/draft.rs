//! How files of an authority come to be: written beside their place, synced, looked at, and only then put there. Whoever
//! reads sees the old file or the new one, and an interrupted run leaves the old one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::AuthorityError;

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// A file that is written and not in its place yet; it goes when this is dropped.
#[derive(Debug)]
pub(super) struct Draft {
    place: PathBuf,
    written: PathBuf,
    /// Locked, so that nobody takes it for what a killed run has left.
    _file: File,
}

impl Draft {
    /// For everybody to read.
    pub(super) fn public(place: &Path, content: &(impl AsRef<[u8]> + ?Sized)) -> Result<Self, AuthorityError> {
        Self::write(place, content.as_ref(), PUBLIC)
    }

    /// For its owner only.
    pub(super) fn private(place: &Path, content: &(impl AsRef<[u8]> + ?Sized)) -> Result<Self, AuthorityError> {
        Self::write(place, content.as_ref(), PRIVATE)
    }

    /// Where it can be read before it is put into its place.
    pub(super) fn written(&self) -> &Path {
        &self.written
    }

    /// Puts it into its place, over what is there.
    pub(super) fn replace(self) -> Result<(), AuthorityError> {
        let renamed = fs::rename(&self.written, &self.place).and_then(|()| sync_directory(&self.place));
        renamed.map_err(|source| self.failed(source))
    }

    /// Puts it into its place, where nothing may be: a lost key is lost for good.
    pub(super) fn create(self) -> Result<(), AuthorityError> {
        let linked = fs::hard_link(&self.written, &self.place).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Err(error),
            // A file system without hard links.
            _ if self.place.exists() => Err(io::ErrorKind::AlreadyExists.into()),
            _ => fs::rename(&self.written, &self.place),
        });
        linked.and_then(|()| sync_directory(&self.place)).map_err(|source| self.failed(source))
    }

    /// Under a name that nobody foresees, where nothing is yet: what somebody else puts into the folder is not written
    /// through.
    ///
    /// Where the place is a link, the file that it leads to is meant: what others read there is not to stay the old one.
    fn write(place: &Path, content: &[u8], mode: u32) -> Result<Self, AuthorityError> {
        let failed = |source| AuthorityError::Write { path: place.into(), source };
        let place = &if is_link(place) { fs::canonicalize(place).map_err(failed)? } else { place.to_owned() };
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        remove_left_behind(place);
        let written = place.with_file_name(format!(".{name}.{:016x}.new", rand::random::<u64>()));
        let mut file = options(mode).create_new(true).open(&written).map_err(failed)?;
        // Where a file system knows no locks, nothing that was left is removed either.
        let _ = file.try_lock();
        let outcome = file.write_all(content).and_then(|()| file.sync_all());
        let draft = Self { place: place.into(), written, _file: file };
        outcome.map(|()| draft).map_err(failed)
    }

    fn failed(&self, source: io::Error) -> AuthorityError {
        if source.kind() == io::ErrorKind::AlreadyExists {
            AuthorityError::Exists { path: self.place.clone() }
        } else {
            AuthorityError::Write { path: self.place.clone(), source }
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already where it was renamed.
        let _ = fs::remove_file(&self.written);
    }
}

/// Whether a file could be put into a place, over what is there: one that is only for itself is written beside it, or beside what a
/// link leads to, and taken away.
///
/// # Errors
/// [`AuthorityError::Write`].
pub(super) fn refuse_unwritable(place: &Path) -> Result<(), AuthorityError> {
    Draft::public(place, "").map(drop)
}

/// Whether a link lies there, wherever it leads.
pub(super) fn is_link(place: &Path) -> bool {
    fs::symlink_metadata(place).is_ok_and(|found| found.is_symlink())
}

/// Takes away what runs that were killed have left of a file: keys, too, are among it. What somebody writes now is locked.
///
/// A run that was killed after [`Draft::create`] linked the file has left a second name of it: whoever finds a file there and
/// does not write it calls this.
pub(super) fn remove_left_behind(place: &Path) {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    remove_drafts(directory_of(place), |of| of == name);
}

/// The same for every file in a folder.
pub(super) fn remove_all_left_behind(directory: &Path) {
    remove_drafts(directory, |_| true);
}

fn remove_drafts(directory: &Path, is_of_it: impl Fn(&str) -> bool) {
    let is_draft = |entry: &fs::DirEntry| {
        let found = entry.file_name();
        let of = found.to_str().and_then(drafted);
        of.is_some_and(&is_of_it) && entry.file_type().is_ok_and(|kind| kind.is_file())
    };
    for left in fs::read_dir(directory).into_iter().flatten().flatten().filter(is_draft) {
        if File::open(left.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(left.path());
        }
    }
}

/// Of which file a draft with this name is.
fn drafted(name: &str) -> Option<&str> {
    let (of, number) = name.strip_prefix('.')?.strip_suffix(".new")?.rsplit_once('.')?;
    (number.len() == 16 && number.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(of)
}

fn directory_of(place: &Path) -> &Path {
    place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A rename lasts once its directory is on the disk.
fn sync_directory(place: &Path) -> io::Result<()> {
    File::open(directory_of(place))?.sync_all()
}

/// A file to hold a lock on, for its owner only: whoever opens it could hold the lock for ever.
pub(super) fn open_lock(path: &Path) -> Result<File, AuthorityError> {
    let file = options(PRIVATE).create(true).truncate(false).open(path);
    file.map_err(|source| AuthorityError::Write { path: path.into(), source })
}

#[cfg(unix)]
fn options(mode: u32) -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.write(true).mode(mode);
    options
}

#[cfg(not(unix))]
fn options(_: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_through_what_somebody_put_there() {
        use std::os::unix::fs::{MetadataExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        symlink(&victim, directory.path().join(format!(".ca.crt.{}.new", std::process::id()))).unwrap();
        let place = directory.path().join("ca.crt");
        let (one, other) = (Draft::private(&place, "one").unwrap(), Draft::private(&place, "other").unwrap());
        assert_ne!(one.written(), other.written());
        assert_eq!(fs::metadata(one.written()).unwrap().mode() & 0o777, 0o600);
        one.create().unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
        open_lock(&directory.path().join("lock")).unwrap();
        assert_eq!(fs::metadata(directory.path().join("lock")).unwrap().mode() & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_is_replaced_and_the_link_stays() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let [target, place] = ["pki/n.crt", "conf/node.crt"].map(|name| directory.path().join(name));
        for folder in ["pki", "conf"] {
            fs::create_dir(directory.path().join(folder)).unwrap();
        }
        fs::write(&target, "old").unwrap();
        symlink("../pki/n.crt", &place).unwrap();
        Draft::public(&place, "new").unwrap().replace().unwrap();
        assert!(is_link(&place));
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert!(matches!(Draft::public(&place, "one").unwrap().create(), Err(AuthorityError::Exists { .. })));
        // It leads to a disk that is not there: nothing is written in its place.
        fs::remove_file(&target).unwrap();
        assert!(matches!(Draft::public(&place, "lost"), Err(AuthorityError::Write { .. })));
        assert!(is_link(&place) && !target.exists());
        assert_eq!((names(&directory.path().join("pki")).len(), names(&directory.path().join("conf")).len()), (0, 1));
    }

    #[test]
    fn what_a_killed_run_left_is_taken_away_and_what_another_writes_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("ca.key");
        let (left, alike) = (".ca.key.0123456789abcdef.new", ".ca.key.of mine.new");
        for name in [left, alike] {
            fs::write(directory.path().join(name), "half of it").unwrap();
        }
        let (one, other) = (Draft::private(&place, "one").unwrap(), Draft::private(&place, "other").unwrap());
        assert!(one.written().exists() && other.written().exists());
        one.create().unwrap();
        drop(other);
        let mut names = names(directory.path());
        names.sort();
        assert_eq!(names, [alike, "ca.key"]);
    }

    #[test]
    fn a_draft_that_is_given_up_leaves_what_is_there_and_nothing_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("ca.crt");
        Draft::public(&place, "old").unwrap().create().unwrap();
        drop(Draft::public(&place, "new").unwrap());
        assert_eq!(fs::read_to_string(&place).unwrap(), "old");
        assert!(matches!(Draft::private(&place, "new").unwrap().create(), Err(AuthorityError::Exists { .. })));
        assert_eq!(fs::read_to_string(&place).unwrap(), "old");
        Draft::public(&place, "new").unwrap().replace().unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "new");
        assert_eq!(names(directory.path()), ["ca.crt"]);
    }
}
