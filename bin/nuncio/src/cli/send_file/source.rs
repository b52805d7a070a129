//! The file that is sent.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::{failure::Failure, output::Output};

/// An open file, and how it was when it was opened.
pub(super) struct Source {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
    modified: Option<SystemTime>,
}

/// What a file is called at the node.
pub(super) fn name(given: Option<String>, path: &Path) -> Result<String, Failure> {
    let said = given.clone().unwrap_or_else(|| path.display().to_string());
    let name = given.or_else(|| Some(path.file_name()?.to_str()?.to_owned()));
    name.filter(|name| nuncio_plain::is_file_name(name)).ok_or_else(|| {
        Failure::usage(format_args!("{said:?} is no name that a file may have at another node"))
            .hint("name it with --name: at most 255 bytes, no control characters, no slash, no dot or dash first")
    })
}

impl Source {
    pub(super) fn open(path: PathBuf) -> Result<Self, Failure> {
        let failed = |error: &io::Error| Failure::file("cannot read", &path, error);
        let file = File::open(&path).map_err(|error| failed(&error))?;
        let found = file.metadata().map_err(|error| failed(&error))?;
        if !found.is_file() {
            let message = format_args!("{} is no file: its length and SHA-256 are told before", path.display());
            return Err(Failure::operation("file", message));
        }
        Ok(Self { file: Arc::new(file), length: found.len(), modified: found.modified().ok(), path })
    }

    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// The SHA-256 of all of it.
    pub(super) async fn digest(&self, output: Output) -> Result<[u8; 32], Failure> {
        let (file, length) = (Arc::clone(&self.file), self.length);
        let work = move || {
            let reading = output.transfer(length);
            reading.say("reading");
            nuncio_files::sha256_of(&mut file.try_clone()?, |read| {
                reading.at(read);
                true
            })
        };
        let (digest, read) = self.read(work).await?;
        if read == self.length { Ok(digest) } else { Err(self.changed()) }
    }

    /// Some bytes from there on, fewer at the end.
    pub(super) async fn part(&self, offset: u64, bytes: usize) -> Result<Bytes, Failure> {
        let file = Arc::clone(&self.file);
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let work = move || {
            let mut part = vec![0; bytes.min(left)];
            file.read_exact_at(&mut part, offset).map(|()| part.into())
        };
        self.read(work).await
    }

    /// The file is no more what was offered.
    pub(super) fn changed(&self) -> Failure {
        Failure::operation("file", format_args!("{} changed while it was sent", self.path.display()))
            .hint("send it again when nobody writes to it")
    }

    pub(super) fn require_unchanged(&self) -> Result<(), Failure> {
        let is_same = |now: &std::fs::Metadata| now.len() == self.length && now.modified().ok() == self.modified;
        if self.file.metadata().is_ok_and(|now| is_same(&now)) { Ok(()) } else { Err(self.changed()) }
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        match spawn_blocking(work).await.map_err(io::Error::other) {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.changed()),
            Ok(Err(error)) | Err(error) => Err(Failure::file("cannot read", &self.path, &error)),
        }
    }
}
