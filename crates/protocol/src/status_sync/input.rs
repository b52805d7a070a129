use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{Answer, IssuerId, Query, QueryId, Record};
use crate::{Topic, peering::Address};

/// What concerns the own status and those of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusInput {
    /// The addresses this node can be dialled at.
    LocalAddresses {
        /// All of them; at most 8 are used.
        addresses: Vec<Address>,
    },
    /// The revocation lists this node holds now.
    RevocationLists {
        /// The newest number of each issuer; at most [`crate::MAX_ISSUERS`] are told.
        numbers: BTreeMap<IssuerId, u64>,
    },
    /// The own certificate chain was replaced: the own status is signed again, under a new seq, and
    /// peers that could not be linked are dialled again at once.
    CertificateRenewed,
    /// The application topics this node subscribes; they replace what was said before.
    MulticastTopics {
        /// All of them; beyond [`crate::MAX_MULTICAST_TOPIC_BYTES`] those that came last are not told to others.
        topics: BTreeSet<Topic>,
    },
    /// The application's opaque status field.
    ApplicationField {
        /// At most [`crate::MAX_APPLICATION_FIELD`] bytes; longer ones are cut.
        bytes: Bytes,
    },
    /// The edge signed the status of [`crate::Output::Sign`].
    Signed {
        /// The own record.
        record: Arc<Record>,
    },
    /// A peer asks.
    Queried {
        /// Its name, for [`crate::Output::Answer`].
        query: QueryId,
        /// Who asks.
        peer: NodeId,
        /// What.
        wanted: Query,
        /// How many pages of topics it names, which it need not be sent; the core knows nothing else of them.
        pages: usize,
    },
    /// A peer answered.
    Answered {
        /// Who.
        peer: NodeId,
        /// What.
        answer: Answer,
    },
    /// A peer did not answer.
    QueryFailed {
        /// Who.
        peer: NodeId,
    },
    /// A peer answered a [`Query::Revocations`]; the edge has judged and taken the lists already.
    RevocationsAnswered {
        /// Who.
        peer: NodeId,
    },
}
