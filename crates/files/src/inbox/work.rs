//! What takes as long as reading a file.

use std::{fs::File, io, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc, time::Instant};

use rustix::fs::OFlags;

use super::{Entry, Inbox, Phase, is_another};
use crate::{Refusal, digest::sha256_of, open::Open};

/// A file whose SHA-256 is to be computed. Until that is done its sender is told to wait.
#[derive(Debug)]
#[must_use = "its sender waits for it"]
pub struct Work {
    inbox: Arc<Inbox>,
    key: String,
    /// All of it has come; `None` when a file of that name and length was there before, which may be the very same.
    part: Option<Arc<Open>>,
}

/// A file that has come, as it was offered, and is in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Its name, in the directory of its sender.
    pub name: String,
    /// Its length.
    pub length: u64,
}

impl Work {
    pub(super) fn new(inbox: &Arc<Inbox>, key: &str, part: Option<Arc<Open>>) -> Self {
        Self { inbox: Arc::clone(inbox), key: key.to_owned(), part }
    }

    /// Does it.
    pub fn run(self) -> Option<Arrived> {
        let Self { inbox, key, part } = self;
        let (sender, name, length, sha256) = {
            let table = inbox.table();
            let Entry { sender, name, length, sha256, .. } = table.entries.get(&key)?;
            (sender.clone(), name.clone(), *length, *sha256)
        };
        let directory = inbox.directory.join(&sender);
        let (phase, leaves) = match &part {
            None => (compare(&directory.join(&name), &name, &sha256), false),
            Some(part) => finish(part, &directory, &name, &sha256),
        };
        let arrived = part.is_some() && matches!(phase, Phase::Done);
        let mut table = inbox.table();
        if leaves {
            table.usage.add(&sender, length);
        }
        table.counted.whole += u64::from(arrived);
        table.counted.differed += u64::from(matches!(phase, Phase::Differs));
        table.end(&key, phase, Instant::now());
        arrived.then_some(Arrived { name, length })
    }
}

fn compare(path: &Path, name: &str, sha256: &[u8; 32]) -> Phase {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened = File::options().read(true).custom_flags(flags).open(path);
    match opened.and_then(|mut file| sha256_of(&mut file, |_| true)) {
        Ok((digest, _)) if digest == *sha256 => Phase::Done,
        Ok(_) => Phase::Failed(is_another(name)),
        Err(error) => Phase::Failed(disk(format_args!("{name} is there already and cannot be read: {error}"))),
    }
}

/// Puts a file that came whole where it belongs; says whether it lies anywhere then.
fn finish(part: &Open, directory: &Path, name: &str, sha256: &[u8; 32]) -> (Phase, bool) {
    // A piece that comes again meanwhile does not wait for it.
    let mut part = match part.part() {
        Ok(part) => part,
        Err(error) => return (Phase::Failed(disk(format_args!("what came cannot be read: {error}"))), true),
    };
    match part.digest() {
        Ok(digest) if digest == *sha256 => {}
        Ok(_) => {
            part.remove();
            return (Phase::Differs, false);
        }
        Err(error) => return (Phase::Failed(disk(format_args!("what came cannot be read: {error}"))), true),
    }
    match part.place(directory, name) {
        Ok(()) => (Phase::Done, true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            part.remove();
            (Phase::Failed(is_another(name)), false)
        }
        Err(error) => (Phase::Failed(disk(format_args!("it cannot be put in its place: {error}"))), true),
    }
}

fn disk(words: std::fmt::Arguments<'_>) -> Refusal {
    Refusal::Disk(words.to_string())
}
