//! Which files are taken, and where each of them is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use aws_lc_rs::digest::{Context, SHA256};
use nuncio_identity::NodeId;
use nuncio_plain::Pace;
use nuncio_wire::service::{FileOffer, FileProgress, FileState};

use crate::{
    Limits, Refusal,
    digest::finish,
    open::Open,
    part::Part,
    place,
    transfer::Fault,
    usage::{Share, Usage, cost, expire},
};

mod again;
mod listed;
mod work;

use again::Known;
pub use listed::Listed;
pub use work::{Arrived, Work};

/// The directory of parts; no sender is called so.
pub(crate) const PARTS: &str = ".nuncio-parts";

/// Transfers that have ended and whose senders may still ask how.
pub(crate) const MAX_ENDED: usize = 256;

/// After so long without a word a transfer is closed; its part stays, and goes on when it is offered again.
const IDLE: Duration = Duration::from_secs(60);

/// After so long it makes room for others.
const MAKES_ROOM: Duration = Duration::from_secs(10);

/// What a sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// How far it is.
    Progress(FileProgress),
    /// It is not taken.
    Refused(Refusal),
}

/// What an inbox has taken since it was opened, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Bytes of files.
    pub bytes: u64,
    /// Files that are whole.
    pub whole: u64,
    /// Files that turned out to have another SHA-256.
    pub differed: u64,
    /// Files on their way now.
    pub open: usize,
    /// Parts that lay there when [`Inbox::tidy`] looked last, those of open files among them.
    pub parts: usize,
    /// Their bytes.
    pub part_bytes: u64,
}

/// A directory into which files come.
#[derive(Debug)]
pub struct Inbox {
    directory: PathBuf,
    limits: Limits,
    table: Mutex<Table>,
    /// Locked, so that no other node counts what lies here.
    _lock: File,
}

/// Why there is no inbox.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct OpenError {
    /// Where.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Every transfer, by its part's name, which says whose it is.
#[derive(Debug)]
struct Table {
    entries: BTreeMap<String, Entry>,
    usage: Usage,
    next: u64,
    pace: Pace,
    counted: Statistics,
}

#[derive(Debug)]
struct Entry {
    sender: String,
    name: String,
    length: u64,
    sha256: [u8; 32],
    /// Whether room is kept for all of it.
    reserves: bool,
    transfer: u64,
    /// Of an earlier run of its sender.
    former: Option<u64>,
    heard: Instant,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Receiving(Arc<Open>),
    Checking,
    Done,
    Differs,
    Failed(Refusal),
}

const BUSY: Answer = Answer::Progress(FileProgress { transfer: 0, received: 0, state: FileState::Busy });

impl Phase {
    const fn is_open(&self) -> bool {
        matches!(self, Self::Receiving(_) | Self::Checking)
    }
}

impl Entry {
    fn progress(&self, received: u64, state: FileState) -> Answer {
        Answer::Progress(FileProgress { transfer: self.transfer, received, state })
    }

    /// How it stands.
    fn stands(&self) -> Answer {
        match &self.phase {
            Phase::Receiving(open) => self.progress(open.received(), FileState::Receiving),
            Phase::Checking => self.progress(self.length, FileState::Checking),
            Phase::Done => self.progress(self.length, FileState::Done),
            Phase::Differs => self.progress(0, FileState::Differs),
            Phase::Failed(reason) => Answer::Refused(reason.clone()),
        }
    }
}

impl Inbox {
    /// Opens a directory, which is made unless it is there.
    ///
    /// # Errors
    /// When it cannot be made or written, or another process has it.
    pub fn open(directory: PathBuf, limits: Limits) -> Result<Arc<Self>, OpenError> {
        let parts = directory.join(PARTS);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError { path, source }
        };
        fs::create_dir_all(&directory).map_err(failed(&directory))?;
        place::own_directory(&parts).map_err(failed(&parts))?;
        let lock = parts.join("lock");
        let file = File::options().write(true).create(true).truncate(false).open(&lock).map_err(failed(&lock))?;
        file.try_lock().map_err(|error| {
            let held = io::Error::other("another process takes files into this directory");
            OpenError {
                path: lock,
                source: if matches!(error, fs::TryLockError::WouldBlock) { held } else { error.into() },
            }
        })?;
        // Numbers of an earlier run come never again, and stay exact as JSON.
        let start = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_micros() as u64 & ((1 << 52) - 1));
        let table = Table {
            entries: BTreeMap::new(),
            usage: Usage::default(),
            next: start,
            pace: Pace::default(),
            counted: Statistics::default(),
        };
        let inbox = Arc::new(Self { directory, limits, table: Mutex::new(table), _lock: file });
        inbox.tidy(Instant::now());
        Ok(inbox)
    }

    /// Judges an offer. Work that is given back is to be done, where waiting is allowed.
    pub fn offer(self: &Arc<Self>, from: NodeId, offer: &FileOffer, now: Instant) -> (Answer, Option<Work>) {
        if !nuncio_plain::is_file_name(&offer.name) {
            return (Answer::Refused(Refusal::Name), None);
        }
        let (sender, mut table) = (from.to_string(), self.table());
        let key = part_name(&sender, offer);
        table.close_idle(now, IDLE);
        match table.go_on(&key, now) {
            Some(Known::Open { transfer, open }) => {
                drop(table);
                self.take_over(&key, transfer, &open)
            }
            Some(Known::Ended(answer)) => (answer, None),
            None => self.begin(&mut table, sender, key, offer, now).unwrap_or_else(|answer| (answer, None)),
        }
    }

    /// Takes a piece. Work that is given back is to be done, where waiting is allowed.
    pub fn chunk(
        self: &Arc<Self>,
        from: NodeId,
        (transfer, offset): (u64, u64),
        data: &[u8],
        now: Instant,
    ) -> (Answer, Option<Work>) {
        let sender = from.to_string();
        let (key, open) = {
            let mut table = self.table();
            let Some((key, entry)) = table.of_sender(&sender, transfer) else {
                return (unknown(transfer), None);
            };
            if entry.transfer != transfer {
                return (Answer::Refused(Refusal::TakenOver), None);
            }
            entry.heard = now;
            match &entry.phase {
                Phase::Receiving(open) => (key, Arc::clone(open)),
                _ => return (entry.stands(), None),
            }
        };
        // Others do not wait while this one writes.
        let (taken, bytes) = open.take(offset, data);
        let mut table = self.table();
        table.counted.bytes += bytes;
        let Some(entry) = table.entries.get_mut(&key).filter(|entry| entry.transfer == transfer) else {
            return (unknown(transfer), None);
        };
        match taken {
            Ok(received) => self.advance(&key, entry, received, &open),
            Err(fault) => {
                let refusal = Refusal::from(&fault);
                if let Fault::Write(error) = fault {
                    table.close(&key);
                    if let Some(kept_back) = table.pace.line(now) {
                        tracing::warn!(sender = %from.short(), %error, kept_back, "a piece of a file cannot be written");
                    }
                }
                (Answer::Refused(refusal), None)
            }
        }
    }

    /// Closes what is silent and removes parts that have waited too long. To be called now and then.
    pub fn tidy(&self, now: Instant) {
        let mut table = self.table();
        table.close_idle(now, IDLE);
        match expire(&self.directory, &table.open_parts(), self.limits.kept) {
            Ok((removed, left)) => {
                (table.counted.parts, table.counted.part_bytes) = (left.files, left.bytes);
                if removed > 0 {
                    tracing::info!(removed, "parts of files that waited too long to go on are gone");
                }
            }
            Err(error) => tracing::warn!(%error, "parts of files cannot be looked through"),
        }
    }

    /// What it has taken and what it holds.
    pub fn statistics(&self) -> Statistics {
        let table = self.table();
        let open = table.entries.values().filter(|entry| entry.phase.is_open()).count();
        Statistics { open, ..table.counted }
    }

    /// So many bytes of a file are there: what is whole is checked, once.
    fn advance(
        self: &Arc<Self>,
        key: &str,
        entry: &mut Entry,
        received: u64,
        open: &Arc<Open>,
    ) -> (Answer, Option<Work>) {
        let is_whole = received == entry.length && matches!(entry.phase, Phase::Receiving(_));
        if is_whole {
            entry.phase = Phase::Checking;
        }
        (entry.stands(), is_whole.then(|| Work::new(self, key, Some(Arc::clone(open)))))
    }

    fn begin(
        self: &Arc<Self>,
        table: &mut Table,
        sender: String,
        key: String,
        offer: &FileOffer,
        now: Instant,
    ) -> Result<(Answer, Option<Work>), Answer> {
        let part_path = self.directory.join(PARTS).join(&key);
        let there = fs::symlink_metadata(self.directory.join(&sender).join(&offer.name)).ok();
        if there.as_ref().is_some_and(|there| !there.is_file() || there.len() != offer.length) {
            return Err(Answer::Refused(is_another(&offer.name)));
        }
        self.find_place(table, &sender, now)?;
        if there.is_some() && table.compares(&sender) {
            return Err(BUSY);
        }
        let has = fs::symlink_metadata(&part_path).ok().map(|found| found.len());
        if there.is_none() {
            self.find_room(table, &sender, offer, has, now)?;
        }
        let FileOffer { name, length, sha256 } = offer.clone();
        let (reserves, transfer, former) = (there.is_none(), table.number(), None);
        let phase = Phase::Checking;
        let mut entry = Entry { sender, name, length, sha256, reserves, transfer, former, heard: now, phase };
        let (answer, work) = if there.is_some() {
            (entry.progress(length, FileState::Checking), Some(Work::new(self, &key, None)))
        } else {
            let part = Part::open(part_path, length).map_err(|error| Answer::Refused((&Fault::Write(error)).into()))?;
            if let Some(bytes) = has {
                table.usage.remove(&entry.sender, bytes);
            }
            let received = part.length();
            let open = Arc::new(Open::new(part, length));
            if received == length {
                (entry.progress(length, FileState::Checking), Some(Work::new(self, &key, Some(open))))
            } else {
                entry.phase = Phase::Receiving(open);
                (entry.progress(received, FileState::Receiving), None)
            }
        };
        table.entries.insert(key, entry);
        Ok((answer, work))
    }

    /// A place among those that are open. Whoever is silent makes room.
    fn find_place(&self, table: &mut Table, sender: &str, now: Instant) -> Result<(), Answer> {
        let is_full = |table: &Table| {
            let open = || table.entries.values().filter(|entry| entry.phase.is_open());
            let own = open().filter(|entry| entry.sender == sender).count();
            open().count() >= self.limits.open || own >= self.limits.open_per_sender()
        };
        if is_full(table) {
            table.close_idle(now, MAKES_ROOM);
        }
        if is_full(table) { Err(BUSY) } else { Ok(()) }
    }

    /// Room for all of it, beside what is there and what others have still to bring.
    fn find_room(
        &self,
        table: &mut Table,
        sender: &str,
        offer: &FileOffer,
        has: Option<u64>,
        now: Instant,
    ) -> Result<(), Answer> {
        let limits = &self.limits;
        let open = table.open_parts();
        let looked = table.usage.refresh(&self.directory, &open, now);
        looked.map_err(|error| Answer::Refused(Refusal::Disk(format!("what is there cannot be counted: {error}"))))?;
        let coming = |of: Option<&str>| {
            let open = table.entries.values().filter(|entry| entry.phase.is_open() && entry.reserves);
            let those = open.filter(|entry| of.is_none_or(|sender| sender == entry.sender));
            those.fold(Share::default(), |sum, entry| sum.with(cost(entry.length), 1))
        };
        let [own, all] = [
            (table.usage.of(sender), coming(Some(sender)), limits.per_sender, "files of this sender"),
            (table.usage.total(), coming(None), limits.total, "files"),
        ]
        .map(|(there, coming, limit, whose)| {
            let used = there.with(coming.bytes, coming.files);
            // What is there of this one is not counted twice.
            let bytes = used.bytes.saturating_sub(has.map_or(0, cost));
            (bytes.saturating_add(cost(offer.length)) <= limit, bytes, limit, whose, used.files)
        });
        for (fits, bytes, limit, whose, _) in [own, all] {
            if !fits {
                let (length, free) = (offer.length, limit.saturating_sub(bytes));
                return Err(Answer::Refused(Refusal::NoRoom { length, limit, whose, free }));
            }
        }
        if all.4 >= limits.files && has.is_none() {
            return Err(Answer::Refused(Refusal::TooMany { limit: limits.files }));
        }
        Ok(())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn open_parts(&self) -> BTreeSet<String> {
        self.entries.iter().filter(|(_, entry)| entry.phase.is_open()).map(|(key, _)| key.clone()).collect()
    }

    /// The transfer that a sender calls so, or called so in an earlier run.
    fn of_sender(&mut self, sender: &str, transfer: u64) -> Option<(String, &mut Entry)> {
        let is_it =
            |entry: &Entry| entry.sender == sender && (entry.transfer == transfer || entry.former == Some(transfer));
        self.entries.iter_mut().find(|(_, entry)| is_it(entry)).map(|(key, entry)| (key.clone(), entry))
    }

    /// Whether a file that lies there is read to be compared with an offer of this sender: one at a time, since an offer costs
    /// nothing.
    fn compares(&self, sender: &str) -> bool {
        let is_one =
            |entry: &Entry| entry.sender == sender && !entry.reserves && matches!(entry.phase, Phase::Checking);
        self.entries.values().any(is_one)
    }

    /// Closes transfers that have been silent so long, and forgets how others ended.
    fn close_idle(&mut self, now: Instant, limit: Duration) {
        let is_idle = |entry: &Entry| {
            !matches!(entry.phase, Phase::Checking) && now.saturating_duration_since(entry.heard) >= limit
        };
        let idle: Vec<_> =
            self.entries.iter().filter(|(_, entry)| is_idle(entry)).map(|(key, _)| key.clone()).collect();
        for key in idle {
            self.close(&key);
        }
    }

    fn close(&mut self, key: &str) {
        let Some(entry) = self.entries.remove(key) else { return };
        if let Phase::Receiving(open) = entry.phase {
            self.usage.add(&entry.sender, open.received());
        }
    }

    /// A transfer has ended so.
    fn end(&mut self, key: &str, phase: Phase, now: Instant) {
        if let Some(entry) = self.entries.get_mut(key) {
            (entry.phase, entry.heard) = (phase, now);
        }
        let ended = || self.entries.iter().filter(|(_, entry)| !entry.phase.is_open());
        if ended().count() > MAX_ENDED
            && let Some(oldest) = ended().min_by_key(|(_, entry)| entry.heard).map(|(key, _)| key.clone())
        {
            self.entries.remove(&oldest);
        }
    }
}

fn is_another(name: &str) -> Refusal {
    Refusal::Taken { name: name.to_owned() }
}

const fn unknown(transfer: u64) -> Answer {
    Answer::Progress(FileProgress { transfer, received: 0, state: FileState::Unknown })
}

/// The name of a part: the same for the same offer of the same sender, and of nobody else.
fn part_name(sender: &str, offer: &FileOffer) -> String {
    let mut hash = Context::new(&SHA256);
    for piece in [&offer.length.to_be_bytes()[..], &offer.sha256, offer.name.as_bytes()] {
        hash.update(piece);
    }
    format!("{sender}.{}.part", hex::encode(&finish(hash)[..16]))
}

#[cfg(test)]
mod tests;
