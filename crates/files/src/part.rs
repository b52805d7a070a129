//! What has come of a file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use rustix::fs::OFlags;

use crate::{
    digest::{finish, sha256_of},
    place,
};

/// A part, open and locked.
#[derive(Debug)]
pub(crate) struct Part {
    path: PathBuf,
    file: File,
    length: u64,
    /// Of all of it; `None` when some came before this run.
    hash: Option<Hash>,
}

struct Hash(Context);

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash")
    }
}

impl Part {
    /// Opens what is there of a file of `whole` bytes, or begins it. No link is followed.
    pub(crate) fn open(path: PathBuf, whole: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // Nor does a pipe in its place make anybody wait.
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        let mut file = options.open(&path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "what is in its place is no file"));
        }
        file.try_lock()?;
        let length = if found.len() > whole { 0 } else { found.len() };
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        let hash = (length == 0).then(|| Hash(Context::new(&SHA256)));
        Ok(Self { path, file, length, hash })
    }

    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// Appends. What cannot be written whole is not there at all.
    pub(crate) fn append(&mut self, data: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(data) {
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            return Err(error);
        }
        if let Some(Hash(hash)) = &mut self.hash {
            hash.update(data);
        }
        self.length += data.len() as u64;
        Ok(())
    }

    /// The same, once more.
    pub(crate) fn again(&self) -> io::Result<Self> {
        let hash = self.hash.as_ref().map(|Hash(hash)| Hash(hash.clone()));
        Ok(Self { path: self.path.clone(), file: self.file.try_clone()?, length: self.length, hash })
    }

    /// The SHA-256 of all; takes as long as reading it if some came before this run.
    pub(crate) fn digest(&mut self) -> io::Result<[u8; 32]> {
        match &self.hash {
            Some(Hash(hash)) => Ok(finish(hash.clone())),
            None => sha256_of(&mut self.file, |_| true).map(|(digest, _)| digest),
        }
    }

    /// Puts the whole file where it belongs, which survives a power failure from then on.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when something is there, which stays as it is.
    pub(crate) fn place(&self, directory: &Path, name: &str) -> io::Result<()> {
        self.file.sync_all()?;
        place::own_directory(directory)?;
        place::put(&self.path, directory, name)
    }

    pub(crate) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, part = %self.path.display(), "a part of a file cannot be removed");
        }
    }
}
