use std::time::Duration;

use bytes::Bytes;
use hyper::Method;

use super::{Client, ClientError, path::escape};
use crate::api::{FileOffer, FileProgress, ReceivedFile};

/// How long the other node may take for an offer, and for a part of a file.
const OFFER: Duration = Duration::from_secs(30);
const PIECES: Duration = Duration::from_secs(120);

impl Client {
    /// Files that other nodes have sent to this one, and those on their way.
    ///
    /// # Errors
    /// [`ClientError`]; with `no_handler` the node takes none.
    pub async fn files(&self) -> Result<Vec<ReceivedFile>, ClientError> {
        self.read("/v1/files").await
    }

    /// Offers a file to a node (or the one with this prefix), or asks how far one is that was offered.
    ///
    /// # Errors
    /// [`ClientError`]; its code says whether it makes sense to offer it again.
    pub async fn offer_file(&self, node: &str, offer: &FileOffer) -> Result<FileProgress, ClientError> {
        let body = serde_json::to_vec(offer).map_err(|source| self.unreadable(source))?;
        let path = format!("/v1/files/{}", escape(node));
        self.parse(self.call(Method::POST, &path, body.into(), self.timeout.saturating_add(OFFER)).await?)
    }

    /// Sends a part of an offered file and waits until the node has it.
    ///
    /// # Errors
    /// As [`Client::offer_file`]; what had come of the part is there.
    pub async fn send_pieces(
        &self,
        node: &str,
        transfer: u64,
        offset: u64,
        part: Bytes,
    ) -> Result<FileProgress, ClientError> {
        let path = format!("/v1/files/{}/pieces?transfer={transfer}&offset={offset}", escape(node));
        self.parse(self.send_body(&path, part, self.timeout.saturating_add(PIECES)).await?)
    }
}
