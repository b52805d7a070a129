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
use crate::{Config, Header, Output, Topic, gate::Admitted, status_sync::Record, timers::earliest, turn::Turn};

/// How often memories that nobody adds to are emptied.
const SWEEP: Duration = Duration::from_secs(15);

/// Publishers' exchanges, subscribers' deliveries, and the messages of others on their way.
#[derive(Debug)]
pub(crate) struct Amop {
    pub(super) me: NodeId,
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
    next_sweep: Option<Instant>,
    topics_changed: bool,
}

impl Amop {
    pub(crate) fn new(config: &Config, me: NodeId, seed: u64) -> Self {
        Self {
            me,
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

    pub(crate) fn handle_received(&mut self, admitted: Admitted<Message>, turn: &mut Turn<'_>) {
        if admitted.is_repeated() {
            tracing::trace!("bridge message seen before, dropped");
            return;
        }
        let time_left = admitted.time_left();
        let (from, message) = admitted.into_parts();
        match &message.content {
            Content::Publish { .. } => self.run_errand(from, message, time_left, turn),
            Content::Result { .. } => self.conclude(from, message, turn),
            Content::Sealed { .. } => {}
        }
    }

    /// A publish was for an earlier epoch of this node: its sessions are gone.
    pub(crate) fn handle_outlived(admitted: Admitted<Message>, turn: &mut Turn<'_>) {
        let (from, message) = admitted.into_parts();
        let (code, data) = (ResultCode::SUBSCRIBER_GONE, bytes::Bytes::new());
        let header = turn.answering(&message.header);
        let message = Message { header, content: Content::Result { code, data } };
        turn.outbox.push(Output::SendBridge { to: from, message });
    }

    /// The link's queue was full for a message of ours.
    pub(crate) fn handle_not_sent(&mut self, to: NodeId, message: Message, turn: &mut Turn<'_>) {
        match &message.content {
            Content::Publish { .. } => self.unreached(message.header.number, message.header.target, turn),
            Content::Result { .. } if message.header.hops_left > 0 => {
                // Fewer hops at each try, so that two full links do not hand it to each other for ever.
                if let Some(hop) = turn.routing.next_hop_without(&message.header.target, &[to]) {
                    let header = Header { hops_left: message.header.hops_left - 1, ..message.header };
                    turn.outbox.push(Output::SendBridge { to: hop, message: Message { header, ..message } });
                }
            }
            _ => tracing::debug!(to = %to.short(), "queue of the link is full, bridge message dropped"),
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

    pub(super) fn deliver_output(
        client: ClientId,
        delivery: DeliveryId,
        kind: Kind,
        topic: Topic,
        data: bytes::Bytes,
    ) -> Output {
        Output::Client(ClientOutput::Deliver { client, delivery, kind, topic, data })
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
