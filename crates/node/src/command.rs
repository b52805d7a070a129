use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_metrics::CallKind;
use nuncio_pki::Identity;
use nuncio_protocol::{Priority, Topic, status_sync::Record, trace::Trace, unicast::UnicastError};
use tokio::sync::oneshot;

use crate::{
    Listener,
    handle::{AddressError, Answer, MessageId, PublishError, RenewalError},
    queue,
    way::Way,
};

/// Commands of handles that wait at the most; callers wait beyond that.
const MOST: usize = 1024;

/// Bytes of their bodies.
const MOST_BYTES: usize = 64 << 20;

/// The same of urgent requests and multicasts, which wait beside the others.
const MOST_URGENT: usize = 256;
const MOST_URGENT_BYTES: usize = 16 << 20;

pub(crate) const BOUND: Bound =
    Bound::of_bytes("commands of applications and operators", MOST_BYTES + MOST_URGENT_BYTES, "callers wait")
        .in_entries(MOST + MOST_URGENT);

/// Where commands go in, and where they come out.
pub(crate) fn channel() -> (Commander, Commands) {
    let (urgent, first) = queue::channel(MOST_URGENT, MOST_URGENT_BYTES);
    let (rest, others) = queue::channel(MOST, MOST_BYTES);
    (Commander { urgent, rest }, Commands { urgent: first, rest: others })
}

/// The handles' side.
#[derive(Clone)]
pub(crate) struct Commander {
    urgent: queue::Sender<Command>,
    rest: queue::Sender<Command>,
}

/// The event loop's side.
pub(crate) struct Commands {
    urgent: queue::Receiver<Command>,
    rest: queue::Receiver<Command>,
}

impl Commander {
    /// Waits for room in the node's queue.
    pub(crate) async fn send(&self, command: Command) -> Result<(), queue::Closed> {
        let bytes = command.bytes();
        let queue = if command.is_urgent() { &self.urgent } else { &self.rest };
        queue.send(command, bytes).await
    }

    pub(crate) fn taken(&self) -> [queue::Taken; 2] {
        [self.urgent.taken(), self.rest.taken()]
    }
}

impl Commands {
    /// The next command, urgent ones first.
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Command>> {
        match self.urgent.poll_recv(cx) {
            Poll::Ready(Some(command)) => Poll::Ready(Some(command)),
            // Handles have both ends.
            Poll::Ready(None) | Poll::Pending => self.rest.poll_recv(cx),
        }
    }
}

/// What a handle asks of the event loop.
pub(crate) enum Command {
    Ask {
        /// Whether the application is asked, or the node itself.
        kind: CallKind,
        target: NodeId,
        body: Bytes,
        timeout: Duration,
        trace: Trace,
        priority: Priority,
        /// Where the way goes of a request that the hops report on.
        way: Option<oneshot::Sender<Way>>,
        answer: oneshot::Sender<Result<Answer, UnicastError>>,
    },
    Publish {
        priority: Priority,
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
    /// Whether it is for something that goes before what is normal.
    const fn is_urgent(&self) -> bool {
        matches!(self, Self::Ask { priority, .. } | Self::Publish { priority, .. } if priority.is_urgent())
    }

    /// What it counts in the queue of commands: the body.
    fn bytes(&self) -> usize {
        match self {
            Self::Ask { body: data, .. } | Self::Publish { data, .. } | Self::ApplicationField { bytes: data } => {
                data.len()
            }
            _ => 0,
        }
    }
}
