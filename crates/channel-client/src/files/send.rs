use std::{path::Path, time::Duration};

use bytes::Bytes;

use super::{FileError, PATIENCE, sending::Sending};
use crate::{Client, PrivatePublisher, PublishError};

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that the receiver has.
    pub received: u64,
    /// Bytes in all.
    pub size: u64,
}

/// A file that arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentFile {
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, lower-case hexadecimal, which the receiver has checked.
    pub sha256: String,
    /// Answers on the transfer's topic that were not the receiver's.
    pub ignored: u64,
}

/// Where a file is offered.
pub(super) enum Offers<'a> {
    Public(&'a Client, &'a str),
    Private(&'a PrivatePublisher),
}

impl Client {
    /// Sends a file to one subscriber of a topic that receives files ([`Client::receive_files`]), and tells how far it has
    /// come after each chunk. Once accepted it is resumed after broken links and restarts of the receiver, as long as
    /// nothing is missing for more than 60 s.
    ///
    /// # Errors
    /// When the file cannot be read, nobody receives files there, the receiver refuses, or it was lost on the way.
    pub async fn send_file(
        &self,
        topic: &str,
        path: &Path,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<SentFile, FileError> {
        self.send_file_patiently(topic, path, PATIENCE, progress).await
    }

    /// As [`send_file`](Self::send_file), waiting so long for a receiver that is gone or has no room now.
    ///
    /// # Errors
    /// As [`send_file`](Self::send_file).
    pub async fn send_file_patiently(
        &self,
        topic: &str,
        path: &Path,
        patience: Duration,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<SentFile, FileError> {
        Sending::open(self, path, patience, progress).await?.run(&Offers::Public(self, topic)).await
    }
}

impl PrivatePublisher {
    /// As [`Client::send_file_patiently`], to a subscriber that has proved to have a key of the topic
    /// ([`Client::receive_private_files`]).
    ///
    /// # Errors
    /// As [`Client::send_file`].
    pub async fn send_file(
        &self,
        path: &Path,
        patience: Duration,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<SentFile, FileError> {
        Sending::open(self.client(), path, patience, progress).await?.run(&Offers::Private(self)).await
    }
}

impl Offers<'_> {
    pub(super) async fn publish(&self, offer: Vec<u8>) -> Result<Bytes, PublishError> {
        match self {
            Self::Public(client, topic) => client.publish(topic, offer).await,
            Self::Private(publisher) => publisher.publish(offer).await,
        }
    }
}
