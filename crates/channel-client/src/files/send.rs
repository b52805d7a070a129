use std::{path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    time::{Instant, sleep},
};

use super::{CHUNK, FileError, OFFSET, Offer, Reply, is_plain_name};
use crate::{Client, PublishError};

/// How long the receiver's own topic may take to be known everywhere.
const SPREADING: Duration = Duration::from_secs(5);

/// Pause between two attempts at one chunk.
const PAUSE: Duration = Duration::from_millis(100);

/// Most attempts at one chunk, once the receiver's topic is known.
const ATTEMPTS: usize = 5;

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that the receiver has.
    pub received: u64,
    /// Bytes in all.
    pub size: u64,
}

/// A file that arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentFile {
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, lower-case hexadecimal, which the receiver has checked.
    pub sha256: String,
}

impl Client {
    /// Sends a file to one subscriber of a topic that receives files ([`Client::receive_files`]), and tells how far it has
    /// come after each chunk.
    ///
    /// # Errors
    /// When the file cannot be read, nobody receives files there, the receiver refuses, or it was lost on the way.
    pub async fn send_file(
        &self,
        topic: &str,
        path: &Path,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<SentFile, FileError> {
        let failed = |source| FileError::File { path: path.into(), source };
        let name = path.file_name().and_then(|name| name.to_str()).filter(|name| is_plain_name(name));
        let name = name.ok_or_else(|| FileError::Name { path: path.into() })?.to_owned();
        let mut file = File::open(path).await.map_err(failed)?;
        let (size, sha256) = digest(&mut file).await.map_err(failed)?;
        file.rewind().await.map_err(failed)?;

        let offer = Offer { name, size, sha256: sha256.clone() };
        let offered = serde_json::to_vec(&offer).expect("texts and numbers are always JSON");
        let Reply::Accepted { topic } = reply(&self.publish(topic, offered).await?)? else {
            return Err(FileError::NotAFile);
        };
        let mut sent: u64 = 0;
        loop {
            let mut chunk = BytesMut::with_capacity(OFFSET + CHUNK);
            chunk.extend_from_slice(&sent.to_be_bytes());
            let wanted = usize::try_from(size - sent).unwrap_or(CHUNK).min(CHUNK);
            chunk.resize(OFFSET + wanted, 0);
            let read = file.read_exact(&mut chunk[OFFSET..]).await;
            read.map_err(|_| FileError::Changed { path: path.into() })?;
            sent += wanted as u64;
            match reply(&self.send_chunk(&topic, chunk.freeze()).await?)? {
                Reply::Received { bytes } if bytes == sent => progress(Progress { received: sent, size }),
                _ => return Err(FileError::NotAFile),
            }
            if sent == size {
                return Ok(SentFile { size, sha256 });
            }
        }
    }

    /// Nobody may know the receiver's topic yet; later a lost answer means to send it again.
    async fn send_chunk(&self, topic: &str, chunk: Bytes) -> Result<Bytes, PublishError> {
        let started = Instant::now();
        let mut attempts = 0;
        loop {
            let error = match self.publish(topic, chunk.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = match &error {
                PublishError::NoSubscriber { .. } | PublishError::OverLimit => started.elapsed() < SPREADING,
                PublishError::Timeout { .. }
                | PublishError::SubscriberGone { .. }
                | PublishError::NoAnswer { .. }
                | PublishError::Disconnected { .. } => {
                    attempts += 1;
                    attempts < ATTEMPTS
                }
                _ => false,
            };
            if !again {
                return Err(error);
            }
            sleep(PAUSE).await;
        }
    }
}

fn reply(answer: &[u8]) -> Result<Reply, FileError> {
    match serde_json::from_slice(answer) {
        Ok(Reply::Refused { reason }) => Err(FileError::Refused { reason }),
        Ok(reply) => Ok(reply),
        Err(_) => Err(FileError::NotAFile),
    }
}

async fn digest(file: &mut File) -> std::io::Result<(u64, String)> {
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            return Ok((size, hex::encode(hash.finalize())));
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
}
