use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;
use rand::{SeedableRng, rngs::SmallRng};

use super::{
    ClientId, ClientInput, ClientOutput, Content, DeliveryId, Kind, Message, ResultCode,
    delivery::{Deliveries, Origin},
    exchange::{Exchanges, Fate, Trying},
    memory::{Handed, Multicasts},
    private::Proofs,
    quotas::Quotas,
    subscriptions::Subscriptions,
    suspects::Suspects,
};
use crate::{Config, MAX_HOPS, Output, Topic, status_sync::Record, timers::earliest, turn::Turn};

/// How often memories that nobody adds to are emptied.
const SWEEP: Duration = Duration::from_secs(15);

/// Publishers' exchanges, subscribers' deliveries, and the messages of others on their way.
#[derive(Debug)]
pub(crate) struct Amop {
    pub(super) me: NodeId,
    pub(super) epoch: u64,
    pub(super) candidate_timeout: Duration,
    pub(super) timeout: Duration,
    pub(super) max_exchanges: usize,
    pub(super) rng: SmallRng,
    pub(super) quotas: Quotas,
    pub(super) subscriptions: Subscriptions,
    pub(super) proofs: Proofs,
    /// Subscriptions changed since private topics were reviewed.
    pub(super) private_due: bool,
    pub(super) exchanges: Exchanges,
    pub(super) deliveries: Deliveries,
    pub(super) handed: Handed,
    pub(super) multicasts: Multicasts,
    pub(super) suspect_nodes: Suspects<NodeId>,
    pub(super) suspect_clients: Suspects<ClientId>,
    pub(super) next_message: u64,
    next_sweep: Option<Instant>,
    topics_changed: bool,
}

impl Amop {
    pub(crate) fn new(config: &Config, me: NodeId, epoch: u64, seed: u64) -> Self {
        Self {
            me,
            epoch,
            candidate_timeout: config.amop_candidate_timeout,
            timeout: config.amop_timeout,
            max_exchanges: config.max_exchanges,
            rng: SmallRng::seed_from_u64(seed),
            quotas: Quotas::new(config.publish_limits),
            subscriptions: Subscriptions::default(),
            proofs: Proofs::default(),
            private_due: false,
            exchanges: Exchanges::default(),
            deliveries: Deliveries::default(),
            handed: Handed::default(),
            multicasts: Multicasts::default(),
            suspect_nodes: Suspects::default(),
            suspect_clients: Suspects::default(),
            next_message: 1,
            next_sweep: None,
            topics_changed: false,
        }
    }

    /// The own topics for the status.
    pub(crate) fn topics(&self) -> BTreeMap<Topic, u32> {
        self.subscriptions.counts()
    }

    /// Whether the own topics changed since this was asked last.
    pub(crate) const fn take_topics_changed(&mut self) -> bool {
        std::mem::replace(&mut self.topics_changed, false)
    }

    pub(crate) fn handle_client(&mut self, input: ClientInput, turn: &mut Turn<'_>) {
        match input {
            ClientInput::Connected { client } => self.subscriptions.connect(client),
            ClientInput::Disconnected { client } => self.disconnect(client, turn),
            ClientInput::Subscribe { client, topics } => {
                let changed = self.subscriptions.subscribe(client, topics);
                self.topics_changed |= changed;
                self.private_due |= changed;
            }
            ClientInput::Publish { client, seq, kind, topic, data } => {
                if self.subscriptions.client_mut(client).is_none() {
                    return;
                }
                match kind {
                    Kind::Unicast => self.publish(client, seq, topic, data, turn),
                    Kind::Multicast => self.multicast(client, seq, topic, data, turn),
                }
            }
            ClientInput::Acknowledge { client, delivery, code, data } => {
                self.acknowledge(client, delivery, code, data, turn);
            }
            ClientInput::ProofJudged { client, challenge, topic, accepted } => {
                self.proof_judged(client, challenge, &topic, accepted, turn);
            }
            ClientInput::DeliveryFailed { client, delivery } => self.delivery_failed(client, delivery, turn),
        }
    }

    pub(crate) fn handle_record(&mut self, record: &Arc<Record>) {
        self.private_due |= self.subscriptions.apply(record);
    }

    pub(crate) fn handle_forgotten(&mut self, node: &NodeId) {
        self.private_due |= self.subscriptions.forget(node);
    }

    /// Forgets an expelled node and whatever it wanted.
    pub(crate) fn handle_expelled(&mut self, node: &NodeId) {
        self.private_due |= self.subscriptions.forget(node);
        for (delivery, client) in self.deliveries.drop_source(node) {
            if let Some(client) = self.subscriptions.client_mut(client) {
                client.deliveries.remove(&delivery);
            }
        }
    }

    pub(crate) fn handle_received(&mut self, from: NodeId, message: Message, turn: &mut Turn<'_>) {
        if message.source == self.me {
            tracing::trace!(from = %from.short(), "own message came back, dropped");
            return;
        }
        match &message.content {
            Content::Multicast { .. } => self.pass_on(from, message, turn),
            Content::Publish { target, .. } | Content::Result { target, .. } if *target != self.me => {
                let target = *target;
                self.relay(from, target, message, turn);
            }
            Content::Publish { .. } => self.run_errand(from, message, turn),
            Content::Result { .. } => self.conclude(from, message, turn),
        }
    }

    pub(crate) fn handle_not_sent(&mut self, to: NodeId, message: Message, turn: &mut Turn<'_>) {
        match &message.content {
            Content::Publish { target, .. } if message.source == self.me => {
                self.unreached(message.id, *target, turn);
            }
            Content::Publish { .. } => {
                let hop = turn.routing.next_hop_without(&message.source, &[to]);
                self.turn_back(hop, &message, turn);
            }
            Content::Result { target, .. } if message.source == self.me && message.hops_left > 0 => {
                // Fewer hops at each try, so that two full links do not hand it to each other for ever.
                if let Some(hop) = turn.routing.next_hop_without(target, &[to]) {
                    let message = Message { hops_left: message.hops_left - 1, ..message };
                    turn.outbox.push(Output::SendBridge { to: hop, message });
                }
            }
            Content::Result { .. } | Content::Multicast { .. } => {
                tracing::debug!(to = %to.short(), "queue of the link is full, bridge message dropped");
            }
        }
    }

    /// A link is gone: what was sent over it is tried elsewhere.
    pub(crate) fn handle_link_down(&mut self, peer: &NodeId, turn: &mut Turn<'_>) {
        let lost = |to: &Trying| matches!(to, Trying::Node { via, .. } if via == peer);
        for message in self.exchanges.matching(lost) {
            self.attempt_failed(message, Fate::Gone, turn);
        }
    }

    /// Nodes went out of reach: what was sent to them is tried elsewhere.
    pub(crate) fn handle_routes_changed(&mut self, turn: &mut Turn<'_>) {
        self.private_due = true;
        let routing = &*turn.routing;
        let lost = |to: &Trying| matches!(to, Trying::Node { node, .. } if !routing.is_reachable(node));
        for message in self.exchanges.matching(lost) {
            self.attempt_failed(message, Fate::Gone, turn);
        }
    }

    pub(crate) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        while let Some(message) = self.exchanges.pop_due(turn.now) {
            self.exchange_due(message, turn);
        }
        while let Some((id, delivery)) = self.deliveries.pop_due(turn.now) {
            self.suspect_clients.note(delivery.client, turn.now);
            if let Some(client) = self.subscriptions.client_mut(delivery.client) {
                client.deliveries.remove(&id);
            }
        }
        self.proofs_due(turn);
        if self.next_sweep.is_some_and(|at| at <= turn.now) {
            self.handed.purge(turn.now);
            self.multicasts.purge(turn.now);
            let empty = self.handed.is_empty() && self.multicasts.is_empty();
            self.next_sweep = (!empty).then(|| turn.now + SWEEP);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let calls = earliest(self.exchanges.next(), self.deliveries.next());
        earliest(earliest(calls, self.proofs.next()), self.next_sweep)
    }

    /// Something is remembered that must be forgotten one day.
    pub(super) fn sweep_later(&mut self, now: Instant) {
        self.next_sweep.get_or_insert(now + SWEEP);
    }

    pub(super) fn message(&self, id: u64, content: Content) -> Message {
        let (source, epoch) = (self.me, self.epoch);
        Message { source, epoch, id, hops_left: MAX_HOPS - 1, content, signature: None }
    }

    /// Tells a publisher's node that its message goes no further; a subscriber has not seen it.
    pub(super) fn turn_back(&self, hop: Option<NodeId>, publish: &Message, turn: &mut Turn<'_>) {
        if let Some(to) = hop {
            let (target, code) = (publish.source, ResultCode::NO_SUBSCRIBER);
            let content = Content::Result { target, code, data: bytes::Bytes::new() };
            let message = Message { epoch: publish.epoch, ..self.message(publish.id, content) };
            turn.outbox.push(Output::SendBridge { to, message });
        }
    }

    pub(super) fn deliver_output(
        client: ClientId,
        delivery: DeliveryId,
        kind: Kind,
        topic: Topic,
        data: bytes::Bytes,
    ) -> Output {
        Output::Client(ClientOutput::Deliver { client, delivery, kind, topic, data })
    }

    fn relay(&self, from: NodeId, target: NodeId, mut message: Message, turn: &mut Turn<'_>) {
        let hop = turn.routing.next_hop_without(&target, &[from, message.source]);
        match hop.filter(|_| message.hops_left > 0) {
            Some(to) => {
                message.hops_left = message.hops_left.min(MAX_HOPS) - 1;
                turn.outbox.push(Output::SendBridge { to, message });
            }
            None if matches!(message.content, Content::Publish { .. }) => self.turn_back(Some(from), &message, turn),
            None => tracing::trace!(target = %target.short(), "no way on for a result, dropped"),
        }
    }

    fn disconnect(&mut self, client: ClientId, turn: &mut Turn<'_>) {
        let Some(gone) = self.subscriptions.disconnect(client) else { return };
        self.topics_changed = true;
        self.private_due = true;
        self.quotas.forget(client);
        self.suspect_clients.clear(&client);
        for message in gone.publishes {
            if let Some(exchange) = self.exchanges.remove(message)
                && let Some(attempt) = exchange.attempt
            {
                self.withdraw(attempt.to);
            }
        }
        for delivery in gone.deliveries {
            self.delivery_failed(client, delivery, turn);
        }
    }

    /// Forgets the delivery of an attempt that ended; a late acknowledgement finds nothing.
    pub(super) fn withdraw(&mut self, to: Trying) {
        if let Trying::Client { client, delivery } = to {
            self.deliveries.take(delivery, client);
            if let Some(client) = self.subscriptions.client_mut(client) {
                client.deliveries.remove(&delivery);
            }
        }
    }

    fn delivery_failed(&mut self, client: ClientId, delivery: DeliveryId, turn: &mut Turn<'_>) {
        let Some(failed) = self.deliveries.take(delivery, client) else { return };
        if let Some(client) = self.subscriptions.client_mut(client) {
            client.deliveries.remove(&delivery);
        }
        match failed.origin {
            Origin::Own { message } => self.attempt_failed(message, Fate::Gone, turn),
            Origin::Peer(errand) => self.deliver_errand(errand, turn),
        }
    }
}
