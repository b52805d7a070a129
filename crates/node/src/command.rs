use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_metrics::CallKind;
use nuncio_pki::Identity;
use nuncio_protocol::{Topic, status_sync::Record, trace::Trace, unicast::UnicastError};
use tokio::sync::oneshot;

use crate::{
    Listener,
    handle::{AddressError, Answer, MessageId, PublishError, RenewalError},
    way::Way,
};

/// What a handle asks of the event loop.
pub(crate) enum Command {
    Ask {
        /// Whether the application is asked, or the node itself.
        kind: CallKind,
        target: NodeId,
        body: Bytes,
        timeout: Duration,
        trace: Trace,
        /// Where the way goes of a request that the hops report on.
        way: Option<oneshot::Sender<Way>>,
        answer: oneshot::Sender<Result<Answer, UnicastError>>,
    },
    Publish {
        topic: Option<Topic>,
        data: Bytes,
        answer: oneshot::Sender<Result<MessageId, PublishError>>,
    },
    Listen {
        topics: Vec<Topic>,
        requests: bool,
        started: oneshot::Sender<Listener>,
    },
    AddPeer {
        address: String,
        answer: oneshot::Sender<Result<(), AddressError>>,
    },
    RemovePeer {
        peer: String,
        answer: oneshot::Sender<bool>,
    },
    PolicyChanged,
    RightsChanged,
    Renew {
        identity: Arc<Identity>,
        answer: oneshot::Sender<Result<(), RenewalError>>,
    },
    Route {
        target: NodeId,
        answer: oneshot::Sender<Option<Vec<NodeId>>>,
    },
    Record {
        node: NodeId,
        answer: oneshot::Sender<Option<Arc<Record>>>,
    },
    ApplicationField {
        bytes: Bytes,
    },
}

impl Command {
    /// What it counts in the queue of commands: the body.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Ask { body: data, .. } | Self::Publish { data, .. } | Self::ApplicationField { bytes: data } => {
                data.len()
            }
            _ => 0,
        }
    }
}
