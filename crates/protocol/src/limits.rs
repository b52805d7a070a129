//! Constants of the network. Every node has the same; the handshake compares the body limit.

use std::time::Duration;

/// Longest body of a unicast, multicast, broadcast or AMOP message, in bytes.
pub const MAX_BODY: usize = 10 << 20;

/// Longest question to a node itself, in bytes: a certificate request and the certificates there are.
pub const MAX_QUESTION: usize = 32 << 10;

/// Longest piece of a file in one message, in bytes: long enough for the stream of long bodies, so that messages do not wait
/// behind files, and short enough to be sent again.
pub const MAX_FILE_CHUNK: usize = 256 << 10;

/// Longest body of a request to a node itself, in bytes: a piece of a file, with its place. What is no piece is no longer than
/// [`MAX_QUESTION`].
pub const MAX_SERVICE_BODY: usize = MAX_FILE_CHUNK + (1 << 10);

/// A message with a longer body travels on a stream of its own, so that it does not hold up what comes behind it; it may
/// then be overtaken.
pub const LARGE_BODY: usize = 64 << 10;

/// Longest signed status record with its certificate chain, in bytes: room for all that it may say.
pub const MAX_STATUS: usize = 448 << 10;

/// Most bytes of the AMOP topics that one node may advertise: their names and [`TOPIC_COST`] for each. A thousand names of
/// the greatest length fit, and eight thousand short ones.
pub const MAX_TOPIC_BYTES: usize = 288 << 10;

/// Most bytes of the application topics that one node may subscribe, counted likewise.
pub const MAX_MULTICAST_TOPIC_BYTES: usize = 32 << 10;

/// Most bytes of the AMOP topics that one client subscribes, counted likewise; a list over it is refused whole.
pub const MAX_CLIENT_TOPIC_BYTES: usize = 1 << 20;

/// The same of all clients of a node.
pub const MAX_CLIENTS_TOPIC_BYTES: usize = 16 << 20;

/// What a topic counts besides its name, in bytes.
pub const TOPIC_COST: usize = 16;

/// Most topics one node relays multicasts of without subscribing them.
pub const MAX_RELAYED_TOPICS: usize = 4096;

/// Most issuers of revocation lists one status names.
pub const MAX_ISSUERS: usize = 64;

/// Most neighbours one node may name: 64 KiB of its record.
pub const MAX_NEIGHBOURS: usize = 1024;

/// Most nodes one node keeps records of; further ones are ignored.
pub const MAX_NODES: usize = 16 << 10;

/// Most nodes that are expelled at a time; further ones are refused by their certificates alone.
pub const MAX_EXPELLED: usize = 1024;

/// Most links a message crosses.
pub const MAX_HOPS: u8 = 16;

/// Longest key that messages to a node are sealed with, in bytes.
pub const MAX_SEALING_KEY: usize = 64;

/// Longest application field in a status, in bytes.
pub const MAX_APPLICATION_FIELD: usize = 4 << 10;

/// The longest a message counts after it was sent; so the longest time a request may take.
pub const MAX_LIFETIME: Duration = Duration::from_secs(60);
