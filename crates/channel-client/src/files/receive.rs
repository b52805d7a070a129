use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{
    FileError, InboxOptions,
    desk::{Desk, Farewell, Opened, say},
    leftovers,
    message::{Chunk, Hex32, KeyPair, Offer, Receipt, Reply, TransferKeys},
    part::Part,
    quota::Share,
    topic,
};
use crate::{Client, Delivery, Subscription};

/// How long the first chunk may take: the sender may have gone with another receiver.
const FIRST_CHUNK: Duration = Duration::from_secs(15);

/// After how long a silent sender's transfer makes way for a new one of the same file.
const QUIET: Duration = Duration::from_secs(10);

/// A file that came whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// How many of its bytes an earlier attempt had brought.
    pub resumed: u64,
    /// Messages to the transfer's topic that were not its sender's.
    pub ignored: u64,
}

/// One transfer at its receiver, before it is accepted.
pub(super) struct Transfer {
    pub(super) client: Client,
    pub(super) options: InboxOptions,
    pub(super) line: Arc<Line>,
}

/// What an inbox knows of a transfer while it lasts.
#[derive(Debug)]
pub(super) struct Line {
    name: String,
    size: u64,
    heard: Mutex<Heard>,
    makes_way: CancellationToken,
}

/// The last word of a sender.
#[derive(Debug)]
struct Heard {
    at: Instant,
    /// Bytes that have come, once its file was accepted.
    received: Option<u64>,
}

/// A file on its way here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coming {
    /// Its name.
    pub name: String,
    /// Bytes that are here, those of earlier attempts among them.
    pub received: u64,
    /// Bytes in all.
    pub size: u64,
}

/// An accepted transfer.
struct Incoming<'a> {
    offer: Offer,
    desk: Desk,
    part: Part,
    share: Share,
    line: &'a Line,
}

/// How the taking of chunks ended.
enum Filled {
    /// The file has its SHA-256; the chunk asks whether it is whole.
    Whole(Opened),
    /// The sender is gone, or makes way.
    Silent,
}

impl Transfer {
    pub(super) async fn run(
        self,
        offer: Offer,
        share: Share,
        delivery: Delivery,
    ) -> Result<(ReceivedFile, Farewell), FileError> {
        let own = KeyPair::generate();
        let topic = topic::draw();
        let prepared = self.prepare(&offer, &own, &topic, &delivery.data).await;
        let (part, keys, mut chunks) = match prepared {
            Ok(prepared) => prepared,
            Err((error, reply)) => {
                say(delivery, reply.encode());
                return Err(error);
            }
        };
        let resumed = part.length();
        say(delivery, Reply::Accepted { topic, key: own.public, bytes: resumed }.encode());
        let desk = Desk::new(keys);
        self.line.hear(resumed);
        let mut incoming = Incoming { offer, desk, part, share, line: &self.line };
        match incoming.fill(&mut chunks, self.options.patience).await? {
            Filled::Whole(last) => incoming.finish(&self.options, resumed, last, chunks).await,
            Filled::Silent => {
                let (name, bytes) = (incoming.offer.name, incoming.part.length());
                incoming.part.keep();
                leftovers::tidy_later(&self.options.directory, self.options.max_total_bytes).await;
                Err(FileError::Abandoned { name, bytes })
            }
        }
    }

    async fn prepare(
        &self,
        offer: &Offer,
        own: &KeyPair,
        topic: &str,
        offered: &[u8],
    ) -> Result<(Part, TransferKeys, Subscription), (FileError, Reply)> {
        let refused = |error, reason: &str, again| (error, Reply::Refused { reason: reason.into(), again });
        let own_problem = |error| refused(error, "the receiver has a problem of its own", false);
        let keys = own.agree(&offer.key, offered, &own.public, topic);
        let keys = keys.map_err(|_| refused(FileError::NotAFile, "its key is none", false))?;
        let part = Part::open(&self.options.directory, offer).await.map_err(|source| {
            let is_open = source.kind() == io::ErrorKind::WouldBlock;
            let error = FileError::File { path: self.options.directory.join(&offer.name), source };
            if is_open { refused(error, "it is on its way already", true) } else { own_problem(error) }
        })?;
        match self.client.subscribe([topic]).await {
            Ok(chunks) => Ok((part, keys, chunks)),
            Err(error) => {
                part.keep();
                Err(own_problem(error.into()))
            }
        }
    }
}

impl Incoming<'_> {
    /// Takes chunks until all is there.
    async fn fill(&mut self, chunks: &mut Subscription, patience: Duration) -> Result<Filled, FileError> {
        let mut deadline = Instant::now() + patience.min(FIRST_CHUNK);
        loop {
            let next = tokio::select! {
                next = timeout_at(deadline, chunks.next()) => next,
                () = self.line.makes_way.cancelled() => return Ok(Filled::Silent),
            };
            let Ok(Some(delivery)) = next else { return Ok(Filled::Silent) };
            let Some(chunk) = self.desk.open(delivery) else { continue };
            let before = self.part.length();
            if let Err(error) = self.take(&chunk.message).await {
                self.desk.answer(chunk, &Receipt::Refused { reason: "the file could not be taken".into() });
                return Err(error);
            }
            // A chunk recorded and sent again by somebody else is no word of the sender.
            if self.part.length() > before {
                self.line.hear(self.part.length());
                deadline = Instant::now() + patience;
            }
            if self.part.length() < self.offer.size {
                self.desk.answer(chunk, &Receipt::Received { bytes: self.part.length() });
            } else if self.digest(chunks).await? == self.offer.sha256 {
                return Ok(Filled::Whole(chunk));
            } else if self.part.is_resumed() {
                // Somebody else may have begun it, or it was torn: what is wrong in it cannot be told.
                self.part.restart().await.map_err(|source| self.failed(source))?;
                deadline = Instant::now() + patience;
                self.desk.answer(chunk, &Receipt::Received { bytes: 0 });
            } else {
                let error = FileError::Digest { name: self.offer.name.clone() };
                self.desk.answer(chunk, &Receipt::Refused { reason: error.to_string() });
                return Err(error);
            }
        }
    }

    /// Writes a chunk, or nothing of one that came before or does not follow.
    async fn take(&mut self, message: &[u8]) -> Result<(), FileError> {
        let chunk = Chunk::decode(message).map_err(|_| FileError::NotAFile)?;
        if chunk.end() > self.offer.size {
            return Err(FileError::NotAFile);
        }
        if chunk.offset != self.part.length() || chunk.data.is_empty() {
            return Ok(());
        }
        if !self.share.spend(chunk.data.len() as u64) {
            return Err(FileError::Quota { name: self.offer.name.clone() });
        }
        self.part.append(chunk.data).await.map_err(|source| self.failed(source))
    }

    /// Computes the whole's SHA-256; a sender that asks meanwhile hears that all has come.
    async fn digest(&mut self, chunks: &mut Subscription) -> Result<Hex32, FileError> {
        let computing = self.part.digest();
        tokio::pin!(computing);
        loop {
            tokio::select! {
                biased;
                digest = &mut computing => return digest.map_err(|source| self.failed(source)),
                Some(delivery) = chunks.next() => if let Some(chunk) = self.desk.open(delivery) {
                    self.line.hear(self.offer.size);
                    self.desk.answer(chunk, &Receipt::Received { bytes: self.offer.size });
                },
            }
        }
    }

    /// Puts the file in its place, if nothing is there.
    async fn finish(
        self,
        options: &InboxOptions,
        resumed: u64,
        last: Opened,
        chunks: Subscription,
    ) -> Result<(ReceivedFile, Farewell), FileError> {
        let Self { offer, mut desk, part, mut share, .. } = self;
        let path = options.directory.join(&offer.name);
        if let Err(source) = part.place(&path).await {
            let error = match source.kind() {
                io::ErrorKind::AlreadyExists => FileError::Taken { name: offer.name },
                _ => FileError::File { path, source },
            };
            let reason = match &error {
                FileError::Taken { .. } => error.to_string(),
                _ => "the receiver has a problem of its own".into(),
            };
            desk.answer(last, &Receipt::Refused { reason });
            return Err(error);
        }
        share.count();
        desk.answer(last, &Receipt::Complete);
        let (size, sha256) = (offer.size, offer.sha256.to_string());
        Ok((ReceivedFile { path, size, sha256, resumed, ignored: desk.ignored }, Farewell::new(chunks, desk)))
    }

    fn failed(&self, source: io::Error) -> FileError {
        FileError::File { path: self.part.path().into(), source }
    }
}

impl Line {
    pub(super) fn new(offer: &Offer) -> Self {
        let heard = Mutex::new(Heard { at: Instant::now(), received: None });
        Self { name: offer.name.clone(), size: offer.size, heard, makes_way: CancellationToken::new() }
    }

    fn hear(&self, received: u64) {
        *self.heard() = Heard { at: Instant::now(), received: Some(received) };
    }

    /// How far it is, once it was accepted.
    pub(super) fn coming(&self) -> Option<Coming> {
        let received = self.heard().received?;
        Some(Coming { name: self.name.clone(), received, size: self.size })
    }

    /// Ends the transfer if its sender is silent: it may have died, and the new offer be its own.
    pub(super) fn yield_if_silent(&self) {
        if self.heard().at.elapsed() >= QUIET {
            self.makes_way.cancel();
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
