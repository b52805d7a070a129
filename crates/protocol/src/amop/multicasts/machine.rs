use std::time::{Duration, Instant};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{
    super::{
        ClientId, ClientOutput, Content, Kind, Message, Multicast, Payer, Post, PublishSeq, ResultCode, account_of,
        deliveries::Deliveries,
        exchanges::{Publish, Reach},
        guard::Guard,
        private::{
            Holder, Subscriber,
            names::{self, shown},
        },
        quotas::Quotas,
        subscriptions::Subscriptions,
    },
    pending::{Pending, Sent},
    routes,
    seen::Seen,
    shares::Shares,
};
use crate::{
    Account, Header, MAX_HOPS, Output, Priority, Topic, gate::Admitted, onward::IN_ONE, timers::earliest, turn::Turn,
};

/// How long a multicast counts after it was sent.
const LIFETIME: Duration = Duration::from_secs(30);

/// How often a memory that nobody adds to is emptied.
const SWEEP: Duration = Duration::from_secs(15);

/// The multicasts of the clients here, and those that come for them.
///
/// A node that is reached over others acknowledges a multicast to its source, which sends it over other first hops to those
/// that do not: a hop may swallow it without a sign.
#[derive(Debug)]
pub(in crate::amop) struct Multicasts {
    pending: Pending,
    seen: Seen,
    shares: Shares,
    next_sweep: Option<Instant>,
}

impl Multicasts {
    pub(in crate::amop) const BOUNDS: [Bound; 3] = [Pending::BOUND, Seen::BOUND, Shares::BOUND];

    pub(in crate::amop) fn new() -> Self {
        Self { pending: Pending::new(), seen: Seen::default(), shares: Shares::default(), next_sweep: None }
    }

    /// Acknowledges a client's multicast at once and sends it to every subscriber.
    pub(in crate::amop) fn handle_publish(&mut self, publish: Publish, reach: &mut Reach<'_>, turn: &mut Turn<'_>) {
        let Publish { client, payer, seq, priority, topic, data } = publish;
        let private = names::is_private(&topic).then(|| reach.private.proved(client, &topic).collect::<Vec<_>>());
        let nodes = private.as_ref().map_or_else(
            || reach.subscriptions.nodes(&topic).count(),
            |subscribers| subscribers.iter().filter(|one| matches!(one.holder, Holder::At { .. })).count(),
        );
        let bytes = topic.as_str().len() + data.len();
        let signed = match &private {
            Some(subscribers) => subscribers.iter().filter(|one| is_behind(one, turn)).count(),
            // A long list of them travels in parts.
            None => {
                let behind = reach.subscriptions.nodes(&topic).filter(|(node, _)| !turn.routing.is_linked(node));
                behind.count().div_ceil(IN_ONE as usize)
            }
        };
        let is_admitted = reach.quotas.admit(client, &topic, bytes, bytes.saturating_mul(nodes), turn.now)
            && self.shares.take(payer, (signed, bytes), turn.life, turn.now);
        let (code, echo) =
            if is_admitted { (ResultCode::OK, data.clone()) } else { (ResultCode::OVER_LIMIT, Bytes::new()) };
        turn.outbox.push(Output::Client(ClientOutput::Reply { client, seq, code, topic: topic.clone(), data: echo }));
        let is_for_nobody =
            topic.is_block_notification() || names::is_closed_to_publishers(&topic) || names::is_channel(&topic);
        if !is_admitted || is_for_nobody {
            return;
        }
        match private {
            Some(subscribers) => {
                self.post_privately(Publish { client, payer, seq, priority, topic, data }, subscribers, reach, turn)
            }
            None => {
                let own = (payer.account(), priority);
                self.deliver(own, (seq, &topic, &data), reach.subscriptions, reach.deliveries, turn);
                let nodes: Vec<_> = reach.subscriptions.nodes(&topic).map(|(node, _)| node).collect();
                self.post((client, payer, priority), nodes, Post { seq, topic, tenant: payer.tenant(), data }, turn);
            }
        }
    }

    /// Delivers another node's multicast here if we are named, and sends it on to the others named.
    pub(in crate::amop) fn handle_received(
        &mut self,
        admitted: Admitted<Multicast>,
        subscriptions: &Subscriptions,
        deliveries: &mut Deliveries,
        guard: &mut Guard,
        turn: &mut Turn<'_>,
    ) {
        let is_repeated = admitted.is_repeated();
        let (from, mut multicast) = admitted.into_parts();
        let me = turn.life.node;
        let mut destinations = std::mem::take(&mut multicast.destinations);
        let before = destinations.len();
        destinations.retain(|destination| destination.node != me);
        let mut counted = None;
        if before > destinations.len()
            && let Some(Post { seq, topic, tenant, data }) = multicast.post.clone()
        {
            let is_new = !is_repeated && !names::is_channel(&topic);
            if is_new && guard.admit(&multicast.source, &topic, data.len(), turn).is_ok() {
                let source = multicast.source;
                let priority = turn.onward.urgency.of(&source, multicast.priority, data.len(), turn.now);
                counted = Some(priority).filter(|_| from == source);
                let account = account_of(source, tenant);
                self.deliver((account, priority), (seq, &topic, &data), subscriptions, deliveries, turn);
            }
            if from != multicast.source {
                acknowledge(&multicast, from, turn);
            }
        }
        if let Some(hops_left) = multicast.hops_left.checked_sub(1).filter(|_| multicast.sealed.is_some()) {
            let legs = routes::onward(destinations, &[from, multicast.source], turn);
            if !legs.is_empty() {
                let (pair, length) = ((multicast.source, from), multicast.length());
                let brought = || turn.onward.urgency.of_brought(pair, multicast.priority, length, turn.now);
                multicast.priority = counted.unwrap_or_else(brought);
            }
            let multicast = Multicast { hops_left: hops_left.min(MAX_HOPS - 1), ..multicast };
            routes::pass_on(&multicast, legs, from, turn);
        }
    }

    /// Another node has a multicast of ours.
    /// Says whether it was waited for.
    pub(in crate::amop) fn handle_acknowledged(&mut self, from: NodeId, header: &Header, turn: &mut Turn<'_>) -> bool {
        let tried = self.pending.acknowledge(header.number, &header.source);
        let is_awaited = tried.is_some();
        if let Some(tried) = tried {
            turn.routing.note_answered_over(&header.source, tried.into_iter(), &from);
        }
        is_awaited
    }

    /// A publisher is gone: what it sent is not sent again.
    pub(in crate::amop) fn handle_disconnected(&mut self, client: ClientId) {
        self.pending.handle_disconnected(client);
    }

    pub(in crate::amop) fn handle_timeout(&mut self, quotas: &mut Quotas, turn: &mut Turn<'_>) {
        while let Some((number, sent)) = self.pending.pop_due(turn.now) {
            self.send_again(number, sent, quotas, turn);
        }
        if self.next_sweep.is_some_and(|at| at <= turn.now) {
            self.seen.forget(turn.now);
            self.next_sweep = (!self.seen.is_empty()).then(|| turn.now + SWEEP);
        }
    }

    pub(in crate::amop) fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.pending.next(), self.next_sweep)
    }

    /// Sends a multicast to every subscriber that has proved itself to this session.
    fn post_privately(
        &mut self,
        Publish { client, payer, seq, priority, topic: private, data }: Publish,
        subscribers: Vec<Subscriber>,
        reach: &mut Reach<'_>,
        turn: &mut Turn<'_>,
    ) {
        for Subscriber { holder, session } in subscribers {
            let Some(topic) = names::address_of(&private, session) else { continue };
            match holder {
                Holder::Here(_) => {
                    let own = (payer.account(), priority);
                    self.deliver(own, (seq, &topic, &data), reach.subscriptions, reach.deliveries, turn);
                }
                Holder::At { node, .. } => {
                    let post = Post { seq, topic, tenant: payer.tenant(), data: data.clone() };
                    self.post((client, payer, priority), vec![node], post, turn);
                }
            }
        }
    }

    /// Sends a message of ours to these nodes.
    fn post(
        &mut self,
        (client, payer, priority): (ClientId, Payer, Priority),
        nodes: Vec<NodeId>,
        post: Post,
        turn: &mut Turn<'_>,
    ) {
        let hops = routes::first_hops(nodes.into_iter(), turn);
        if hops.is_empty() {
            return;
        }
        let number = turn.life.number();
        let multicast = multicast(number, (post.clone(), priority), turn);
        routes::send(&multicast, routes::legs(hops.iter().copied()), payer.account(), turn);
        let relayed = hops.into_iter().filter(|(node, via)| node != via);
        self.pending.insert(number, (client, payer), (post, priority), relayed, turn.now);
    }

    /// Sends a multicast over other first hops to those that have not said that they have it.
    fn send_again(&mut self, number: u64, mut sent: Sent, quotas: &mut Quotas, turn: &mut Turn<'_>) {
        let mut hops = Vec::new();
        if sent.may_go_again() {
            for (node, tried) in &mut sent.waiting {
                if let Some(hop) = routes::another(node, tried, turn) {
                    tried.push(hop);
                    hops.push((*node, hop));
                }
            }
        }
        sent.waiting.retain(|node, _| hops.iter().any(|(again, _)| again == node));
        let bytes = (sent.post.topic.as_str().len() + sent.post.data.len()).saturating_mul(hops.len());
        if !hops.is_empty()
            && quotas.admit_outgoing(bytes, turn.now)
            && self.shares.take(sent.payer, (1, bytes), turn.life, turn.now)
        {
            let multicast = multicast(number, (sent.post.clone(), sent.priority), turn);
            routes::send(&multicast, routes::legs(hops), sent.payer.account(), turn);
        } else {
            sent.waiting.clear();
        }
        self.pending.put_back(number, sent, turn.now);
    }

    /// Hands a multicast to all sessions here that it is for.
    fn deliver(
        &mut self,
        (account, priority): (Account, Priority),
        (seq, topic, data): (PublishSeq, &Topic, &Bytes),
        subscriptions: &Subscriptions,
        deliveries: &mut Deliveries,
        turn: &mut Turn<'_>,
    ) {
        self.next_sweep.get_or_insert(turn.now + SWEEP);
        if !self.seen.first_time(seq, topic, data, turn.now) {
            tracing::trace!(topic = %topic, "multicast delivered before, dropped");
            return;
        }
        for client in subscriptions.receivers(topic).iter().copied() {
            let (delivery, kind, topic) = (deliveries.name(), Kind::Multicast, shown(topic));
            let data = data.clone();
            let deliver = ClientOutput::Deliver { client, account, delivery, kind, priority, topic, data };
            turn.outbox.push(Output::Client(deliver));
        }
    }
}

/// Whether a subscriber is reached over others, who check a signature.
fn is_behind(Subscriber { holder, .. }: &Subscriber, turn: &Turn<'_>) -> bool {
    matches!(holder, Holder::At { node, .. } if !turn.routing.is_linked(node))
}

/// Tells its source that a multicast is here.
fn acknowledge(multicast: &Multicast, to: NodeId, turn: &mut Turn<'_>) {
    let Multicast { source, epoch, number, lifetime, priority, .. } = *multicast;
    let header = turn.life.header((source, epoch), number, lifetime, turn.now);
    let header = Header { priority: turn.onward.urgency.of(&source, priority, 0, turn.now), ..header };
    let message = Message { header, content: Content::Received };
    turn.outbox.push(Output::SendBridge { to, account: Account::Of(source), message });
}

/// A multicast of ours under a number.
fn multicast(number: u64, (post, priority): (Post, Priority), turn: &mut Turn<'_>) -> Multicast {
    let priority = turn.onward.urgency.of_clients(priority, post.data.len(), turn.now);
    Multicast {
        source: turn.life.node,
        epoch: turn.life.epoch,
        number,
        sent: turn.life.clock(turn.now),
        lifetime: LIFETIME,
        hops_left: MAX_HOPS - 1,
        priority,
        destinations: Vec::new(),
        post: Some(post),
        sealed: None,
    }
}
