//! What a node keeps of files that other nodes send it.
//!
//! A file is offered by name, length and SHA-256, and comes in pieces. What has come lies in `.nuncio-parts/` under a name
//! made of its sender and of what was offered; once all is there and has that SHA-256, it is put at `SENDER/NAME`, where
//! nothing is ever replaced. So nobody but a file's sender can add to it, and no sender can take a name from another.
//!
//! A part is as long as what has come of it: pieces are written in their order, and those that come early wait in memory.
//! After a kill of either side the next offer of the same goes on at that length. After a power failure bytes may be missing in
//! its middle; the SHA-256 tells, and the file comes anew.
//!
//! Everything here blocks: call it where waiting for a disk is allowed.

mod digest;
mod inbox;
mod limits;
mod open;
mod part;
mod place;
mod refusal;
mod transfer;
mod usage;

pub use digest::sha256_of;
pub use inbox::{Answer, Arrived, Inbox, Listed, OpenError, Statistics, Work};
pub use limits::Limits;
pub use refusal::Refusal;
pub use transfer::{MAX_CHUNK, WINDOW};
