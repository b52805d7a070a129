use std::marker::PhantomData;

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use crate::api::Message;

use super::{Address, ClientError, connection::interrupted};

/// Longest line, in bytes: the longest body with every byte escaped, and room for the other fields.
const MAX_LINE: usize = 6 * nuncio_protocol::MAX_BODY + (1 << 20);

/// Messages as they arrive; dropping it ends the subscription.
pub type Messages = Lines<Message>;

/// What a node says line by line, as it happens; dropping it ends it.
#[derive(Debug)]
pub struct Lines<T> {
    kind: PhantomData<fn() -> T>,
    body: Incoming,
    address: Address,
    buffer: BytesMut,
    /// Bytes of `buffer` that hold no line end.
    searched: usize,
}

impl<T: DeserializeOwned> Lines<T> {
    pub(super) fn new(body: Incoming, address: Address) -> Self {
        Self { kind: PhantomData, body, address, buffer: BytesMut::new(), searched: 0 }
    }

    /// The next one; `None` when the node ended the stream. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// [`ClientError`]; after it the stream is at its end.
    pub async fn next(&mut self) -> Option<Result<T, ClientError>> {
        loop {
            while let Some(line) = self.take_line() {
                if !line.is_empty() {
                    let address = &self.address;
                    let message = serde_json::from_slice(&line);
                    return Some(
                        message.map_err(|source| ClientError::Unreadable { address: address.clone(), source }),
                    );
                }
            }
            if self.buffer.len() > MAX_LINE {
                return Some(Err(interrupted(&self.address, "a line is too long")));
            }
            match self.body.frame().await? {
                Ok(frame) => self.buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
                Err(error) => return Some(Err(interrupted(&self.address, error))),
            }
        }
    }

    fn take_line(&mut self) -> Option<BytesMut> {
        let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = self.buffer.split_to(self.searched + at);
        self.buffer.advance(1);
        self.searched = 0;
        Some(line)
    }
}
