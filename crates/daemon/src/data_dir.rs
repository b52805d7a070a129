//! The directory of what a node must remember: one node at a time, nobody else.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nuncio_node::state_file;
use rustix::fs::{FlockOperation, flock};

/// A data directory that this process holds until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory with mode 0700 if need be, and takes it.
    ///
    /// # Errors
    /// When it cannot be made or written, or another process holds it.
    pub fn hold(path: &Path) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::Unusable { path: path.to_owned(), source };
        DirBuilder::new().mode(0o700).recursive(true).create(path).map_err(failed)?;
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).clone();
        let mut lock = options.open(path.join("lock")).map_err(failed)?;
        if let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(failed(error.into()));
            }
            let mut holder = String::new();
            // A holder that has not written its number yet is a holder all the same.
            let _ = (&mut lock).take(16).read_to_string(&mut holder);
            return Err(DataDirError::Held { path: path.to_owned(), pid: holder.trim().parse().ok() });
        }
        let written = lock
            .set_len(0)
            .and_then(|()| lock.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(lock, "{}", std::process::id()));
        if let Err(source) = written {
            return Err(failed(source));
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces a small file as a whole: after a crash there is the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written; the old one stays.
    pub(crate) fn write(&self, name: &str, text: &str) -> io::Result<()> {
        state_file::replace(&self.path.join(name), text.as_bytes())
    }

    /// Reads a small file, the default when there is none. One that is empty, torn or nonsense stops no start: it is
    /// told, kept as `NAME.broken`, and made anew of what can still be read in it.
    ///
    /// # Errors
    /// When it cannot be read, or not be made anew; or it is longer than this node writes any, which is left as it is.
    pub(crate) fn load<T: StateFile>(&self) -> io::Result<T> {
        let path = self.path.join(T::NAME);
        let Some(bytes) = state_file::read(&path, T::MAX_LENGTH)? else { return Ok(T::default()) };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let parsed = if text.trim().is_empty() { Err("it is empty".to_owned()) } else { T::parse(&text) };
        parsed.or_else(|reason| self.mend(&path, &reason, &text))
    }

    /// The copy of a broken file, as long as nobody has taken it away.
    pub(crate) fn broken_copy<T: StateFile>(&self) -> Option<PathBuf> {
        let copy = state_file::aside(&self.path.join(T::NAME)).ok()?;
        copy.exists().then_some(copy)
    }

    fn mend<T: StateFile>(&self, path: &Path, reason: &str, text: &str) -> io::Result<T> {
        let aside = state_file::copy_aside(path)?;
        let (mended, left) = T::salvage(text);
        self.write(T::NAME, &mended.to_text())?;
        tracing::warn!(path = %path.display(), kept_as = %aside.display(), %reason, "a broken file was made anew with {left}: {}", T::LOST);
        Ok(mended)
    }
}

/// What a node remembers in one small file of its data directory.
pub(crate) trait StateFile: Default {
    /// The file's name.
    const NAME: &'static str;

    /// What to do about what could not be read.
    const LOST: &'static str;

    /// The longest that this node writes, in bytes.
    const MAX_LENGTH: u64 = 16 << 20;

    /// Reads a whole file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn parse(text: &str) -> Result<Self, String>;

    /// What can still be read in a broken file, and how much that is, in words.
    fn salvage(text: &str) -> (Self, String);

    /// What [`StateFile::parse`] reads; never empty.
    fn to_text(&self) -> String;
}

/// Why a data directory cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// Another process runs a node from it.
    #[error("data directory {} is in use by {}", path.display(), pid.map_or("another process".into(), |pid| format!("process {pid}")))]
    Held {
        /// The directory.
        path: PathBuf,
        /// The process, when it has said so.
        pid: Option<u32>,
    },
    /// It cannot be made or written.
    #[error("data directory {} cannot be used: {source}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl DataDirError {
    /// What the operator can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Held { pid: Some(pid), .. } => {
                format!("stop it with `kill {pid}`, or give this node its own data_dir")
            }
            Self::Held { .. } => "stop it, or give this node its own data_dir".to_owned(),
            Self::Unusable { path, source } if source.kind() == io::ErrorKind::StorageFull => {
                format!("free space on the disk of {}", path.display())
            }
            Self::Unusable { path, .. } => {
                format!("make {} writable for the user that runs the node, or set data_dir", path.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn one_node_per_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/data");
        let held = DataDir::hold(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let Err(DataDirError::Held { pid, .. }) = DataDir::hold(&path) else { panic!("held twice") };
        assert_eq!(pid, Some(std::process::id()));
        drop(held);
        DataDir::hold(&path).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("data"), "").unwrap();
        let error = DataDir::hold(&dir.path().join("data")).unwrap_err();
        assert!(error.to_string().contains("cannot be used"), "{error}");
        assert!(error.hint().contains("set data_dir"));
    }

    #[derive(Debug, Default, PartialEq)]
    struct Words(Vec<String>);

    impl StateFile for Words {
        const NAME: &'static str = "words";
        const LOST: &'static str = "say the others again";
        const MAX_LENGTH: u64 = 100;

        fn parse(text: &str) -> Result<Self, String> {
            let words = text.strip_suffix(" end").ok_or("it has no end")?;
            Ok(Self(words.split(' ').map(Into::into).collect()))
        }

        fn salvage(text: &str) -> (Self, String) {
            let words: Vec<_> = text.split(' ').filter(|word| word.is_ascii() && !word.is_empty()).collect();
            (Self(words.iter().map(ToString::to_string).collect()), format!("{} words", words.len()))
        }

        fn to_text(&self) -> String {
            format!("{} end", self.0.join(" "))
        }
    }

    #[test]
    fn a_broken_file_is_kept_aside_and_made_anew_of_what_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::hold(dir.path()).unwrap();
        assert_eq!(held.load::<Words>().unwrap(), Words::default());
        fs::write(dir.path().join("words"), b"a b \xff\xfe").unwrap();
        for _ in 0..2 {
            let words = held.load::<Words>().unwrap();
            assert_eq!(words.0, ["a", "b"], "also at the next start");
        }
        assert_eq!(fs::read(dir.path().join("words.broken")).unwrap(), b"a b \xff\xfe");
        fs::write(dir.path().join("words"), "").unwrap();
        held.load::<Words>().unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("words")).unwrap(), " end");
    }

    #[test]
    fn a_file_that_is_too_long_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::hold(dir.path()).unwrap();
        let long = "word ".repeat(20) + "end";
        fs::write(dir.path().join("words"), &long).unwrap();
        assert_eq!(held.load::<Words>().unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(fs::read_to_string(dir.path().join("words")).unwrap(), long);
    }

    #[test]
    fn what_is_no_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::hold(dir.path()).unwrap();
        fs::create_dir(dir.path().join("words")).unwrap();
        assert_eq!(held.load::<Words>().unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
