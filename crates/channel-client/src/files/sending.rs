//! A file on its way, at its sender.

use std::{io, path::Path, time::Duration};

use aws_lc_rs::digest::{Context, SHA256};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    time::{Instant, sleep},
};

use super::{
    FileError, Progress, SentFile,
    message::{CHUNK, Chunk, Hex32, KeyPair, Offer, Receipt, Reply, TransferKeys},
    send::Offers,
    topic,
};
use crate::{Client, PublishError};

/// How long the receiver's own topic may take to be known everywhere, and how long it may be gone before the file is
/// offered again.
const SPREADING: Duration = Duration::from_secs(5);

/// After how long without a word of the receiver the file is offered again though somebody is on its topic.
const STUCK: Duration = Duration::from_secs(20);

/// Pause after an attempt that did not reach the receiver.
const PAUSE: Duration = Duration::from_millis(100);

/// Most characters of a receiver's reason that are shown.
const MAX_REASON: usize = 200;

/// Pause before a refused offer is made again.
const LATER: Duration = Duration::from_secs(1);

/// Most acceptances of one file without a byte more than before.
const MAX_ACCEPTANCES: u32 = 16;

/// How often a receiver may want to go back within one acceptance: once when what it had was spoilt, or to what was lost.
const MAX_STEPS_BACK: u32 = 8;

/// How often a receiver may say that it is checking the whole: for an hour.
const MAX_CHECKS: u32 = 36_000;

/// A file on its way.
pub(super) struct Sending<'a, P> {
    client: &'a Client,
    path: &'a Path,
    file: File,
    name: String,
    size: u64,
    sha256: Hex32,
    patience: Duration,
    progress: P,
    /// When the receiver was last heard.
    heard: Instant,
    /// The most bytes a receiver had.
    furthest: u64,
    ignored: u64,
}

/// An acceptance.
struct Link {
    topic: String,
    keys: TransferKeys,
    /// The number of the next chunk.
    number: u64,
}

/// How an acceptance ended.
enum Carried {
    Whole,
    /// The receiver's topic is gone, and perhaps the receiver.
    Lost,
}

impl<'a, P: FnMut(Progress) + Send> Sending<'a, P> {
    pub(super) async fn open(
        client: &'a Client,
        path: &'a Path,
        patience: Duration,
        progress: P,
    ) -> Result<Self, FileError> {
        let failed = |source| FileError::File { path: path.into(), source };
        let name = path.file_name().and_then(|name| name.to_str()).filter(|name| nuncio_plain::is_file_name(name));
        let name = name.ok_or_else(|| FileError::Name { path: path.into() })?.to_owned();
        let mut file = File::open(path).await.map_err(failed)?;
        let (size, sha256) = digest(&mut file).await.map_err(failed)?;
        let (heard, furthest, ignored) = (Instant::now(), 0, 0);
        Ok(Self { client, path, file, name, size, sha256, patience, progress, heard, furthest, ignored })
    }

    pub(super) async fn run(mut self, offers: &Offers<'_>) -> Result<SentFile, FileError> {
        let mut without_progress = 0;
        loop {
            let before = self.furthest;
            let (link, at) = self.offer(offers, without_progress > 0 || before > 0).await?;
            match self.carry(link, at).await? {
                Carried::Whole => {
                    let sha256 = self.sha256.to_string();
                    return Ok(SentFile { size: self.size, sha256, ignored: self.ignored });
                }
                Carried::Lost if self.furthest > before => without_progress = 0,
                Carried::Lost => without_progress += 1,
            }
            if without_progress == MAX_ACCEPTANCES {
                return Err(FileError::Unheard { ignored: self.ignored });
            }
        }
    }

    /// Offers the file until it is accepted. One that was accepted before may have lost its receiver for a while.
    async fn offer(&mut self, offers: &Offers<'_>, again: bool) -> Result<(Link, u64), FileError> {
        loop {
            let own = KeyPair::generate();
            let offer = Offer { name: self.name.clone(), size: self.size, sha256: self.sha256, key: own.public };
            let offer = offer.encode();
            let answer = offers.publish(offer.clone()).await;
            let (error, waits) = match answer.map(|answer| Reply::decode(&answer)) {
                Ok(Ok(Reply::Accepted { topic, key, bytes })) if bytes <= self.size && topic::is_one(&topic) => {
                    let keys = own.agree(&key, &offer, &key, &topic).map_err(|_| FileError::NotAFile)?;
                    return Ok((Link { topic, keys, number: 0 }, bytes));
                }
                Ok(Ok(Reply::Refused { reason, again })) => {
                    (FileError::Refused { reason: nuncio_plain::short(&reason, MAX_REASON) }, again)
                }
                Ok(_) => (FileError::NotAFile, again),
                Err(error) => {
                    let passes = is_passing(&error);
                    (error.into(), again && passes)
                }
            };
            if !waits || self.heard.elapsed() >= self.patience {
                return Err(error);
            }
            sleep(LATER).await;
        }
    }

    /// Sends chunks, from where the receiver is, until it says that all is well.
    async fn carry(&mut self, mut link: Link, mut at: u64) -> Result<Carried, FileError> {
        let (mut steps_back, mut checks) = (0, 0);
        loop {
            let chunk = self.read(at).await?;
            let end = at + chunk.len() as u64;
            let chunk = Chunk { offset: at, data: &chunk }.encode();
            let Some(receipt) = self.deliver(&mut link, &chunk).await? else { return Ok(Carried::Lost) };
            match receipt {
                Receipt::Complete if end == self.size => {
                    (self.progress)(Progress { received: end, size: self.size });
                    return Ok(Carried::Whole);
                }
                Receipt::Received { bytes } if bytes <= self.size => {
                    if bytes == at {
                        checks += 1;
                        sleep(PAUSE).await;
                    } else {
                        (self.progress)(Progress { received: bytes, size: self.size });
                    }
                    steps_back += u32::from(bytes < end);
                    self.furthest = self.furthest.max(bytes);
                    at = bytes;
                }
                Receipt::Refused { reason } => {
                    return Err(FileError::Refused { reason: nuncio_plain::short(&reason, MAX_REASON) });
                }
                _ => return Err(FileError::NotAFile),
            }
            if steps_back > MAX_STEPS_BACK || checks > MAX_CHECKS {
                return Err(FileError::NotAFile);
            }
        }
    }

    async fn read(&mut self, at: u64) -> Result<Vec<u8>, FileError> {
        let wanted = usize::try_from(self.size - at).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = vec![0; wanted];
        let read = async {
            self.file.seek(io::SeekFrom::Start(at)).await?;
            self.file.read_exact(&mut chunk).await
        };
        read.await.map_err(|_| FileError::Changed { path: self.path.into() })?;
        Ok(chunk)
    }

    /// Sends one chunk until the receiver itself answers to it; `None` when it is gone. A chunk is sealed anew for each
    /// attempt, so that no answer to an earlier one fits.
    async fn deliver(&mut self, link: &mut Link, chunk: &[u8]) -> Result<Option<Receipt>, FileError> {
        let started = Instant::now();
        loop {
            let number = link.number;
            link.number += 1;
            let sealed = link.keys.chunks.seal(number, b"", chunk.to_vec());
            let error = match self.client.publish(&link.topic, sealed).await {
                Ok(answer) => {
                    let opened = link.keys.receipts.open(&number.to_be_bytes(), &answer);
                    if let Ok(receipt) = opened.and_then(|(_, receipt)| Receipt::decode(&receipt)) {
                        self.heard = Instant::now();
                        return Ok(Some(receipt));
                    }
                    self.ignored += 1;
                    FileError::Unheard { ignored: self.ignored }
                }
                Err(PublishError::NoSubscriber { .. }) if started.elapsed() >= SPREADING => return Ok(None),
                Err(error) if !is_passing(&error) => return Err(error.into()),
                Err(error) => {
                    sleep(PAUSE).await;
                    error.into()
                }
            };
            if self.heard.elapsed() >= self.patience {
                return Err(error);
            }
            if started.elapsed() >= STUCK {
                return Ok(None);
            }
        }
    }
}

/// Whether the next attempt may go better. Anybody who subscribes the transfer's topic too can answer with any code.
fn is_passing(error: &PublishError) -> bool {
    !matches!(error, PublishError::Closed | PublishError::TooLarge { .. } | PublishError::Topic { .. })
}

async fn digest(file: &mut File) -> io::Result<(u64, Hex32)> {
    let (mut hash, mut size, mut buffer) = (Context::new(&SHA256), 0, vec![0; CHUNK]);
    loop {
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            let mut digest = Hex32([0; 32]);
            digest.0.copy_from_slice(hash.finish().as_ref());
            return Ok((size, digest));
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
}
