//! Constants of the network. Every node has the same; the handshake compares the body limit.

use std::time::Duration;

/// Longest body of a unicast, multicast, broadcast or AMOP message, in bytes.
pub const MAX_BODY: usize = 10 << 20;

/// A message with a longer body travels on a stream of its own, so that it does not hold up what comes behind it; it may
/// then be overtaken.
pub const LARGE_BODY: usize = 64 << 10;

/// Longest signed status record with its certificate chain, in bytes.
pub const MAX_STATUS: usize = 256 << 10;

/// Most AMOP topics one node may advertise.
pub const MAX_TOPICS_PER_NODE: usize = 1024;

/// Most topics one node relays multicasts of without subscribing them.
pub const MAX_RELAYED_TOPICS: usize = 4096;

/// Most issuers of revocation lists one status names.
pub const MAX_ISSUERS: usize = 64;

/// Most neighbours one node may name.
pub const MAX_NEIGHBOURS: usize = 256;

/// Most nodes one node keeps records of; further ones are ignored.
pub const MAX_NODES: usize = 1024;

/// Most links a message crosses.
pub const MAX_HOPS: u8 = 16;

/// Longest key that messages to a node are sealed with, in bytes.
pub const MAX_SEALING_KEY: usize = 64;

/// Longest application field in a status, in bytes.
pub const MAX_APPLICATION_FIELD: usize = 4 << 10;

/// The longest a message counts after it was sent; so the longest time a request may take.
pub const MAX_LIFETIME: Duration = Duration::from_secs(60);
