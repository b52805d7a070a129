//! Files for a node's operator: an offer, pieces, and how far they have come.

use bytes::Bytes;
use nuncio_protocol::MAX_FILE_CHUNK;

use super::bounded;
use crate::{DecodeError, proto};

/// Longest name of a file, in bytes.
pub const MAX_FILE_NAME: usize = 255;

/// A file that the sender has. Offered once more, it goes on where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOffer {
    /// Its name, as the sender says: at most [`MAX_FILE_NAME`] bytes, and nothing else is checked.
    pub name: String,
    /// Its length.
    pub length: u64,
    /// The SHA-256 of the whole.
    pub sha256: [u8; 32],
}

/// A piece of an accepted file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChunk {
    /// As the answer to the offer named it.
    pub transfer: u64,
    /// Where in the file it begins.
    pub offset: u64,
    /// 1 to [`MAX_FILE_CHUNK`] bytes.
    pub data: Bytes,
}

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileProgress {
    /// Names the file in its pieces.
    pub transfer: u64,
    /// How many bytes are there, from the beginning.
    pub received: u64,
    /// What is next.
    pub state: FileState,
}

/// What is next with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileState {
    /// Its next pieces are awaited.
    Receiving,
    /// All of it is there and its SHA-256 is computed; to be asked for by offering it again.
    Checking,
    /// It is in its place, with the SHA-256 that was offered.
    Done,
    /// No such transfer is open; to be offered again.
    Unknown,
    /// What came has another SHA-256 and is gone; offered again it begins anew.
    Differs,
    /// Too many files are on their way; to be offered again later.
    Busy,
}

impl FileOffer {
    pub(super) fn into_proto(self) -> proto::FileOffer {
        let Self { name, length, sha256 } = self;
        proto::FileOffer { name, length, sha256: Bytes::copy_from_slice(&sha256) }
    }

    pub(super) fn from_proto(proto::FileOffer { name, length, sha256 }: proto::FileOffer) -> Result<Self, DecodeError> {
        bounded("name of a file", name.len(), MAX_FILE_NAME)?;
        let sha256 = sha256[..].try_into().map_err(|_| DecodeError::Field { field: "sha256" })?;
        Ok(Self { name, length, sha256 })
    }
}

impl FileChunk {
    pub(super) fn into_proto(self) -> proto::FileChunk {
        let Self { transfer, offset, data } = self;
        proto::FileChunk { transfer, offset, data }
    }

    pub(super) fn from_proto(read: proto::FileChunk) -> Result<Self, DecodeError> {
        let proto::FileChunk { transfer, offset, data } = read;
        bounded("piece of a file", data.len(), MAX_FILE_CHUNK)?;
        if data.is_empty() {
            return Err(DecodeError::Field { field: "data" });
        }
        Ok(Self { transfer, offset, data })
    }
}

impl FileProgress {
    pub(super) fn into_proto(self) -> proto::FileProgress {
        let Self { transfer, received, state } = self;
        let state = match state {
            FileState::Receiving => proto::FileState::Receiving,
            FileState::Checking => proto::FileState::Checking,
            FileState::Done => proto::FileState::Done,
            FileState::Unknown => proto::FileState::Unknown,
            FileState::Differs => proto::FileState::Differs,
            FileState::Busy => proto::FileState::Busy,
        };
        proto::FileProgress { transfer, received, state: state.into() }
    }

    pub(super) fn from_proto(read: proto::FileProgress) -> Result<Self, DecodeError> {
        let state = match read.state() {
            proto::FileState::Receiving => FileState::Receiving,
            proto::FileState::Checking => FileState::Checking,
            proto::FileState::Done => FileState::Done,
            proto::FileState::Unknown => FileState::Unknown,
            proto::FileState::Differs => FileState::Differs,
            proto::FileState::Busy => FileState::Busy,
            proto::FileState::Unspecified => return Err(DecodeError::Field { field: "state" }),
        };
        Ok(Self { transfer: read.transfer, received: read.received, state })
    }
}
