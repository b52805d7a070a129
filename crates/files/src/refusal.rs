/// Why a file, or a piece of one, is not taken; offered again it would not be either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Its name could be read as something else than a name.
    #[error("its name is no plain file name")]
    Name,
    /// Another file has its name.
    #[error("{name} is there already, and is another file")]
    Taken {
        /// The name.
        name: String,
    },
    /// A quota of bytes.
    #[error("it has {length} bytes, and of the {limit} that {whose} may take {free} are left")]
    NoRoom {
        /// Its length.
        length: u64,
        /// The quota, in bytes.
        limit: u64,
        /// Whose.
        whose: &'static str,
        /// What is left of it, in bytes.
        free: u64,
    },
    /// The quota of files.
    #[error("there are {limit} files already, the most that are kept")]
    TooMany {
        /// The quota.
        limit: usize,
    },
    /// The same file was offered once more, and goes on there.
    #[error("another run of its sender has taken it over")]
    TakenOver,
    /// The piece does not belong where it says.
    #[error("{0}")]
    Piece(String),
    /// The disk, in the system's words.
    #[error("{0}")]
    Disk(String),
}

impl Refusal {
    /// A word for metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Taken { .. } => "taken",
            Self::NoRoom { .. } => "no_room",
            Self::TooMany { .. } => "too_many",
            Self::TakenOver => "taken_over",
            Self::Piece(_) => "piece",
            Self::Disk(_) => "disk",
        }
    }
}
