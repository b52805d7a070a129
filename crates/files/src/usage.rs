//! How much lies in the directory, and whose it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs::{self, Metadata},
    io,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use crate::inbox::PARTS;

/// What a file takes at the least: so nobody is let fill a disk with empty ones.
const BLOCK: u64 = 4 << 10;

/// How old what was seen may be; what the operator takes away makes room after that.
const FRESH: Duration = Duration::from_secs(2);

/// What is there of each sender.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    senders: BTreeMap<String, Share>,
    seen: Option<Instant>,
}

/// Bytes and files.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) bytes: u64,
    pub(crate) files: usize,
}

/// What a file of so many bytes counts.
pub(crate) const fn cost(bytes: u64) -> u64 {
    if bytes < BLOCK { BLOCK } else { bytes }
}

impl Share {
    pub(crate) const fn with(self, bytes: u64, files: usize) -> Self {
        Self { bytes: self.bytes.saturating_add(bytes), files: self.files.saturating_add(files) }
    }
}

impl Usage {
    /// Looks again, unless it has just looked. Parts of these names are open, and counted elsewhere.
    pub(crate) fn refresh(&mut self, directory: &Path, open: &BTreeSet<String>, now: Instant) -> io::Result<()> {
        if self.seen.is_some_and(|seen| now.saturating_duration_since(seen) < FRESH) {
            return Ok(());
        }
        let mut senders = BTreeMap::new();
        let mut count = |sender: &str, found: &Metadata| {
            let share: &mut Share = senders.entry(sender.to_owned()).or_default();
            *share = share.with(cost(found.len()), 1);
        };
        for (name, _) in entries(directory)? {
            let Some(sender) = sender_in(&name) else { continue };
            for (_, found) in entries(&directory.join(&name))? {
                count(sender, &found);
            }
        }
        for (name, found) in entries(&directory.join(PARTS))? {
            if let Some(sender) = sender_of_part(&name).filter(|_| !open.contains(&name)) {
                count(sender, &found);
            }
        }
        (self.senders, self.seen) = (senders, Some(now));
        Ok(())
    }

    pub(crate) fn of(&self, sender: &str) -> Share {
        self.senders.get(sender).copied().unwrap_or_default()
    }

    pub(crate) fn total(&self) -> Share {
        self.senders.values().fold(Share::default(), |sum, share| sum.with(share.bytes, share.files))
    }

    /// A file, or a part that is open no more, lies there.
    pub(crate) fn add(&mut self, sender: &str, bytes: u64) {
        let share = self.senders.entry(sender.to_owned()).or_default();
        *share = share.with(cost(bytes), 1);
    }

    /// A part is open, and counted elsewhere.
    pub(crate) fn remove(&mut self, sender: &str, bytes: u64) {
        if let Some(share) = self.senders.get_mut(sender) {
            share.bytes = share.bytes.saturating_sub(cost(bytes));
            share.files = share.files.saturating_sub(1);
        }
    }
}

/// Removes parts that have waited longer than that, but for those of these names; says how many, and what is left.
pub(crate) fn expire(directory: &Path, open: &BTreeSet<String>, kept: Duration) -> io::Result<(usize, Share)> {
    let (parts, now) = (directory.join(PARTS), SystemTime::now());
    let (mut removed, mut left) = (0, Share::default());
    for (name, found) in entries(&parts)? {
        if sender_of_part(&name).is_none() {
            continue;
        }
        let is_old = found.modified().is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > kept));
        if is_old && !open.contains(&name) && fs::remove_file(parts.join(&name)).is_ok() {
            removed += 1;
        } else {
            left = left.with(found.len(), 1);
        }
    }
    Ok((removed, left))
}

/// What is in a directory, links not followed; nothing if there is none. What goes away meanwhile is not there.
pub(crate) fn entries(directory: &Path) -> io::Result<Vec<(String, Metadata)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let known = |name: &OsStr| Some(name.to_str()?.to_owned());
    let found = entries.flatten().filter_map(|entry| {
        // What has no such name is the operator's, and counts.
        Some((known(&entry.file_name()).unwrap_or_default(), entry.metadata().ok()?))
    });
    Ok(found.collect())
}

/// The sender whose directory has this name: a node ID as it is written here, 128 digits.
pub(crate) fn sender_in(name: &str) -> Option<&str> {
    let is_id = name.len() == 128 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then_some(name)
}

pub(crate) fn sender_of_part(name: &str) -> Option<&str> {
    sender_in(name.split_once('.')?.0)
}
