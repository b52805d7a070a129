use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{IssuerId, Version};
use crate::{Topic, peering::Address};

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Who says it.
    pub node: NodeId,
    /// How new it is.
    pub version: Version,
    /// Where it can be dialled; at most 8.
    pub addresses: Vec<Address>,
    /// The nodes it has a link to; at most [`crate::MAX_NEIGHBOURS`].
    pub neighbours: BTreeSet<NodeId>,
    /// Its AMOP topics and how many of its clients subscribe each, or, of a channel of a private topic, which session has
    /// it; at most [`crate::MAX_TOPIC_BYTES`].
    pub topics: BTreeMap<Topic, u32>,
    /// The common name in its certificate.
    pub name: String,
    /// The common name of the certificate's issuer.
    pub agency: String,
    /// Name and version of its software.
    pub software: String,
    /// The application topics it subscribes; at most [`crate::MAX_MULTICAST_TOPIC_BYTES`].
    pub multicast_topics: BTreeSet<Topic>,
    /// Number of the newest revocation list it holds of each issuer; at most [`crate::MAX_ISSUERS`].
    pub revocations: BTreeMap<IssuerId, u64>,
    /// How many proofs of equivocation it holds.
    pub proofs: u32,
    /// Opaque bytes of the embedding application; at most [`crate::MAX_APPLICATION_FIELD`].
    pub application: Bytes,
    /// What others seal messages to it with, opaque to the core; at most [`crate::MAX_SEALING_KEY`].
    pub sealing_key: Bytes,
    /// Whether it renews certificates of its agency: what others ask of it by
    /// [`crate::UnicastInput::ServiceRequest`].
    pub issues: bool,
    /// Whether multicasts may be pushed to it.
    pub takes_batches: bool,
    /// Whether it takes reports on the messages that it sends.
    pub traces: bool,
    /// Whether batches of other priorities than the normal one may be pushed to it.
    pub takes_priorities: bool,
    /// Its own time when it signed, since its epoch began; whole milliseconds.
    pub clock: Duration,
}

/// A status, with the bytes its owner signed. Whoever hands a record to the core has verified signature
/// and certificate chain; so any node may pass it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The content.
    pub status: Status,
    /// Signed status, signature, certificate chain and pages, as they travel; at most [`crate::MAX_STATUS`].
    pub bytes: Bytes,
    /// The pages that its topics are on, if they are many.
    pub pages: Vec<PageDigest>,
    /// The agencies above its owner's certificate, as [`nuncio_rights::agency_path`] writes them, where they are not
    /// [`Status::agency`] alone. Whoever hands a record to the core has seen the certificate.
    pub agency_path: Option<Arc<str>>,
}

impl Record {
    /// The agencies above its owner's certificate, as rules name them.
    pub fn agency_path(&self) -> &str {
        self.agency_path.as_deref().unwrap_or(&self.status.agency)
    }

    /// Of these the one below the root. Agencies below it, and so its nodes, may be as many as it likes.
    pub(crate) fn agency(&self) -> &str {
        let path = self.agency_path();
        path.split_once('/').map_or(path, |(first, _)| first)
    }
}

/// Names a page of topics: SHA-256 of its bytes. Opaque to the core, which passes whole records on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageDigest(pub [u8; 32]);
