//! Files over AMOP, in chunks: a sender offers, one receiver accepts and names a topic of its own, chunks follow there.
//!
//! | message | payload | answer |
//! |---|---|---|
//! | offer, on the agreed topic | [`message::Offer`], JSON | [`message::Reply`], JSON: accepted with a topic, or refused |
//! | chunk, on that topic | [`message::Chunk`], sealed | [`message::Receipt`], JSON, sealed |
//!
//! # What counts
//! Any SDK of the network may publish to either topic, subscribe them too and answer what comes to it. So an offer and its
//! acceptance carry a fresh X25519 key each, and chunks and receipts are sealed with keys that only these two can derive
//! ([`message::Seal`]); a receipt is sealed to the very chunk it answers. Whatever does not open is **ignored and counted**
//! ([`ReceivedFile::ignored`], [`SentFile::ignored`]), never an end: a forged chunk is declined, a forged receipt means
//! that the chunk is sent again. Knowing the offer, the topic or recorded messages helps nobody. A list of hashes in the
//! offer would bind chunks as well, but not receipts, and would grow with the file.
//!
//! Who *may* offer, and accept, is whoever is let to the agreed topic: on a private one, who has a key of it may accept
//! ([`PrivatePublisher::send_file`](crate::PrivatePublisher::send_file)). Each offer is a transfer of its own; of two with one
//! name the first that is whole has it, the other is told so. Nobody can end a transfer of others; who takes part in an
//! open topic can still take a receiver's places ([`InboxOptions::max_at_once`]) and its quota.
//!
//! # Resuming
//! What has come is kept in a file named after what was offered (name, length, SHA-256) when the sender goes silent or
//! the receiver dies, and the next offer of the same goes on behind it. Only the SHA-256 of the whole decides: a file that was
//! resumed and does not have it is fetched once more from its beginning. A sender that loses its receiver offers again.

mod desk;
mod inbox;
mod leftovers;
pub mod message;
mod part;
mod quota;
mod receive;
mod send;
mod sending;
mod topic;

use std::{io, path::PathBuf, time::Duration};

use crate::{PublishError, SubscribeError};
pub use inbox::{FileInbox, InboxOptions};
pub use receive::{Coming, ReceivedFile};
pub use send::{Progress, SentFile};

/// How long a sender and a receiver wait for each other, unless told otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Why a file was not sent or received.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The path has no file name that can be offered.
    #[error(
        "{} has no file name that can be sent: at most 255 bytes, no control characters, no dot or dash first, no dot or \
         blank last, no name of a device", path.display()
    )]
    Name {
        /// Which.
        path: PathBuf,
    },
    /// The file changed while it was read.
    #[error("{} changed while it was sent", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// The receiver does not take it.
    #[error("the receiver refused the file: {reason}")]
    Refused {
        /// In its words, without control characters and cut.
        reason: String,
    },
    /// The other side does not speak of files, or not as agreed.
    #[error("the answer is none to a file: the subscriber of the topic does not receive files")]
    NotAFile,
    /// A message did not get through.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The receiver was not heard for too long; others answered in its place.
    #[error("no word of the receiver; {ignored} answers of others on the transfer's topic were ignored")]
    Unheard {
        /// Answers that were not the receiver's.
        ignored: u64,
    },
    /// Its topic could not be subscribed.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The sender went silent.
    #[error("{name}: no chunk came for too long, after {bytes} bytes; kept to be resumed")]
    Abandoned {
        /// The file's name.
        name: String,
        /// What had come.
        bytes: u64,
    },
    /// What came is not what was offered.
    #[error("{name}: what came has another SHA-256 than was offered")]
    Digest {
        /// The file's name.
        name: String,
    },
    /// The receiver's total is used up: a file that had to be fetched twice needs room twice.
    #[error("{name}: no more bytes are taken in all")]
    Quota {
        /// The file's name.
        name: String,
    },
    /// Another file of that name came while this one was on its way.
    #[error("{name} is there already; what came is kept to be resumed once it is gone")]
    Taken {
        /// The file's name.
        name: String,
    },
}
