use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::{
    fs::{self, File, OpenOptions},
    io::AsyncWriteExt,
    task::JoinSet,
    time::timeout,
};

use super::{CHUNK, FileError, OFFSET, Offer, Reply, is_plain_name};
use crate::{Client, Delivery, Kind, SubscribeError, Subscription};

/// How long a sender may still ask whether its file came whole.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Where files go, and which are taken.
#[derive(Debug, Clone)]
pub struct InboxOptions {
    /// An existing directory. A file that is there already is not replaced.
    pub directory: PathBuf,
    /// Longest file that is taken, in bytes.
    pub max_bytes: u64,
    /// Files at once; further ones are refused.
    pub max_files: usize,
    /// How long a sender may be silent before its file is given up.
    pub patience: Duration,
}

/// Receives files offered on a topic. Dropping it ends what is on its way.
#[derive(Debug)]
pub struct FileInbox {
    client: Client,
    offers: Subscription,
    options: InboxOptions,
    open: JoinSet<Result<ReceivedFile, FileError>>,
}

/// A file that came whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

/// A file on its way.
struct Incoming {
    offer: Offer,
    part: PathBuf,
    file: File,
    hash: Sha256,
    received: u64,
}

impl InboxOptions {
    /// Files of at most 1 GiB, 8 at once, with senders that are silent for at most 60 s.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), max_bytes: 1 << 30, max_files: 8, patience: Duration::from_secs(60) }
    }
}

impl Client {
    /// Subscribes a topic for files.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub async fn receive_files(&self, topic: &str, options: InboxOptions) -> Result<FileInbox, SubscribeError> {
        let offers = self.subscribe([topic]).await?;
        Ok(FileInbox { client: self.clone(), offers, options, open: JoinSet::new() })
    }
}

impl FileInbox {
    /// The next file that came whole or was given up; `None` once the client is closed. Offers are taken while this is
    /// awaited.
    pub async fn next(&mut self) -> Option<Result<ReceivedFile, FileError>> {
        loop {
            tokio::select! {
                Some(ended) = self.open.join_next() => {
                    if let Ok(outcome) = ended {
                        return Some(outcome);
                    }
                }
                delivery = self.offers.next() => self.take_offer(delivery?),
            }
        }
    }

    fn take_offer(&mut self, delivery: Delivery) {
        if delivery.kind != Kind::Unicast {
            return;
        }
        match self.judge(&delivery.data) {
            Ok(offer) => {
                let (client, options) = (self.client.clone(), self.options.clone());
                self.open.spawn(receive(client, options, offer, delivery));
            }
            Err(reason) => say(delivery, &Reply::Refused { reason }),
        }
    }

    fn judge(&self, offer: &[u8]) -> Result<Offer, String> {
        let offer: Offer = serde_json::from_slice(offer).map_err(|_| "this topic takes files only".to_owned())?;
        if !is_plain_name(&offer.name) {
            return Err("its name is no plain file name".into());
        }
        if offer.size > self.options.max_bytes {
            return Err(format!("it has {} bytes, over the limit of {}", offer.size, self.options.max_bytes));
        }
        if self.options.directory.join(&offer.name).exists() {
            return Err(format!("{} is there already", offer.name));
        }
        if self.open.len() >= self.options.max_files {
            return Err("too many files are on their way".into());
        }
        Ok(offer)
    }
}

async fn receive(
    client: Client,
    options: InboxOptions,
    offer: Offer,
    delivery: Delivery,
) -> Result<ReceivedFile, FileError> {
    let topic = format!("file/{}", hex::encode(rand::random::<[u8; 16]>()));
    let chunks = client.subscribe([&topic]).await;
    let prepared = match Incoming::create(&options.directory, offer).await {
        Ok(incoming) => chunks.map(|chunks| (incoming, chunks)).map_err(FileError::from),
        Err(error) => Err(error),
    };
    let (mut incoming, mut chunks) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            say(delivery, &Reply::Refused { reason: "the receiver has a problem of its own".into() });
            return Err(error);
        }
    };
    say(delivery, &Reply::Accepted { topic });
    let outcome = incoming.fill(&mut chunks, &options).await;
    match &outcome {
        Ok(file) => drop(tokio::spawn(repeat_the_last_word(chunks, file.size))),
        Err(_) => drop(fs::remove_file(&incoming.part).await),
    }
    outcome
}

/// The sender sends its last chunk again when the answer to it was lost.
async fn repeat_the_last_word(mut chunks: Subscription, bytes: u64) {
    while let Ok(Some(delivery)) = timeout(LAST_WORDS, chunks.next()).await {
        say(delivery, &Reply::Received { bytes });
    }
}

impl Incoming {
    async fn create(directory: &Path, offer: Offer) -> Result<Self, FileError> {
        let part = directory.join(format!(".{}.part", hex::encode(rand::random::<[u8; 8]>())));
        let file = OpenOptions::new().write(true).create_new(true).open(&part).await;
        let file = file.map_err(|source| FileError::File { path: part.clone(), source })?;
        Ok(Self { offer, part, file, hash: Sha256::new(), received: 0 })
    }

    async fn fill(&mut self, chunks: &mut Subscription, options: &InboxOptions) -> Result<ReceivedFile, FileError> {
        loop {
            let abandoned = || FileError::Abandoned { name: self.offer.name.clone(), bytes: self.received };
            let next = timeout(options.patience, chunks.next()).await.map_err(|_| abandoned())?;
            let delivery = next.ok_or_else(abandoned)?;
            let whole = match self.take(&delivery.data).await {
                Ok(whole) => whole,
                Err(error) => {
                    say(delivery, &Reply::Refused { reason: "the file could not be taken".into() });
                    return Err(error);
                }
            };
            if !whole {
                say(delivery, &Reply::Received { bytes: self.received });
                continue;
            }
            let ended = self.finish(&options.directory).await;
            let answer = match &ended {
                Ok(_) => Reply::Received { bytes: self.received },
                Err(error) => Reply::Refused { reason: error.to_string() },
            };
            say(delivery, &answer);
            return ended;
        }
    }

    /// Writes a chunk, or nothing of one that came before; true when all is there.
    async fn take(&mut self, chunk: &[u8]) -> Result<bool, FileError> {
        let (offset, data) = chunk.split_first_chunk::<OFFSET>().ok_or(FileError::NotAFile)?;
        let offset = u64::from_be_bytes(*offset);
        let end = offset.checked_add(data.len() as u64).filter(|end| *end <= self.offer.size);
        if end.is_none() || offset > self.received || data.len() > CHUNK {
            return Err(FileError::NotAFile);
        }
        if offset == self.received {
            let failed = |source| FileError::File { path: self.part.clone(), source };
            self.file.write_all(data).await.map_err(failed)?;
            self.hash.update(data);
            self.received += data.len() as u64;
        }
        Ok(self.received == self.offer.size)
    }

    /// Puts the file in its place, if it is what was offered and nothing is there.
    async fn finish(&mut self, directory: &Path) -> Result<ReceivedFile, FileError> {
        let sha256 = hex::encode(self.hash.clone().finalize());
        if sha256 != self.offer.sha256 {
            return Err(FileError::Digest { name: self.offer.name.clone() });
        }
        let path = directory.join(&self.offer.name);
        let placed = async {
            self.file.sync_all().await?;
            // A link, unlike a renaming, does not replace what came there meanwhile.
            fs::hard_link(&self.part, &path).await?;
            fs::remove_file(&self.part).await
        };
        placed.await.map_err(|source: io::Error| FileError::File { path: path.clone(), source })?;
        Ok(ReceivedFile { path, size: self.received, sha256 })
    }
}

fn say(delivery: Delivery, reply: &Reply) {
    if let Err(error) = delivery.respond(reply.encode()) {
        tracing::debug!(%error, "an answer to a sender was lost");
    }
}
