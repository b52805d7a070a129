use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A file for a node (`POST /v1/files/{node}`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileOffer {
    /// What it is called there: a plain name.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// The SHA-256 of all of it, 64 hexadecimal digits.
    pub sha256: String,
}

/// How far a file is (`POST /v1/files/{node}` and `POST /v1/files/{node}/pieces`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileProgress {
    /// Names it in its pieces.
    pub transfer: u64,
    /// Bytes that are there, from the beginning.
    pub received: u64,
    /// What is next.
    pub state: FileState,
}

/// What is next with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileState {
    /// Its pieces from `received` on are awaited.
    Receiving,
    /// All of it is there and its SHA-256 is computed: ask again by offering it again.
    Checking,
    /// It is in its place.
    Done,
    /// The node knows no such transfer: offer it again.
    Unknown,
    /// What came has another SHA-256 and is gone: offered again it begins anew.
    Differs,
    /// Too many files are on their way there: offer it again later.
    Busy,
}
