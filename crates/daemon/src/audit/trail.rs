//! The files of the log: opened, appended to, rotated, repaired.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use nuncio_audit::{Chain, Entry, MAX_LINE, Mark, Position};
use nuncio_identity::{NodeId, SignError, Signer};
use nuncio_pki::open_file;
use serde::Deserialize;

use super::{Settings, files, name};

/// Writes lines into files. After a failure it is as before the line that failed, and opens its file anew.
#[derive(Debug)]
pub(super) struct Trail {
    settings: Settings,
    key: Signer,
    /// `None` before the first opening, which reads where the log ends.
    chain: Option<Chain>,
    current: Option<Current>,
    /// Where the file was and what it had, while it is to be opened anew.
    left: Option<(PathBuf, u64)>,
    unsealed: u64,
    /// Why the last signature was not made.
    unsigned: Option<SignError>,
}

#[derive(Debug)]
struct Current {
    file: File,
    path: PathBuf,
    /// Bytes of whole lines.
    length: u64,
}

/// Where a file ends.
struct End {
    chain: Option<Chain>,
    unsealed: u64,
    /// Bytes of the lines that can be read.
    length: u64,
    /// Bytes after them.
    torn: u64,
}

impl Trail {
    pub(super) const fn new(settings: Settings, key: Signer) -> Self {
        Self { settings, key, chain: None, current: None, left: None, unsealed: 0, unsigned: None }
    }

    /// Lines that are not signed yet.
    pub(super) const fn unsealed(&self) -> u64 {
        self.unsealed
    }

    /// Why they are not, when the key did not sign them.
    pub(super) const fn unsigned(&self) -> Option<&SignError> {
        self.unsigned.as_ref()
    }

    /// The last line.
    pub(super) fn position(&self) -> Option<Position> {
        let chain = self.chain.filter(|chain| chain.next() > 0)?;
        Some(Position { seq: chain.next() - 1, hash: chain.head() })
    }

    /// Opens the log if it is not, and writes a line.
    ///
    /// # Errors
    /// When it cannot be written; then no part of it stays.
    pub(super) fn append(&mut self, time: Timestamp, entry: &Entry<'_>) -> io::Result<()> {
        self.open()?;
        if self.current.as_ref().is_some_and(|current| current.length >= self.settings.max_file) {
            self.rotate()?;
        }
        self.write(|chain| chain.append(time, entry))?;
        self.unsealed += 1;
        Ok(())
    }

    /// Signs what there is, and lets the system put it on the disk. What the key does not sign now stays unsealed, until
    /// the next time.
    ///
    /// # Errors
    /// As [`Trail::append`].
    pub(super) fn seal(&mut self) -> io::Result<()> {
        self.open()?;
        let mut chain = self.chain.unwrap_or_default();
        match chain.seal(Timestamp::now(), &self.key) {
            Ok(line) => {
                self.put(chain, &line)?;
                (self.unsealed, self.unsigned) = (0, None);
            }
            Err(error) => self.unsigned = Some(error),
        }
        self.current.as_ref().map_or(Ok(()), |current| current.file.sync_data())
    }

    /// Opens the log if it is not.
    ///
    /// # Errors
    /// When it cannot be.
    pub(super) fn open(&mut self) -> io::Result<()> {
        if self.current.is_some() {
            return Ok(());
        }
        match self.left.clone() {
            Some((path, length)) => self.reopen(&path, length),
            None => self.open_first().inspect_err(|_| {
                // What a former run left is looked at anew.
                (self.chain, self.current, self.left) = (None, None, None);
            }),
        }
    }

    /// Lets go of a file that is no longer where it was, or was cut; the next line begins another.
    pub(super) fn look(&mut self) -> bool {
        let Some(current) = &self.current else { return false };
        let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        let whole = |own: fs::Metadata| Ok(same(&own, &fs::metadata(&current.path)?) && own.len() >= current.length);
        let here = current.file.metadata().and_then(whole);
        if here.unwrap_or(false) {
            return false;
        }
        self.let_go();
        true
    }

    fn open_first(&mut self) -> io::Result<()> {
        DirBuilder::new().mode(0o700).recursive(true).create(&self.settings.directory)?;
        self.put_away_others()?;
        let mut aside = Vec::new();
        for path in files(&self.settings.directory)?.into_iter().rev() {
            let end = end_of(&path)?;
            if end.torn > 0 {
                aside.push((end.torn, keep_aside(&path, end.length)?));
            }
            let Some(chain) = end.chain else {
                fs::remove_file(&path)?;
                continue;
            };
            let file = OpenOptions::new().append(true).open(&path)?;
            file.set_len(end.length)?;
            self.current = Some(Current { file, path, length: end.length });
            (self.chain, self.unsealed) = (Some(chain), end.unsealed);
            break;
        }
        let unsealed = self.unsealed;
        if self.current.is_none() {
            self.begin_file(Chain::default())?;
        }
        self.tell_of_the_end(unsealed, &aside)
    }

    /// A node that got another key is another node: it cannot go on with a chain that the former key signs, and what it signed in it
    /// would count for nobody. The former log stays whole in a folder of its own.
    fn put_away_others(&self) -> io::Result<()> {
        let (directory, files) = (&self.settings.directory, files(&self.settings.directory)?);
        // A file that was begun when the machine stopped may say nothing yet.
        let owner = files.iter().rev().find_map(|newest| owner_of(newest).transpose()).transpose()?;
        let Some(owner) = owner.filter(|owner| *owner != self.key.node_id()) else { return Ok(()) };
        let mut number = 0;
        let folder = loop {
            let folder = directory.join(format!("node-{}-{number}", owner.short()));
            match DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                made => break made.map(|()| folder)?,
            }
        };
        // The newest last: by it a start that comes between knows whose the others are.
        for file in &files {
            fs::rename(file, folder.join(file.file_name().unwrap_or_default()))?;
        }
        tracing::warn!(
            node = %owner.short(), kept_in = %folder.display(),
            "the audit log is of a node with another key; it is kept, and this node begins its own"
        );
        File::open(directory)?.sync_all()
    }

    /// What a former run left.
    fn tell_of_the_end(&mut self, unsealed: u64, aside: &[(u64, PathBuf)]) -> io::Result<()> {
        if unsealed > 0 {
            self.write(|chain| chain.append(Timestamp::now(), &Entry::Mark(Mark::Resumed { unsealed })))?;
        }
        for (bytes, kept_as) in aside {
            tracing::warn!(
                bytes, kept_as = %kept_as.display(),
                "the audit log ended in the middle of a line, as after a crash; the torn end was taken out and is kept"
            );
            let kept_as = kept_as.file_name().unwrap_or_default().to_string_lossy().into();
            let mark = Mark::Repaired { bytes: *bytes, kept_as };
            self.write(|chain| chain.append(Timestamp::now(), &Entry::Mark(mark.clone())))?;
        }
        if unsealed > 0 || !aside.is_empty() { self.seal() } else { Ok(()) }
    }

    /// After a failure: what was written of a line that failed is taken out again.
    fn reopen(&mut self, path: &Path, length: u64) -> io::Result<()> {
        if length == 0 {
            // Not even its first line was written.
            let _ = fs::remove_file(path);
        }
        match OpenOptions::new().append(true).open(path) {
            Ok(file) if file.metadata()?.len() >= length => {
                file.set_len(length)?;
                self.current = Some(Current { file, path: path.to_owned(), length });
                self.left = None;
                Ok(())
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            // Somebody took it away, or cut it. The chain goes on, and shows it.
            _ => {
                DirBuilder::new().mode(0o700).recursive(true).create(&self.settings.directory)?;
                self.begin_file(self.chain.unwrap_or_default())
            }
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.seal()?;
        self.begin_file(self.chain.unwrap_or_default())?;
        self.remove_oldest()
    }

    fn begin_file(&mut self, chain: Chain) -> io::Result<()> {
        let path = self.settings.directory.join(name(chain.next()));
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
        let file = match file {
            // Nothing whole can be in it: it is named by a line that was not written yet.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                keep_aside(&path, 0)?;
                OpenOptions::new().append(true).open(&path).and_then(|file| {
                    file.set_len(0)?;
                    Ok(file)
                })?
            }
            other => other?,
        };
        File::open(&self.settings.directory)?.sync_all()?;
        self.current = Some(Current { file, path, length: 0 });
        (self.chain, self.left) = (Some(chain), None);
        let opened = Mark::Opened { node: self.key.node_id(), version: env!("CARGO_PKG_VERSION").into() };
        self.write(|chain| chain.append(Timestamp::now(), &Entry::Mark(opened.clone())))?;
        self.unsealed += 1;
        Ok(())
    }

    /// Says that the oldest file goes, signs it, and only then removes it. While the key does not sign, nothing goes.
    fn remove_oldest(&mut self) -> io::Result<()> {
        let mut files = files(&self.settings.directory)?;
        while files.len() > self.settings.keep_files.max(2) && self.unsigned.is_none() {
            let oldest = files.remove(0);
            if let Some(chain) = end_of(&oldest)?.chain {
                let file = oldest.file_name().unwrap_or_default().to_string_lossy().into();
                let mark = Mark::Removed { file, through: chain.next() - 1, hash: chain.head() };
                self.write(|chain| chain.append(Timestamp::now(), &Entry::Mark(mark.clone())))?;
                self.seal()?;
                if self.unsigned.is_some() {
                    break;
                }
            }
            fs::remove_file(&oldest)?;
        }
        Ok(())
    }

    fn write(&mut self, make: impl Fn(&mut Chain) -> String) -> io::Result<()> {
        let mut chain = self.chain.ok_or(io::ErrorKind::NotFound)?;
        let line = make(&mut chain);
        self.put(chain, &line)
    }

    /// Writes a line, after which the chain is this.
    fn put(&mut self, chain: Chain, line: &str) -> io::Result<()> {
        let current = self.current.as_mut().ok_or(io::ErrorKind::NotFound)?;
        if let Err(error) = current.file.write_all(line.as_bytes()) {
            // If not even this can be done, opening it anew does.
            let _ = current.file.set_len(current.length);
            self.let_go();
            return Err(error);
        }
        current.length += line.len() as u64;
        self.chain = Some(chain);
        Ok(())
    }

    fn let_go(&mut self) {
        self.left = self.current.take().map(|current| (current.path, current.length));
    }
}

/// As much of a file's first line as says whose it is.
#[derive(Deserialize)]
struct First {
    kind: String,
    node: String,
}

/// As much of a line as says where the chain is.
#[derive(Deserialize)]
struct Known {
    seq: u64,
    kind: String,
}

/// The node that a file names in its first line; `None` where that cannot be read.
fn owner_of(path: &Path) -> io::Result<Option<NodeId>> {
    let mut line = Vec::new();
    BufReader::new(open_file(path)?).take(MAX_LINE as u64).read_until(b'\n', &mut line)?;
    let first: Option<First> = serde_json::from_slice(&line).ok();
    Ok(first.filter(|first| first.kind == "opened").and_then(|first| first.node.parse().ok()))
}

fn end_of(path: &Path) -> io::Result<End> {
    let mut content = BufReader::new(open_file(path)?);
    let whole = content.get_ref().metadata()?.len();
    let (mut end, mut read, mut line) = (End { chain: None, unsealed: 0, length: 0, torn: 0 }, 0, Vec::new());
    loop {
        line.clear();
        read += (&mut content).take(MAX_LINE as u64 + 2).read_until(b'\n', &mut line)? as u64;
        if line.is_empty() {
            end.torn = whole.saturating_sub(end.length);
            return Ok(end);
        }
        let known = line.strip_suffix(b"\n").and_then(|line| Some((serde_json::from_slice::<Known>(line).ok()?, line)));
        if let Some((known, line)) = known {
            end.chain = Some(Chain::after(known.seq, line));
            end.unsealed = if known.kind == "seal" { 0 } else { end.unsealed + 1 };
            end.length = read;
        }
    }
}

/// Keeps what stands after so many bytes in a file beside, in the place of an earlier one.
fn keep_aside(path: &Path, from: u64) -> io::Result<PathBuf> {
    let aside = path.with_extension("torn");
    let mut torn = open_file(path)?;
    torn.seek(SeekFrom::Start(from))?;
    let mut kept = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    io::copy(&mut torn, &mut kept)?;
    kept.sync_all()?;
    Ok(aside)
}
