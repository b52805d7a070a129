use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{
    Address, BanView, ConnectionId, Direction, LinkDownReason, LinkView, Parting, PeeringInput, PendingPeerView,
    bans::Bans,
    dialer::Dialer,
    link::{Change, Links},
};
use crate::{Config, MAX_EXPELLED, Output, outbox::Outbox, status_sync::Record, timers::earliest};

/// Keeps the links.
#[derive(Debug)]
pub(crate) struct Peering {
    me: NodeId,
    links: Links,
    dialer: Dialer,
    /// Denied or revoked nodes. Bound: [`MAX_EXPELLED`].
    expelled: BTreeSet<NodeId>,
    /// Those that are proven to equivocate: whoever makes many of these takes no place from the others. Bound: who tells of them.
    convicted: BTreeSet<NodeId>,
    bans: Bans,
    events: VecDeque<Event>,
    /// The node is about to stop.
    left: bool,
}

/// What the other machines must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Up(NodeId),
    Down(NodeId),
}

impl Peering {
    pub(crate) fn new(config: &Config, me: NodeId, seed: u64, now: Instant) -> Self {
        Self {
            me,
            links: Links::new(me, config.drain),
            dialer: Dialer::new(config, me, seed, now),
            expelled: BTreeSet::new(),
            convicted: BTreeSet::new(),
            bans: Bans::default(),
            events: VecDeque::new(),
            left: false,
        }
    }

    /// What peers can make it hold.
    pub(crate) fn bounds(config: &Config, links: usize) -> Vec<Bound> {
        [&[Links::bound(links), Bans::BOUND][..], &Dialer::bounds(config)].concat()
    }

    pub(crate) fn is_linked(&self, peer: &NodeId) -> bool {
        self.links.contains(peer)
    }

    /// The epoch in which a linked peer runs, as it said on the connection that carries the link; `None` before.
    pub(crate) fn epoch_of(&self, peer: &NodeId) -> Option<u64> {
        self.links.epoch_of(peer)
    }

    #[inline]
    pub(crate) fn is_expelled(&self, node: &NodeId) -> bool {
        self.expelled.contains(node) || self.convicted.contains(node)
    }

    pub(crate) fn is_banned(&self, node: &NodeId, now: Instant) -> bool {
        self.bans.reason(node, now).is_some()
    }

    pub(crate) fn bans(&self) -> Vec<BanView> {
        self.bans.views()
    }

    pub(crate) fn neighbours(&self) -> BTreeSet<NodeId> {
        self.links.peers().copied().collect()
    }

    pub(crate) fn links(&self) -> Vec<LinkView> {
        self.links.views(|peer| self.dialer.configured_addresses(peer)).collect()
    }

    pub(crate) fn pending_peers(&self) -> Vec<PendingPeerView> {
        self.dialer.pending(|node| self.links.contains(node))
    }

    pub(crate) fn handle_input(&mut self, input: PeeringInput, outbox: &mut Outbox, now: Instant) {
        match input {
            PeeringInput::PeerAdded { address } => self.handle_peer_added(address, outbox, now),
            PeeringInput::PeerRemoved { address } => self.handle_peer_removed(&address, outbox, now),
            PeeringInput::ConnectionOpened { connection, peer, direction, address } => {
                self.handle_connection_opened(connection, peer, direction, address, outbox, now);
            }
            PeeringInput::Introduced { connection, epoch } => self.links.introduced(connection, epoch, outbox, now),
            PeeringInput::Alive { connection } => self.links.alive(connection, outbox),
            PeeringInput::Farewell { connection, parting } => self.handle_farewell(connection, parting, outbox, now),
            PeeringInput::ConnectionClosed { connection, reason } => {
                let change = self.links.closed(connection, LinkDownReason::Closed(reason), outbox, now);
                self.note(change, outbox, now);
            }
            PeeringInput::DialFailed { address, reason } => {
                self.dialer.failed(&address, &reason, self.links.len() == 0, now);
                self.dial(outbox, now);
            }
            PeeringInput::Leave => self.handle_leave(outbox),
        }
    }

    fn handle_peer_added(&mut self, address: Address, outbox: &mut Outbox, now: Instant) {
        self.dialer.add(address, now);
        self.dial(outbox, now);
    }

    fn handle_peer_removed(&mut self, address: &Address, outbox: &mut Outbox, now: Instant) {
        let met = self.dialer.remove(address);
        let nodes = self.links.peers_dialled_at(address).into_iter().chain(met);
        for node in nodes.collect::<BTreeSet<_>>() {
            self.close(&node, &LinkDownReason::Removed, outbox);
            self.dialer.link_down(&node, Duration::ZERO, now);
        }
        self.dial(outbox, now);
    }

    pub(crate) fn handle_expelled(&mut self, node: NodeId, outbox: &mut Outbox) {
        if self.expelled.len() < MAX_EXPELLED {
            self.expelled.insert(node);
        } else {
            tracing::warn!(node = %node.short(), "so many nodes are expelled that this one is refused by its certificate alone");
        }
        self.turn_out(&node, outbox);
    }

    /// Refuses a node, whatever its certificate, until [`Peering::handle_unproven`].
    pub(crate) fn handle_convicted(&mut self, node: NodeId, outbox: &mut Outbox) {
        self.convicted.insert(node);
        self.turn_out(&node, outbox);
    }

    pub(crate) fn handle_unproven(&mut self, node: &NodeId) {
        self.convicted.remove(node);
    }

    fn turn_out(&mut self, node: &NodeId, outbox: &mut Outbox) {
        self.dialer.forget(node);
        self.close(node, &LinkDownReason::Expelled, outbox);
    }

    pub(crate) fn handle_readmitted(&mut self, node: &NodeId, outbox: &mut Outbox, now: Instant) {
        if self.expelled.remove(node) {
            self.dialer.link_down(node, Duration::ZERO, now);
            self.dial(outbox, now);
        }
    }

    /// Refuses a node that broke the rules until then. What is known of it stays.
    pub(crate) fn handle_banned(
        &mut self,
        node: NodeId,
        until: Instant,
        reason: Arc<str>,
        outbox: &mut Outbox,
        now: Instant,
    ) {
        self.close(&node, &LinkDownReason::Banned(Arc::clone(&reason)), outbox);
        if let Some(ended) = self.bans.insert(node, until, reason) {
            self.dialer.link_down(&ended, Duration::ZERO, now);
        }
        self.dial(outbox, now);
    }

    /// Peers know this node by the epoch that it said when a link began: all begin anew.
    pub(crate) fn handle_epoch_begun(&mut self, outbox: &mut Outbox, now: Instant) {
        for peer in self.neighbours() {
            self.close(&peer, &LinkDownReason::Leaving, outbox);
        }
        self.dialer.start_over(now);
        self.dial(outbox, now);
    }

    /// Who refused the certificate before may take this one.
    pub(crate) fn handle_certificate_renewed(&mut self, outbox: &mut Outbox, now: Instant) {
        self.dialer.start_over(now);
        self.dial(outbox, now);
    }

    pub(crate) fn handle_local_addresses(&mut self, addresses: &[Address]) {
        self.dialer.set_own_addresses(addresses);
    }

    fn handle_connection_opened(
        &mut self,
        connection: ConnectionId,
        peer: NodeId,
        direction: Direction,
        address: Address,
        outbox: &mut Outbox,
        now: Instant,
    ) {
        if peer == self.me {
            if direction == Direction::Outbound {
                self.dialer.is_ours(&address, now);
            }
            outbox.push(Output::Close { connection, reason: LinkDownReason::Closed("connected to ourselves".into()) });
            self.dial(outbox, now);
            return;
        }
        if direction == Direction::Outbound {
            self.dialer.connected(&address, peer, now);
        }
        if let Some(reason) = self.refusal(&peer, now) {
            outbox.push(Output::Close { connection, reason });
            self.dial(outbox, now);
            return;
        }
        if self.links.opened(connection, peer, direction, address, outbox, now) == Change::Up {
            self.events.push_back(Event::Up(peer));
        }
    }

    fn handle_farewell(&mut self, connection: ConnectionId, parting: Parting, outbox: &mut Outbox, now: Instant) {
        let reason = LinkDownReason::Parted(parting);
        let Some((peer, change)) = self.links.closed(connection, reason.clone(), outbox, now) else { return };
        outbox.push(Output::Close { connection, reason });
        // The second host with a key: whoever has a link with the first one sends it away.
        let is_second = parting == Parting::DuplicateIdentity;
        if is_second && self.links.len() == 0 {
            self.dialer.rest(now);
        }
        self.note([(peer, change)], outbox, now);
        // Whoever bans this node may be mistaken, and will say the same again: each try would be news for the whole network.
        if is_second || parting == Parting::Banned {
            self.dialer.sent_away(&peer, now);
        }
    }

    /// Ends every link and dials no more.
    fn handle_leave(&mut self, outbox: &mut Outbox) {
        self.left = true;
        for peer in self.neighbours() {
            self.close(&peer, &LinkDownReason::Leaving, outbox);
        }
    }

    /// Learns where a node can be dialled.
    pub(crate) fn handle_record(&mut self, record: &Record, now: Instant) {
        self.dialer.learn(record, now);
    }

    pub(crate) fn handle_forgotten(&mut self, node: &NodeId) {
        self.dialer.forget(node);
    }

    pub(crate) fn handle_reachability(&mut self, node: &NodeId, reachable: bool, now: Instant) {
        self.dialer.set_reachable(node, reachable, now);
    }

    pub(crate) fn handle_timeout(&mut self, outbox: &mut Outbox, now: Instant) {
        while let Some(node) = self.bans.pop_ended(now) {
            self.dialer.link_down(&node, Duration::ZERO, now);
        }
        let changes = self.links.handle_timeout(outbox, now);
        self.note(changes, outbox, now);
        self.dial(outbox, now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let dialing = if self.left { None } else { self.dialer.poll_timeout() };
        earliest(self.links.poll_timeout(), earliest(self.bans.poll_timeout(), dialing))
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn note(&mut self, changes: impl IntoIterator<Item = (NodeId, Change)>, outbox: &mut Outbox, now: Instant) {
        for (peer, change) in changes {
            match change {
                Change::Up => self.events.push_back(Event::Up(peer)),
                Change::Kept => {}
                Change::Down { lived } => {
                    self.dialer.link_down(&peer, lived, now);
                    self.events.push_back(Event::Down(peer));
                    self.dial(outbox, now);
                }
                Change::Replaced { lived } => {
                    self.dialer.link_down(&peer, lived, now);
                    self.events.push_back(Event::Down(peer));
                    self.events.push_back(Event::Up(peer));
                }
            }
        }
    }

    fn close(&mut self, node: &NodeId, reason: &LinkDownReason, outbox: &mut Outbox) {
        if self.links.close(node, reason, outbox).is_some() {
            self.events.push_back(Event::Down(*node));
        }
    }

    /// Why a node may not have a link, if it may not.
    fn refusal(&self, node: &NodeId, now: Instant) -> Option<LinkDownReason> {
        let banned = || self.bans.reason(node, now).cloned().map(LinkDownReason::Banned);
        self.is_expelled(node).then_some(LinkDownReason::Expelled).or_else(banned)
    }

    fn dial(&mut self, outbox: &mut Outbox, now: Instant) {
        if self.left {
            return;
        }
        let Self { links, dialer, expelled, convicted, bans, .. } = self;
        let is_refused =
            |node: &NodeId| expelled.contains(node) || convicted.contains(node) || bans.reason(node, now).is_some();
        dialer.dial(links.len(), |node| !links.contains(node) && !is_refused(node), outbox, now);
    }
}
