//! What has come of a file, under a hidden name beside its place.

use std::{
    fs::{self as blocking, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use tokio::{
    fs::{self, File},
    io::{AsyncSeekExt, AsyncWriteExt},
    task::spawn_blocking,
};

use super::message::{Hex32, Offer};

/// Removed when it is dropped, unless it was [kept](Self::keep) or [placed](Self::place). A process that dies leaves it.
pub(super) struct Part {
    path: PathBuf,
    /// Locked, so that no other receiver writes there.
    file: File,
    length: u64,
    /// Of the first `length` bytes; `None` when some came before this run, and all have to be read again.
    hash: Option<Context>,
    remove: bool,
}

/// The name of a part: that of no file which can be offered, and the same for the same offer.
pub(super) fn name(offer: &Offer) -> String {
    let mut hash = Context::new(&SHA256);
    for piece in [&offer.size.to_be_bytes()[..], &offer.sha256.0, offer.name.as_bytes()] {
        hash.update(piece);
    }
    format!(".nuncio-{}.part", hex::encode(&hash.finish().as_ref()[..16]))
}

impl Part {
    /// Opens what is there of an offered file, or begins it.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another receiver has it open.
    pub(super) async fn open(directory: &Path, offer: &Offer) -> io::Result<Self> {
        let path = directory.join(name(offer));
        let (opened, size) = (path.clone(), offer.size);
        let opening = move || {
            let is_part = blocking::symlink_metadata(&opened).map(|found| found.is_file());
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).create_new(!is_part.unwrap_or(false));
            let file = options.open(&opened)?;
            file.try_lock()?;
            let length = file.metadata()?.len();
            if length > size {
                file.set_len(0)?;
            }
            Ok::<_, io::Error>((file, if length > size { 0 } else { length }))
        };
        let (file, length) = spawn_blocking(opening).await.map_err(io::Error::other)??;
        let mut file = File::from_std(file);
        file.seek(io::SeekFrom::Start(length)).await?;
        let hash = (length == 0).then(|| Context::new(&SHA256));
        Ok(Self { path, file, length, hash, remove: true })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether some of it came in an earlier run.
    pub(super) fn is_resumed(&self) -> bool {
        self.hash.is_none()
    }

    pub(super) async fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.write_all(data).await?;
        self.file.flush().await?;
        if let Some(hash) = &mut self.hash {
            hash.update(data);
        }
        self.length += data.len() as u64;
        Ok(())
    }

    /// Forgets all that came.
    pub(super) async fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0).await?;
        self.file.rewind().await?;
        self.length = 0;
        self.hash = Some(Context::new(&SHA256));
        Ok(())
    }

    /// Computes the SHA-256 of all; takes as long as reading the file if it was resumed.
    pub(super) fn digest(&self) -> impl Future<Output = io::Result<Hex32>> + Send + use<> {
        let (known, path) = (self.hash.clone(), self.path.clone());
        async move {
            let hash = match known {
                Some(hash) => hash,
                None => spawn_blocking(move || hash_file(&path)).await.map_err(io::Error::other)??,
            };
            let mut digest = Hex32([0; 32]);
            digest.0.copy_from_slice(hash.finish().as_ref());
            Ok(digest)
        }
    }

    /// Leaves it for the next run, if there is anything of it.
    pub(super) fn keep(mut self) {
        self.remove = self.length == 0;
    }

    /// Puts the whole file in its place.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when something is there, which stays as it is; the part is kept then.
    pub(super) async fn place(mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all().await?;
        let placed = match fs::hard_link(&self.path, path).await {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // Not every file system has links.
            Err(_) => claim_and_rename(&self.path, path).await,
        };
        self.remove = !placed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists);
        placed
    }
}

/// Renaming replaces what is there, so the name is claimed by an empty file first, which is then replaced.
async fn claim_and_rename(part: &Path, path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).open(path).await?;
    let renamed = fs::rename(part, path).await;
    if renamed.is_err() {
        let _ = fs::remove_file(path).await;
    }
    renamed
}

fn hash_file(path: &Path) -> io::Result<Context> {
    let (mut file, mut hash, mut buffer) = (blocking::File::open(path)?, Context::new(&SHA256), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash),
            read => hash.update(&buffer[..read]),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.remove {
            let _ = blocking::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(size: u64) -> Offer {
        Offer { name: "a".into(), size, sha256: Hex32([1; 32]), key: Hex32([2; 32]) }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = blocking::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn what_is_kept_is_found_by_the_same_offer_and_what_is_dropped_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let mut part = Part::open(directory.path(), &offer(9)).await.unwrap();
        part.append(b"1234").await.unwrap();
        let second = Part::open(directory.path(), &offer(9)).await.err().unwrap();
        assert_eq!(second.kind(), io::ErrorKind::WouldBlock);
        part.keep();

        let mut part = Part::open(directory.path(), &offer(9)).await.unwrap();
        assert!(part.is_resumed());
        part.append(b"5").await.unwrap();
        assert_eq!(part.length(), 5);
        let whole = aws_lc_rs::digest::digest(&SHA256, b"12345");
        assert_eq!(part.digest().await.unwrap().0, whole.as_ref());
        let other = Part::open(directory.path(), &offer(8)).await.unwrap();
        assert_eq!((other.length(), names(directory.path()).len()), (0, 2));
        drop((part, other));
        assert!(names(directory.path()).is_empty());
    }

    #[tokio::test]
    async fn a_part_that_cannot_be_one_is_begun_anew_and_no_link_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name(&offer(3)));
        blocking::write(&path, "longer").unwrap();
        assert_eq!(Part::open(directory.path(), &offer(3)).await.unwrap().length(), 0);

        let victim = directory.path().join("victim");
        blocking::write(&victim, "v").unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&victim, &path).unwrap();
            assert!(Part::open(directory.path(), &offer(3)).await.is_err());
        }
        assert_eq!(blocking::read(&victim).unwrap(), b"v");
    }

    #[tokio::test]
    async fn a_file_is_placed_once_and_the_loser_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("a");
        for (size, outcome) in [(9, Ok(())), (8, Err(io::ErrorKind::AlreadyExists))] {
            let mut part = Part::open(directory.path(), &offer(size)).await.unwrap();
            part.append(size.to_string().as_bytes()).await.unwrap();
            assert_eq!(part.place(&place).await.map_err(|error| error.kind()), outcome);
        }
        assert_eq!(blocking::read(&place).unwrap(), b"9");
        assert_eq!(names(directory.path()), [name(&offer(8)), "a".into()]);
    }

    #[tokio::test]
    async fn where_there_are_no_links_a_file_is_renamed_and_replaces_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (part, place) = (directory.path().join("part"), directory.path().join("a"));
        blocking::write(&part, "new").unwrap();
        claim_and_rename(&part, &place).await.unwrap();
        assert_eq!(names(directory.path()), ["a"]);
        blocking::write(&part, "newer").unwrap();
        let again = claim_and_rename(&part, &place).await.unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(blocking::read(&place).unwrap(), b"new");
        assert!(claim_and_rename(&directory.path().join("nothing"), &directory.path().join("b")).await.is_err());
        assert_eq!(names(directory.path()), ["a", "part"], "a claimed name is given back");
    }
}
