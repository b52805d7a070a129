use nuncio_node::service;
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

/// A file that another node has sent, or of which something has come (`GET /v1/files`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceivedFile {
    /// Who sends it; its directory has this name.
    pub node_id: String,
    /// Its name; none of what waits to go on, until its sender offers it again.
    pub name: Option<String>,
    /// Bytes that are there.
    pub received: u64,
    /// Its length in bytes, where it is known.
    pub length: Option<u64>,
    /// `receiving` (or waiting to go on), `checking` or `done`.
    pub state: FileState,
    /// When something was last written, Unix time in seconds.
    pub modified: Option<u64>,
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

impl FileState {
    /// The word that JSON has for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Checking => "checking",
            Self::Done => "done",
            Self::Unknown => "unknown",
            Self::Differs => "differs",
            Self::Busy => "busy",
        }
    }
}

impl From<service::FileState> for FileState {
    fn from(state: service::FileState) -> Self {
        match state {
            service::FileState::Receiving => Self::Receiving,
            service::FileState::Checking => Self::Checking,
            service::FileState::Done => Self::Done,
            service::FileState::Differs => Self::Differs,
            service::FileState::Busy => Self::Busy,
            // Also what a later release may say.
            _ => Self::Unknown,
        }
    }
}
