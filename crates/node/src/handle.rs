mod follow;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_metrics::{CallKind, Metrics};
use nuncio_pki::Identity;
use nuncio_protocol::{
    MAX_BODY, Priority, Topic,
    amop::ClientInput,
    status_sync::Record,
    trace::{Trace, TraceParent},
    unicast::{InboundId, UnicastError, Unknown},
};
use nuncio_rights::{Act, Rights};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Listener, NodeSnapshot,
    command::{Command, Commander},
    event_loop::{cast, publish_result},
    publisher::{Post, Publisher},
    queue,
    replies::Replies,
    rights::SharedRights,
    service::{self, ServiceError},
    snapshot::Snapshot,
};

/// The way to talk to a running node. Cheap to clone; every method may be called from any task.
#[derive(Clone)]
pub struct NodeHandle {
    pub(crate) node: NodeId,
    pub(crate) priority: Priority,
    pub(crate) commands: Commander,
    pub(crate) posts: mpsc::UnboundedSender<Post>,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) client_inputs: mpsc::Sender<ClientInput>,
    pub(crate) rights: SharedRights,
    pub(crate) metrics: Metrics,
}

impl NodeHandle {
    /// This node.
    pub fn node_id(&self) -> NodeId {
        self.node
    }

    /// The same way, whose requests, multicasts and broadcasts are as urgent as this says; those of one without are
    /// [`Priority::Normal`]. What has one priority keeps its order.
    pub fn with_priority(&self, priority: Priority) -> Self {
        Self { priority, ..self.clone() }
    }

    /// Asks the application at `target`; ends within `timeout` in exactly one answer or error.
    ///
    /// # Errors
    /// See [`UnicastError`]; which of them mean that the application did not see the request is written there.
    pub async fn request(&self, target: NodeId, body: Bytes, timeout: Duration) -> Result<Answer, UnicastError> {
        self.request_in(target, body, timeout, None).await
    }

    /// Asks `target` itself, which no application there sees; ends within `timeout`. Only for nodes that know such requests
    /// ([`NodeSnapshot::serves`](crate::NodeSnapshot::serves)), and for renewals those that say so
    /// ([`NodeSnapshot::issues`](crate::NodeSnapshot::issues)).
    ///
    /// # Errors
    /// As [`NodeHandle::request`], and when the answer cannot be read.
    pub async fn ask_service(
        &self,
        target: NodeId,
        wanted: &service::Request,
        timeout: Duration,
    ) -> Result<service::Answer, ServiceError> {
        let body = wanted.encode();
        let how = (Trace::default(), Priority::default());
        let answer = self.ask_once(CallKind::Service, target, body, timeout, how).await?;
        Ok(service::Answer::decode(answer.body)?)
    }

    /// Asks once, without a report of the way.
    async fn ask_once(
        &self,
        kind: CallKind,
        target: NodeId,
        body: Bytes,
        timeout: Duration,
        (trace, priority): (Trace, Priority),
    ) -> Result<Answer, UnicastError> {
        self.exchange(|answer| Command::Ask { kind, target, body, timeout, trace, priority, way: None, answer }).await
    }

    async fn exchange(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<Answer, UnicastError>>) -> Command,
    ) -> Result<Answer, UnicastError> {
        let (answer, outcome) = oneshot::channel();
        if self.ask(command(answer)).await.is_err() {
            return Err(UnicastError::Stopped);
        }
        outcome.await.unwrap_or(Err(UnicastError::Unknown(Unknown::Stopped)))
    }

    /// Sends to every node that listens to `topic`: each gets it once and in this node's order, or is told that it misses it.
    ///
    /// The node keeps it for fifty seconds, for those who miss it: data of 16 KiB and more, with whatever it is a slice of.
    ///
    /// # Errors
    /// When this node may not publish to the topic, the data is too long, the links to all who listen are full, or the node has
    /// stopped.
    pub async fn publish(&self, topic: Topic, data: Bytes) -> Result<MessageId, PublishError> {
        if let Err(reason) = self.judge(Act::Publish, &topic) {
            return Err(self.refused(Some(&topic), PublishError::Denied { reason }));
        }
        self.gossip(Some(topic), data).await
    }

    /// Sends to every node: each gets it once and in this node's order, or is told that it misses it.
    ///
    /// # Errors
    /// When the data is too long, the links to all nodes are full, or the node has stopped.
    pub async fn broadcast(&self, data: Bytes) -> Result<MessageId, PublishError> {
        self.gossip(None, data).await
    }

    /// The way to send many messages, one after the other, to every node that listens to `topic`, or to every node.
    pub fn publisher(&self, topic: Option<Topic>) -> Publisher {
        Publisher::new(self.clone(), topic)
    }

    /// Takes what arrives: multicasts of those `topics` that this node may subscribe, every broadcast, and, with `requests`, unicasts. Dropping the
    /// listener ends that. When several listeners take unicasts, they take turns. One that is behind by more than
    /// [`crate::Config::listener_queue`] misses multicasts, which it is told, and is passed over for unicasts.
    pub async fn listen(&self, topics: Vec<Topic>, requests: bool) -> Listener {
        let (started, listener) = oneshot::channel();
        let _ = self.ask(Command::Listen { topics, requests, started }).await;
        // A stopped node never starts a listener; then `next` ends at once.
        listener.await.unwrap_or_else(|_| Listener::new(queue::channel(1, 1).1, queue::channel(1, 1).1))
    }

    /// Wants a link to whoever answers at `address`: `host:port`, `ip:port`, `[ipv6]:port` or a multiaddr.
    ///
    /// # Errors
    /// When the text is no address, or the node has stopped.
    pub async fn add_peer(&self, address: String) -> Result<(), AddPeerError> {
        let (answer, outcome) = oneshot::channel();
        self.ask(Command::AddPeer { address, answer }).await.map_err(|_| AddPeerError::Stopped)?;
        Ok(outcome.await.map_err(|_| AddPeerError::Stopped)??)
    }

    /// No longer wants the configured peer of this address or node ID; its link is closed. Says whether there was
    /// such a peer.
    pub async fn remove_peer(&self, peer: String) -> bool {
        let (answer, outcome) = oneshot::channel();
        let _ = self.ask(Command::RemovePeer { peer, answer }).await;
        outcome.await.unwrap_or(false)
    }

    /// Tells the node that the shared policy was replaced: links that it no longer admits are closed.
    pub async fn policy_changed(&self) {
        let _ = self.ask(Command::PolicyChanged).await;
    }

    /// Puts rights into force: for what comes from other nodes, and for applications here.
    pub async fn set_rights(&self, rights: Arc<Rights>) {
        self.rights.set(rights);
        let _ = self.ask(Command::RightsChanged).await;
    }

    /// Whether applications at this node may do so with a topic, by the rights in force.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn judge(&self, act: Act, topic: &Topic) -> Result<(), String> {
        self.rights.judge(act, topic)
    }

    /// Whether another node is shown at this one: nodes of namespaces are, where this node is in one of them too.
    pub fn sees(&self, node: &NodeSnapshot) -> bool {
        self.rights.sees(node)
    }

    /// Shows a renewed certificate from now on: to peers that connect, and in the status record, from which linked
    /// peers learn it. No link is dropped.
    ///
    /// # Errors
    /// When the certificate is for another key, or names the node or its agency otherwise, or the node has stopped.
    pub async fn renew(&self, identity: Arc<Identity>) -> Result<(), RenewalError> {
        let (answer, outcome) = oneshot::channel();
        let command = Command::Renew { identity, answer };
        self.ask(command).await.map_err(|_| RenewalError::Stopped)?;
        outcome.await.unwrap_or(Err(RenewalError::Stopped))
    }

    /// The nodes on the path to `target`, this node first; `None` when it cannot be reached.
    pub async fn route(&self, target: NodeId) -> Option<Vec<NodeId>> {
        let (answer, outcome) = oneshot::channel();
        self.ask(Command::Route { target, answer }).await.ok()?;
        outcome.await.ok().flatten()
    }

    /// The newest status record of a node, its application field included; `None` when none is known.
    pub async fn record(&self, node: NodeId) -> Option<Arc<Record>> {
        let (answer, outcome) = oneshot::channel();
        self.ask(Command::Record { node, answer }).await.ok()?;
        outcome.await.ok().flatten()
    }

    /// Sets the opaque application field of the own status, at most
    /// [`nuncio_protocol::MAX_APPLICATION_FIELD`] bytes.
    pub async fn set_application_field(&self, bytes: Bytes) {
        let _ = self.ask(Command::ApplicationField { bytes }).await;
    }

    /// Waits until there is a way to `node`, and its status is here.
    ///
    /// # Errors
    /// When there is none within `timeout`, or this node stops.
    pub async fn wait_reachable(&self, node: NodeId, timeout: Duration) -> Result<(), NotReachable> {
        let mut snapshots = self.snapshots();
        let is_there = |known: &NodeSnapshot| known.reachable && known.record.is_some();
        let reached = snapshots.wait_for(|snapshot| snapshot.node(node).is_some_and(is_there));
        match tokio::time::timeout(timeout, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(NotReachable::Stopped),
            Err(_) => Err(NotReachable::InTime { node, after: timeout }),
        }
    }

    /// What the node knows now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// Every change of the snapshot.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Where the gateway says what clients do.
    pub fn client_inputs(&self) -> mpsc::Sender<ClientInput> {
        self.client_inputs.clone()
    }

    /// What the node counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn refused(&self, topic: Option<&Topic>, error: PublishError) -> PublishError {
        self.metrics.node.published.increment((cast(topic), publish_result(Err(&error))));
        error
    }

    /// Waits for room in the node's queue.
    async fn ask(&self, command: Command) -> Result<(), queue::Closed> {
        self.commands.send(command).await
    }

    async fn gossip(&self, topic: Option<Topic>, data: Bytes) -> Result<MessageId, PublishError> {
        if data.len() > MAX_BODY {
            let error = PublishError::TooLarge { bytes: data.len(), limit: MAX_BODY };
            return Err(self.refused(topic.as_ref(), error));
        }
        let (answer, outcome) = oneshot::channel();
        let command = Command::Publish { priority: self.priority, topic, data, answer };
        self.ask(command).await.map_err(|_| PublishError::Stopped)?;
        outcome.await.unwrap_or(Err(PublishError::Stopped))
    }
}

impl fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeHandle").field("node", &self.node).finish_non_exhaustive()
    }
}

/// Why a certificate was not swapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenewalError {
    /// A renewed certificate keeps the key: the key is the node's identity.
    #[error("the new certificate is for node {new}, this is node {own}: renew keeps the key")]
    OtherKey {
        /// The node of the new certificate, first digits.
        new: String,
        /// This node, first digits.
        own: String,
    },
    /// Name and agency are part of what peers know; they change with a restart only.
    #[error("the new certificate names {new}, this node runs as {own}: restart it to change that")]
    OtherName {
        /// What the new one says.
        new: String,
        /// What the node runs as.
        own: String,
    },
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// The reply to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The application's bytes.
    pub body: Bytes,
    /// Links the reply crossed.
    pub hops: u8,
    /// From the request's entry into the node to the reply.
    pub rtt: Duration,
}

/// Names a multicast or broadcast within the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// Who sent it.
    pub origin: NodeId,
    /// The origin's epoch.
    pub epoch: u64,
    /// The origin's number of the message: those of one topic follow each other, those of others are different.
    pub seq: u64,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}-{:x}", self.origin.short(), self.epoch, self.seq)
    }
}

/// Answers one request. Dropped without a reply, the request is refused with [`nuncio_protocol::unicast::Refusal::NoHandler`].
#[derive(Debug)]
pub struct Responder {
    pub(crate) inbound: InboundId,
    pub(crate) replies: Option<Replies>,
    pub(crate) parent: Option<TraceParent>,
}

impl Responder {
    /// In which trace the application that asks does so, if it said that: for the spans of the one that answers.
    pub const fn trace_parent(&self) -> Option<TraceParent> {
        self.parent
    }

    /// Replies; a body over [`MAX_BODY`] is refused as if there were no reply.
    pub fn reply(mut self, body: Bytes) {
        if body.len() <= MAX_BODY {
            self.respond(Some(body));
        }
    }

    fn respond(&mut self, body: Option<Bytes>) {
        if let Some(replies) = self.replies.take() {
            replies.send(self.inbound, body);
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.respond(None);
    }
}

/// Why a multicast or broadcast was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The data is longer than [`MAX_BODY`].
    #[error("data of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// This node may not publish to the topic, or not now.
    #[error("this node may not publish to the topic: {reason}")]
    Denied {
        /// Why.
        reason: String,
    },
    /// The links to all who listen are full.
    #[error("busy: the links to all who listen are full")]
    Busy,
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

impl From<nuncio_behaviour::PublishError> for PublishError {
    fn from(error: nuncio_behaviour::PublishError) -> Self {
        match error {
            nuncio_behaviour::PublishError::TooLarge { bytes, limit } => Self::TooLarge { bytes, limit },
            _ => Self::Busy,
        }
    }
}

/// Why no peer was added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddPeerError {
    /// The text is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// A node was not reached in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotReachable {
    /// No way to it was known all the time.
    #[error("no way to node {} was known within {after:?}", node.short())]
    InTime {
        /// The node.
        node: NodeId,
        /// The time.
        after: Duration,
    },
    /// This node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address: {reason}; write host:port, ip:port, [ipv6]:port or a multiaddr")]
pub struct AddressError {
    /// The text.
    pub text: String,
    /// Why.
    pub reason: String,
}
