//! The behaviour: what applications call, and how libp2p drives it.

mod gossip;
mod inputs;
mod members;
mod metered;
mod outputs;
mod signed;
mod status;
mod traced;

pub(crate) use members::TO_JUDGE;
use signed::NotCarried;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::FutureExt;
use futures_timer::Delay;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    request_response::OutboundRequestId,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm,
    },
};
use nuncio_identity::NodeId;
use nuncio_plain::Pace;
use nuncio_protocol::{
    AccessInput, Input, MAX_BODY, Overlay, PeeringInput, Priority, Start, StatusInput, Topic, UnicastInput,
    amop::{ClientInput, ClientPort},
    gossip::{TakesPart, Unjudged},
    multicast::Publication,
    peering::Address,
    status_sync::IssuerId,
    trace::Trace,
    unicast::{ExchangeId, InboundId, Refusal},
};
use nuncio_rights::Rights;
use nuncio_wire::{SigningContext, announcement, multicast as wire};

use crate::{
    Config, Event,
    access::Certifier,
    answering::Answering,
    config::DescribeDialError,
    departures::Departures,
    gossip_pulse::{self, GossipPulse},
    gossip_recent::Recent,
    inner::Inner,
    meter::{Link, Meter},
    multicast::{Pending, PublishError},
    names::Names,
    notary::Notary,
    peering::{Connections, to_multiaddr},
    prover::Prover,
    status_sync::OpenQueries,
};

/// The overlay of one node.
pub struct Behaviour {
    inner: Inner,
    overlay: Overlay,
    context: SigningContext,
    chain: Vec<Bytes>,
    certifier: Arc<dyn Certifier>,
    describe_dial_error: DescribeDialError,
    clients: Option<Arc<dyn ClientPort>>,
    connections: Connections,
    names: Names,
    links: HashMap<NodeId, Link>,
    meter: Meter,
    agency: String,
    queries: OpenQueries,
    answering: Answering,
    recent: Recent,
    /// At most one per peer.
    revocation_queries: HashSet<OutboundRequestId>,
    takes_part: TakesPart,
    prover: Prover,
    notary: Notary,
    departures: Departures,
    judging: Unjudged<Pending>,
    /// Members that are judged in turn, whether some are now, and whether all are to be once more.
    to_judge: Vec<NodeId>,
    is_judging: bool,
    judges_again: bool,
    pulse: GossipPulse,
    /// No long gossip before then: nobody takes it, and gossipsub keeps for a while also what it could hand to nobody.
    long_gossip_from: Option<Instant>,
    refused_records: Pace,
    deaf_peers: Pace,
    missed_gossip: Pace,
    epoch: u64,
    last_exchange: u64,
    timer: Option<(Instant, Delay)>,
    /// What one event of the behaviours below, or one call of the application, causes: no further event is taken before the
    /// swarm has taken all of it.
    actions: VecDeque<ToSwarm<Event, THandlerInEvent<Inner>>>,
}

/// How long long gossip waits when the queues to all peers are full of it.
const LONG_GOSSIP_PAUSE: Duration = Duration::from_millis(100);

impl Behaviour {
    /// The overlay of the node with this key; it has no links yet.
    pub fn new(config: Config) -> Self {
        let context = SigningContext::new(config.key.clone(), &config.network);
        let departures = Departures::default();
        let mut inner = Inner::new(&config, &context, &departures);
        for topic in [announcement::TOPIC, wire::BROADCAST, gossip_pulse::TOPIC] {
            inner.join(topic).expect("the filter lets the overlay's topics pass");
        }
        let (meter, agency) = (Meter::new(config.metrics, context.node()), config.agency.clone());
        let start = Start {
            node: context.node(),
            name: config.name,
            agency: config.agency,
            software: config.software,
            epoch: config.epoch,
            sealing_key: context.keyring().public(),
            issues: config.issues,
            seed: config.seed,
        };
        context.keyring().begin(config.epoch);
        let overlay = Overlay::new(config.overlay, start, Instant::now());
        let prover = Prover::new(context.clone(), config.certifier.clone());
        let notary = Notary::new(context.clone());
        let mut behaviour = Self {
            inner,
            overlay,
            context,
            prover,
            notary,
            chain: config.chain,
            certifier: config.certifier,
            describe_dial_error: config.describe_dial_error,
            clients: config.clients,
            connections: Connections::default(),
            names: Names::default(),
            links: HashMap::new(),
            meter,
            agency,
            queries: OpenQueries::default(),
            answering: Answering::default(),
            recent: Recent::default(),
            revocation_queries: HashSet::new(),
            takes_part: TakesPart::default(),
            departures,
            judging: Unjudged::default(),
            to_judge: Vec::new(),
            is_judging: false,
            judges_again: false,
            pulse: GossipPulse::default(),
            long_gossip_from: None,
            refused_records: Pace::default(),
            deaf_peers: Pace::default(),
            missed_gossip: Pace::default(),
            epoch: config.epoch,
            last_exchange: 0,
            timer: None,
            actions: VecDeque::new(),
        };
        behaviour.drain(Instant::now());
        behaviour
    }

    /// Asks the application at `target`. Ends in exactly one [`Event::Completed`], also when `body` is too long or
    /// there is no route.
    pub fn request(&mut self, target: NodeId, body: Bytes, timeout: Duration) -> ExchangeId {
        self.follow(target, body, timeout, (Trace::default(), Priority::default()))
    }

    /// Asks `target` itself, not its application; ends likewise. Only who says so in its status knows such requests.
    pub fn ask_service(&mut self, target: NodeId, body: Bytes, timeout: Duration) -> ExchangeId {
        self.follow_service(target, body, timeout, Trace::default())
    }

    /// Answers an [`Event::Request`] or [`Event::ServiceRequest`]. A body over [`MAX_BODY`] is declined instead.
    pub fn respond(&mut self, inbound: InboundId, body: Bytes) {
        if body.len() > MAX_BODY {
            return self.decline(inbound, Refusal::NoHandler);
        }
        self.handle(UnicastInput::Respond { inbound, body });
    }

    /// Refuses an [`Event::Request`].
    pub fn decline(&mut self, inbound: InboundId, refusal: Refusal) {
        self.handle(UnicastInput::Decline { inbound, refusal });
    }

    /// Says that the application had an [`Event::Request`] and will not answer it: who asked learns that it may have been
    /// seen.
    pub fn abandon(&mut self, inbound: InboundId) {
        self.handle(UnicastInput::Abandon { inbound });
    }

    /// Sends to every node that subscribes `topic`, or, without a topic, to every node; what is published until the swarm's
    /// task comes to it leaves together. Returns the message's epoch and number. Nobody subscribing is no error.
    ///
    /// # Errors
    /// When the data is too long, or no link to a subscriber has room for it.
    pub fn publish(&mut self, topic: Option<&Topic>, data: Bytes) -> Result<(u64, u64), PublishError> {
        self.publish_as(Priority::default(), topic, data)
    }

    /// The same of a message that is so urgent: messages of one priority keep their order, and what is over this node's budget
    /// goes as normal.
    ///
    /// # Errors
    /// As [`Behaviour::publish`].
    pub fn publish_as(
        &mut self,
        priority: Priority,
        topic: Option<&Topic>,
        data: Bytes,
    ) -> Result<(u64, u64), PublishError> {
        if data.len() > MAX_BODY {
            return Err(PublishError::TooLarge { bytes: data.len(), limit: MAX_BODY });
        }
        let now = Instant::now();
        let taken = self.overlay.publish_as(priority, topic, data.clone(), now).map_err(|_| PublishError::Busy)?;
        let Publication { epoch, number, is_pushed, gossip, needs_gossip } = taken;
        let is_gossiped = gossip.map(|stamp| self.gossip(topic, data, number, stamp, now));
        if let Some(Err(why)) = is_gossiped
            && !is_pushed
        {
            if why == NotCarried::Refused {
                self.overlay.take_back(topic, &taken);
            }
            return Err(PublishError::Busy);
        }
        if needs_gossip && is_gossiped != Some(Ok(())) {
            self.note_missed(topic, now);
        }
        Ok((epoch, number))
    }

    /// Wants multicasts of `topic` from now on.
    pub fn subscribe(&mut self, topic: &Topic) {
        let mut topics = self.takes_part.subscribed().clone();
        if topics.insert(topic.clone()) {
            self.set_subscribed(topics);
        }
    }

    /// Wants no more multicasts of `topic`.
    pub fn unsubscribe(&mut self, topic: &Topic) {
        let mut topics = self.takes_part.subscribed().clone();
        if topics.remove(topic) {
            self.set_subscribed(topics);
        }
    }

    fn set_subscribed(&mut self, topics: BTreeSet<Topic>) {
        let change = self.takes_part.set_subscribed(topics.clone());
        outputs::take_part(&mut self.inner, &change);
        self.handle(StatusInput::MulticastTopics { topics });
    }

    /// Takes what an AMOP client does.
    pub fn client(&mut self, input: ClientInput) {
        self.handle(input);
    }

    /// Wants a link to whoever answers at `address`: `host:port`, `ip:port`, `[ipv6]:port` or a multiaddr.
    ///
    /// # Errors
    /// What is wrong with the address, in words.
    pub fn add_peer(&mut self, address: &str) -> Result<(), String> {
        to_multiaddr(address)?;
        self.handle(PeeringInput::PeerAdded { address: Address::new(address) });
        Ok(())
    }

    /// No longer wants a link to the configured `address`; an existing one is closed.
    pub fn remove_peer(&mut self, address: &str) {
        self.handle(PeeringInput::PeerRemoved { address: Address::new(address) });
    }

    /// Denies a node: its links close, its record and routes go, what it sends is ignored.
    pub fn expel(&mut self, node: NodeId) {
        self.handle(AccessInput::Expelled { node });
    }

    /// Lets a node back in that was expelled. One that is proven to equivocate stays out.
    pub fn readmit(&mut self, node: NodeId) {
        self.handle(AccessInput::Readmitted { node });
    }

    /// Takes multicasts of another node, of so many bytes each, from its quota, which AMOP messages are taken from, too. Says
    /// before which one that was used up; `None` if all were taken.
    pub fn takes(&mut self, origin: NodeId, lengths: impl IntoIterator<Item = usize>) -> Option<usize> {
        let now = Instant::now();
        let refused = self.overlay.take_multicasts(&origin, lengths, now);
        self.drain(now);
        refused
    }

    /// Says what other nodes may do with topics here.
    pub fn set_rights(&mut self, rights: Arc<Rights>) {
        self.handle(AccessInput::RightsChanged { rights });
    }

    /// Says where this node can be dialled; goes into its status record.
    pub fn set_addresses(&mut self, addresses: impl IntoIterator<Item = String>) {
        let addresses = addresses.into_iter().map(|address| Address::new(&address)).collect();
        self.handle(StatusInput::LocalAddresses { addresses });
    }

    /// Replaces the certificate chain behind the own status record: DER, leaf first, without the root, for the same
    /// key and names. Links stay.
    pub fn renew(&mut self, chain: Vec<Bytes>) {
        self.chain = chain;
        self.handle(StatusInput::CertificateRenewed);
    }

    /// Goes on in a higher epoch, which is on disk: see [`Event::EpochOutrun`] and [`Event::EpochSpent`]. All links begin anew.
    pub fn begin_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.context.keyring().begin(epoch);
        for record in self.overlay.nodes().into_iter().filter_map(|view| view.record) {
            self.learn_key(&record.status);
        }
        let now = Instant::now();
        self.overlay.begin_epoch(epoch, now);
        self.drain(now);
    }

    /// Says goodbye on every link; the connections close by themselves within a second or so.
    pub fn leave(&mut self) {
        self.handle(PeeringInput::Leave);
    }

    /// Says which revocation lists this node holds, by their series and number; goes into its status record.
    pub fn set_revocation_lists(&mut self, numbers: BTreeMap<IssuerId, u64>) {
        self.handle(StatusInput::RevocationLists { numbers });
    }

    /// Sets the opaque application field of the status record, at most
    /// [`nuncio_protocol::MAX_APPLICATION_FIELD`] bytes.
    pub fn set_application_field(&mut self, bytes: Bytes) {
        self.handle(StatusInput::ApplicationField { bytes });
    }

    /// The core, for reading.
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    fn handle(&mut self, input: impl Into<Input>) {
        let now = Instant::now();
        self.overlay.handle_input(input, now);
        self.drain(now);
    }

    /// Sends what was published since this was called last, in as few batches as it fits.
    fn send_published(&mut self) {
        if self.overlay.has_published() {
            let now = Instant::now();
            self.overlay.flush(now);
            self.drain(now);
        }
    }

    /// Whether the core's timer was due. A timer that fires too early is set again; one that would fire too late is
    /// not left. So a timer is seldom moved, though the next deadline changes with every message.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(due) = self.overlay.poll_timeout() else { return false };
        let now = Instant::now();
        if due <= now {
            self.overlay.handle_timeout(now);
            self.drain(now);
            return true;
        }
        let (_, delay) = match &mut self.timer {
            Some(timer) if timer.0 <= due => timer,
            timer => timer.insert((due, Delay::new(due - now))),
        };
        if delay.poll_unpin(cx).is_pending() {
            return false;
        }
        self.timer = None;
        true
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour").field("node", &self.context.node()).finish_non_exhaustive()
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = THandler<Inner>;
    type ToSwarm = Event;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
        self.handle_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Poll::Ready(action);
            }
            self.send_published();
            if let Poll::Ready((peer, finding)) = self.prover.poll(cx) {
                self.handle_finding(peer, finding);
                continue;
            }
            if let Poll::Ready(told) = self.notary.poll(cx) {
                self.handle_told(told);
                continue;
            }
            if let Poll::Ready(departed) = self.departures.poll(cx) {
                self.handle(departed);
                continue;
            }
            match self.inner.poll(cx) {
                Poll::Ready(ToSwarm::GenerateEvent(event)) => self.handle_inner_event(event),
                Poll::Ready(action) => {
                    return Poll::Ready(action.map_out(|_| unreachable!("events were taken above")));
                }
                Poll::Pending => {
                    if !self.poll_timer(cx) && !self.poll_pulse(cx) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}
