//! Long-lived substreams: one per direction and protocol on every connection.
//!
//! A substream per message costs a negotiation and cannot be bounded in bytes; here a connection opens one outbound
//! stream at its start and frames follow each other on it. What waits is bounded in bytes per connection.

mod handler;
mod heartbeat;
mod intake;
mod queue;
mod reader;
mod writer;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
    },
};
use nuncio_bounds::{Bound, FairQueue, Ledger, Rank, SharedBytes};
use nuncio_identity::NodeId;
use nuncio_metrics::{Metrics, Stream};
use nuncio_protocol::{Account, Priority, Strike};
use nuncio_wire::{DecodeError, length_prefixed::MAX_HEADER};

use self::{
    handler::{Command, Handler},
    intake::Load,
    queue::Queue,
    writer::BATCH,
};
pub(crate) use self::{heartbeat::Pulse, reader::Spoiled};

/// What travels on the streams, and how.
pub trait Protocol: Clone + Send + 'static {
    /// The core's message.
    type Message: fmt::Debug + Send + 'static;
    /// The name negotiated.
    const NAME: &'static str;
    /// The name of the stream for long messages, see [`Beside`].
    const LARGE_NAME: &'static str;
    /// The name of the stream for urgent ones, see [`Beside`].
    const URGENT_NAME: &'static str;

    /// Whether peers of some releases have no such stream. It is opened with the first message for it, and what a peer without
    /// it does not take is given back.
    const IS_OPTIONAL: bool = false;

    /// Appends a frame without its body, and returns the body; `None`, and nothing appended, when it cannot be sealed.
    fn encode(&self, message: Self::Message, peer: NodeId, out: &mut BytesMut) -> Option<Bytes>;

    /// Reads a frame.
    fn decode(&self, header: Bytes, body: Bytes, peer: NodeId) -> Result<Self::Message, DecodeError>;

    /// How many bytes the message counts for in a queue.
    fn weight(message: &Self::Message) -> usize;

    /// How urgent it is.
    fn priority(message: &Self::Message) -> Priority;

    /// Whether it leaves before those that are waiting and of which this does not hold.
    fn is_first(_: &Self::Message) -> bool {
        false
    }

    /// Whether it leaves once all others have.
    fn is_last(_: &Self::Message) -> bool {
        false
    }
}

/// The same protocol on a stream of its own, for long messages: on one stream everything behind a long one would wait for
/// it, on a slow link for most of a minute. The multiplexer lets both streams have their share.
pub(crate) type Large<P> = Beside<P, false>;

/// The same for what is urgent, where the peer has such a stream; [`Priority::Control`] leaves first.
pub(crate) type Urgent<P> = Beside<P, true>;

/// The same protocol on another stream: that for what is urgent, or that for long messages.
#[derive(Debug, Clone)]
pub struct Beside<P, const URGENT: bool>(pub(crate) P);

impl<P: Protocol, const URGENT: bool> Protocol for Beside<P, URGENT> {
    type Message = P::Message;
    const NAME: &'static str = if URGENT { P::URGENT_NAME } else { P::LARGE_NAME };
    const LARGE_NAME: &'static str = P::LARGE_NAME;
    const URGENT_NAME: &'static str = P::URGENT_NAME;
    const IS_OPTIONAL: bool = URGENT;

    fn encode(&self, message: Self::Message, peer: NodeId, out: &mut BytesMut) -> Option<Bytes> {
        self.0.encode(message, peer, out)
    }

    fn decode(&self, header: Bytes, body: Bytes, peer: NodeId) -> Result<Self::Message, DecodeError> {
        self.0.decode(header, body, peer)
    }

    fn weight(message: &Self::Message) -> usize {
        P::weight(message)
    }

    fn priority(message: &Self::Message) -> Priority {
        P::priority(message)
    }

    fn is_first(message: &Self::Message) -> bool {
        URGENT && P::priority(message) == Priority::Control
    }
}

/// How it stands to others that wait.
fn rank<P: Protocol>(message: &P::Message) -> Rank {
    if P::is_first(message) {
        Rank::First
    } else if P::is_last(message) {
        Rank::Last
    } else {
        Rank::Middle
    }
}

/// Bounds and times.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Most bytes of one account that wait for one connection; one message more is taken however large it is.
    pub(crate) queue_bytes: usize,
    /// What all queues together may take, and what each account has of it.
    pub(crate) queues: Arc<Ledger<NodeId>>,
    /// Longest frame that a peer may send.
    pub(crate) longest: usize,
    /// Room for what peers send until it is taken.
    pub(crate) intake: Room,
    /// When streams are looked after.
    pub(crate) pulse: Pulse,
    /// After so many of these without anything written, say that we are alive.
    pub(crate) alive: u32,
    /// Call the peer silent when nothing was read for so long. Each stream is watched: a peer that drops one is not
    /// noticed otherwise.
    pub(crate) silence: Duration,
    /// Where it is counted, and which stream this is there.
    pub(crate) meter: (Metrics, Stream),
}

/// Room for what streams bring.
#[derive(Debug, Clone)]
pub(crate) enum Room {
    /// So many bytes for each.
    Each(usize),
    /// What all of them share.
    All(Arc<SharedBytes>),
}

/// What peers can make the streams of so many links hold, four for short messages and two for long ones each.
pub(crate) fn bounds(queues: usize, short_intake: usize, long_intake: usize, links: usize) -> [Bound; 5] {
    // A buffer that grows holds its old content besides.
    let growing = 2;
    let encoded = 6 * (2 * BATCH + MAX_HEADER);
    [
        Bound::of_bytes("messages for linked peers", queues, "a request is refused as busy or goes another way"),
        FairQueue::<NodeId, queue::Waiting<nuncio_wire::amop::Frame>>::bound("those on whose account some wait")
            .per("link and stream", 5 * links),
        Bound::of_bytes("what is put together to be written", encoded, "the rest waits").per("link", links),
        Bound::of_bytes("short messages that have come", growing * 4 * short_intake, "the stream is not read")
            .per("link", links),
        Bound::of_bytes(
            "long messages that have come, or have begun to",
            growing * long_intake,
            "further ones wait unread; one that comes too slowly meanwhile ends its link",
        ),
    ]
}

impl Room {
    /// Of a new stream.
    fn share(&self) -> Arc<SharedBytes> {
        match self {
            Self::Each(bytes) => Arc::new(SharedBytes::for_one(*bytes)),
            Self::All(shared) => Arc::clone(shared),
        }
    }
}

/// What happened on a connection.
#[derive(Debug)]
pub enum Event<M> {
    /// Messages arrived, in order, and so many more that were dropped. They take room as long as the load is there.
    Received {
        connection: ConnectionId,
        peer: NodeId,
        messages: Vec<M>,
        spoiled: Spoiled,
        load: Option<Load>,
        read: Instant,
    },
    /// The peer has no such stream: messages for it, in their order.
    Returned { connection: ConnectionId, peer: NodeId, messages: Vec<(Account, M)> },
    /// Something arrived since [`Behaviour::probe`].
    Alive { connection: ConnectionId },
    /// All that was queued before [`Behaviour::finish`] is written, or had its time.
    Finished { connection: ConnectionId },
    /// The connection is of no use any more, perhaps because the peer broke a rule.
    Failed { connection: ConnectionId, peer: NodeId, reason: Arc<str>, strike: Option<Strike> },
}

/// Runs one protocol on every connection.
pub struct Behaviour<P: Protocol> {
    protocol: P,
    config: Config,
    connections: HashMap<ConnectionId, Connection<P::Message>>,
    /// At most what one connection has read: the swarm takes all before it asks another.
    events: VecDeque<Event<P::Message>>,
    commands: VecDeque<(NodeId, ConnectionId, Command)>,
}

type Connection<M> = (NodeId, Arc<Queue<M>>);

impl<P: Protocol> Behaviour<P> {
    pub(crate) fn new(protocol: P, config: Config) -> Self {
        let (events, commands) = (VecDeque::new(), VecDeque::new());
        Self { protocol, config, connections: HashMap::new(), events, commands }
    }

    /// Queues a message for a connection, on an account.
    ///
    /// # Errors
    /// Gives it back when the account has as much there as it may, the connection is gone, or the peer has no such stream.
    pub(crate) fn send(
        &self,
        connection: ConnectionId,
        account: Account,
        message: P::Message,
    ) -> Result<(), P::Message> {
        match self.connections.get(&connection) {
            Some((_, queue)) if P::IS_OPTIONAL && queue.is_closed() => Err(message),
            Some((_, queue)) => queue.push(account, message).inspect_err(|_| {
                let (metrics, stream) = &self.config.meter;
                metrics.links.full.increment(*stream);
            }),
            None => Err(message),
        }
    }

    /// Wants [`Event::Alive`] when something arrives on a connection.
    pub(crate) fn probe(&mut self, connection: ConnectionId) {
        self.command(connection, Command::Probe);
    }

    /// Wants [`Event::Finished`] when all that is queued for a connection is written.
    pub(crate) fn finish(&mut self, connection: ConnectionId) {
        self.command(connection, Command::Finish);
    }

    fn command(&mut self, connection: ConnectionId, command: Command) {
        if let Some((peer, _)) = self.connections.get(&connection) {
            self.commands.push_back((*peer, connection, command));
        }
    }

    /// Bytes that wait for all connections of all protocols.
    pub(crate) fn queues(&self) -> usize {
        self.config.queues.used()
    }

    /// Bytes for which room is taken where all streams share it.
    pub(crate) fn intake(&self) -> usize {
        if let Room::All(shared) = &self.config.intake { shared.used() } else { 0 }
    }

    /// Bytes that wait for a connection.
    pub(crate) fn queued(&self, connection: ConnectionId) -> usize {
        self.connections.get(&connection).map_or(0, |(_, queue)| queue.bytes())
    }

    /// Who is at the other end of a connection.
    pub(crate) fn peer(&self, connection: ConnectionId) -> Option<NodeId> {
        self.connections.get(&connection).map(|(peer, _)| *peer)
    }

    fn handler(&mut self, connection: ConnectionId, peer: PeerId) -> Result<Handler<P>, ConnectionDenied> {
        let node = NodeId::try_from(peer).map_err(ConnectionDenied::new)?;
        let (metrics, stream) = &self.config.meter;
        let (limit, shared) = (self.config.queue_bytes, self.config.queues.clone());
        let queue = Queue::new(limit, P::weight, rank::<P>, shared, metrics.links.queue_time.of(*stream));
        let queue = Arc::new(queue);
        self.connections.insert(connection, (node, queue.clone()));
        Ok(Handler::new(self.protocol.clone(), node, queue, self.config.clone()))
    }
}

impl<P: Protocol> fmt::Debug for Behaviour<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour").field("protocol", &P::NAME).finish_non_exhaustive()
    }
}

impl<P: Protocol> NetworkBehaviour for Behaviour<P> {
    type ConnectionHandler = Handler<P>;
    type ToSwarm = Event<P::Message>;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handler(connection, peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handler(connection, peer)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        let gone = match event {
            FromSwarm::ConnectionClosed(closed) => closed.connection_id,
            // A later behaviour may have denied a connection that this one has a handler for.
            FromSwarm::DialFailure(failure) => failure.connection_id,
            FromSwarm::ListenFailure(failure) => failure.connection_id,
            _ => return,
        };
        self.connections.remove(&gone);
    }

    fn on_connection_handler_event(&mut self, _: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        let Some(&(peer, _)) = self.connections.get(&connection) else { return };
        self.events.push_back(match event {
            handler::Event::Received { messages, spoiled, load, read } => {
                Event::Received { connection, peer, messages, spoiled, load, read }
            }
            handler::Event::Returned(messages) => Event::Returned { connection, peer, messages },
            handler::Event::Alive => Event::Alive { connection },
            handler::Event::Finished => Event::Finished { connection },
            handler::Event::Failed { reason, strike } => Event::Failed { connection, peer, reason, strike },
        });
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(event));
        }
        match self.commands.pop_front() {
            Some((peer, connection, event)) => {
                let (peer_id, handler) = (peer.into(), NotifyHandler::One(connection));
                Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event })
            }
            None => Poll::Pending,
        }
    }
}
