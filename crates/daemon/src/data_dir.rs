//! The directory of what a node must remember: one node at a time, nobody else.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

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
        let new = self.path.join(format!(".{name}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, self.path.join(name))?;
        File::open(&self.path)?.sync_all()
    }

    /// Reads a small file; `None` when there is none.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<String>> {
        match fs::read_to_string(self.path.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
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
    use std::os::unix::fs::PermissionsExt;

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

    #[test]
    fn small_files_are_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::hold(dir.path()).unwrap();
        assert_eq!(held.read("x.toml").unwrap(), None);
        held.write("x.toml", "a").unwrap();
        held.write("x.toml", "b").unwrap();
        assert_eq!(held.read("x.toml").unwrap().as_deref(), Some("b"));
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }
}
