use std::{collections::BTreeMap, sync::Arc, time::Instant};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_rights::Rights;

use super::{
    ClientId, ClientInput, ClientOutput, Content, Kind, Message, Multicast, ResultCode,
    deliveries::{Asked, Deliveries, Own},
    exchanges::{Exchanges, Publish, Reach},
    guard::{Guard, Refused},
    multicasts::Multicasts,
    private::{Bringer, Private, names},
    quotas::Quotas,
    subscriptions::{Changed, Subscriptions, TooMany},
};
use crate::{
    Account, Config, Header, Output, Topic, gate::Admitted, outbox::Outbox, status_sync::Record, timers::earliest,
    turn::Turn,
};

/// AMOP of one node: each input to its machine, and what one finds out to the others.
#[derive(Debug)]
pub(crate) struct Amop {
    guard: Guard,
    subscriptions: Subscriptions,
    private: Private,
    quotas: Quotas,
    exchanges: Exchanges,
    deliveries: Deliveries,
    multicasts: Multicasts,
    topics_changed: bool,
}

impl Amop {
    pub(crate) fn new(config: &Config, seed: u64) -> Self {
        Self {
            guard: Guard::new(Arc::clone(&config.rights)),
            subscriptions: Subscriptions::new(seed ^ 1 << 8),
            private: Private::new(seed ^ 2 << 8),
            quotas: Quotas::new(config.publish_limits),
            exchanges: Exchanges::new(config, seed ^ 3 << 8),
            deliveries: Deliveries::new(seed ^ 4 << 8),
            multicasts: Multicasts::new(),
            topics_changed: false,
        }
    }

    /// What clients and other nodes can make it hold.
    pub(crate) fn bounds(config: &Config) -> Vec<Bound> {
        [
            &[Subscriptions::BOUND, Quotas::BOUND, Guard::BOUND][..],
            &Private::BOUNDS,
            &Exchanges::bounds(config),
            &Deliveries::BOUNDS,
            &Multicasts::BOUNDS,
        ]
        .concat()
    }

    /// The own topics for the status, in turn of whose they are; of each those come first that it `named` before.
    pub(crate) fn topics_in_turn(&self, named: &BTreeMap<Topic, u32>) -> Vec<(Topic, u32)> {
        self.subscriptions.told_in_turn(|topic| named.contains_key(topic))
    }

    /// The own topics.
    pub(crate) fn topics(&self) -> BTreeMap<Topic, u32> {
        self.subscriptions.told()
    }

    /// Whether the own topics changed since this was asked last.
    pub(crate) const fn take_topics_changed(&mut self) -> bool {
        std::mem::replace(&mut self.topics_changed, false)
    }

    pub(crate) fn handle_client(&mut self, input: ClientInput, turn: &mut Turn<'_>) {
        match input {
            ClientInput::Connected { client, tenant } => self.subscriptions.handle_connected(client, tenant),
            ClientInput::Disconnected { client } => self.disconnect(client, turn),
            ClientInput::Subscribe { client, topics } => match self.subscriptions.handle_subscribe(client, topics) {
                Ok(changed) => self.note(changed),
                Err(TooMany { bytes, limit }) => {
                    tracing::warn!(
                        client = client.0,
                        bytes,
                        limit,
                        "a client's topics are refused: they take too many bytes"
                    );
                    turn.outbox.push(Output::Client(ClientOutput::SubscriptionRefused { client, bytes, limit }));
                }
            },
            ClientInput::Publish { client, seq, kind, priority, topic, data } => {
                if let Some(payer) = self.subscriptions.payer_of(client) {
                    self.publish(kind, Publish { client, payer, seq, priority, topic, data }, turn);
                }
            }
            ClientInput::Acknowledge { client, delivery, code, data } => {
                let own = self.deliveries.handle_acknowledged(client, delivery, (code, data), turn);
                self.conclude(own, turn);
            }
            ClientInput::ProofJudged { client, challenge, topic, accepted } => {
                self.private.handle_judged(client, challenge, &topic, accepted, turn);
            }
            ClientInput::DeliveryFailed { client, delivery } => {
                let own = self.deliveries.handle_failed(client, delivery, &self.subscriptions, turn);
                self.conclude(own, turn);
            }
        }
        self.review_private(turn);
    }

    pub(crate) fn handle_record(&mut self, record: &Arc<Record>) {
        let private = self.subscriptions.handle_record(record, &self.guard);
        self.private.handle_changed(private);
    }

    /// What other nodes may do with topics here has changed.
    pub(crate) fn handle_rights_changed(&mut self, rights: Arc<Rights>) {
        self.guard.set(rights);
        self.subscriptions.handle_rights_changed(&self.guard);
        self.private.handle_all_changed();
    }

    /// What other nodes were refused.
    pub(crate) const fn refused(&self) -> Refused {
        self.guard.refused()
    }

    pub(crate) fn handle_forgotten(&mut self, node: &NodeId) {
        let private = self.subscriptions.handle_forgotten(node);
        self.private.handle_changed(private);
    }

    /// Forgets an expelled node and whatever it wanted.
    pub(crate) fn handle_expelled(&mut self, node: &NodeId) {
        self.handle_forgotten(node);
        self.deliveries.handle_expelled(node);
    }

    /// Whether [`Amop::take_multicast`] may ever refuse.
    pub(crate) fn has_quotas(&self) -> bool {
        self.guard.has_quotas()
    }

    pub(crate) fn take_multicast(&mut self, record: &Record, bytes: usize, outbox: &mut Outbox, now: Instant) -> bool {
        self.guard.take(record, bytes, outbox, now)
    }

    /// Says whether it asks, or answers what is still open.
    pub(crate) fn handle_received(&mut self, admitted: Admitted<Message>, turn: &mut Turn<'_>) -> bool {
        let (is_repeated, time_left) = (admitted.is_repeated(), admitted.time_left());
        let (from, mut message) = admitted.into_parts();
        let Header { source, source_epoch: epoch, number, sent, priority, .. } = message.header;
        message.header.priority = turn.onward.urgency.of(&source, priority, message.content.length(), turn.now);
        match &message.content {
            Content::Publish { .. } if is_repeated => {
                self.deliveries.handle_repeated(from, &Asked { source, epoch, number }, sent, turn);
            }
            Content::Publish { topic, tenant, data, .. } => {
                let admitted = self.guard.admit(&source, topic, data.len(), turn);
                // Only what somebody here would get is worth remembering.
                let carried = admitted.and_then(|()| {
                    let is_free = !names::is_channel(topic) || self.subscriptions.receivers(topic).is_empty();
                    let record = turn.directory.status_sync.record(&source);
                    let bringer = (Bringer::Node(source, *tenant), record.map_or("", |record| record.agency()));
                    let may = is_free || self.private.may_carry(topic, data, bringer, turn.now);
                    may.then_some(()).ok_or(ResultCode::NO_SUBSCRIBER)
                });
                if let Err(code) = carried {
                    answer(from, &message.header, Content::Result { code, data: Bytes::new() }, turn);
                    return true;
                }
                self.deliveries.handle_publish(from, message, time_left, &self.subscriptions, turn);
            }
            Content::Result { code, data } => {
                let result = (*code, data.clone());
                let (exchanges, mut reach) = self.publishing();
                return exchanges.handle_result(from, &message.header, result, &mut reach, turn);
            }
            Content::Received => return self.multicasts.handle_acknowledged(from, &message.header, turn),
            Content::Sealed { .. } => {}
        }
        true
    }

    pub(crate) fn handle_multicast(&mut self, admitted: Admitted<Multicast>, turn: &mut Turn<'_>) {
        let Self { multicasts, subscriptions, deliveries, guard, .. } = self;
        multicasts.handle_received(admitted, subscriptions, deliveries, guard, turn);
    }

    /// A publish was for an earlier epoch of this node: its sessions are gone.
    pub(crate) fn handle_outlived(admitted: Admitted<Message>, turn: &mut Turn<'_>) {
        let (from, message) = admitted.into_parts();
        let (code, data) = (ResultCode::SUBSCRIBER_GONE, Bytes::new());
        answer(from, &message.header, Content::Result { code, data }, turn);
    }

    /// The link's queue was full for a message of ours.
    pub(crate) fn handle_not_sent(&mut self, to: NodeId, message: Message, turn: &mut Turn<'_>) {
        match &message.content {
            Content::Publish { .. } => {
                let (exchanges, mut reach) = self.publishing();
                exchanges.handle_not_sent(to, message.header.number, &mut reach, turn);
            }
            Content::Result { .. } if message.header.hops_left > 0 => {
                // Fewer hops at each try, so that two full links do not hand it to each other for ever.
                if let Some(hop) = turn.routing.next_hop_without(&message.header.target, &[to]) {
                    let header = Header { hops_left: message.header.hops_left - 1, ..message.header };
                    let (account, message) = (Account::Of(header.target), Message { header, ..message });
                    turn.outbox.push(Output::SendBridge { to: hop, account, message });
                }
            }
            _ => tracing::debug!(to = %to.short(), "queue of the link is full, bridge message dropped"),
        }
    }

    pub(crate) fn handle_link_down(&mut self, peer: &NodeId, turn: &mut Turn<'_>) {
        let (exchanges, mut reach) = self.publishing();
        exchanges.handle_link_down(peer, &mut reach, turn);
    }

    /// These nodes can be reached now, or no more, and others perhaps by other ways.
    pub(crate) fn handle_routes_changed(&mut self, changes: &[(NodeId, bool)], turn: &mut Turn<'_>) {
        for (node, _) in changes {
            self.private.handle_changed(self.subscriptions.private_at(node));
        }
        let (exchanges, mut reach) = self.publishing();
        exchanges.handle_routes_changed(&mut reach, turn);
    }

    /// Lets private topics follow what changed.
    pub(crate) fn review_private(&mut self, turn: &mut Turn<'_>) {
        self.private.review(&self.subscriptions, turn);
    }

    pub(crate) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        let (exchanges, mut reach) = self.publishing();
        exchanges.handle_timeout(&mut reach, turn);
        self.deliveries.handle_timeout(turn.now);
        self.private.handle_timeout(turn);
        self.multicasts.handle_timeout(&mut self.quotas, turn);
    }

    #[inline]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let calls = earliest(self.exchanges.poll_timeout(), self.deliveries.poll_timeout());
        earliest(calls, earliest(self.private.poll_timeout(), self.multicasts.poll_timeout()))
    }

    fn publish(&mut self, kind: Kind, publish: Publish, turn: &mut Turn<'_>) {
        if kind == Kind::Unicast && names::is_channel(&publish.topic) && !self.may_challenge(&publish, turn) {
            turn.outbox.push(publish.refused(ResultCode::NO_SUBSCRIBER));
            return;
        }
        let Self { subscriptions, private, quotas, exchanges, deliveries, multicasts, .. } = self;
        let mut reach = Reach { subscriptions, private, deliveries, quotas };
        match kind {
            Kind::Unicast => exchanges.handle_publish(publish, &mut reach, turn),
            Kind::Multicast => multicasts.handle_publish(publish, &mut reach, turn),
        }
    }

    /// A channel takes challenges only, of sessions that were asked about its owner.
    fn may_challenge(&mut self, Publish { client, payer, topic, data, .. }: &Publish, turn: &Turn<'_>) -> bool {
        let bringer = (Bringer::Client(*payer), "");
        self.private.challenged(*client, topic).is_some() && self.private.may_carry(topic, data, bringer, turn.now)
    }

    fn disconnect(&mut self, client: ClientId, turn: &mut Turn<'_>) {
        let Some(changed) = self.subscriptions.handle_disconnected(client) else { return };
        self.note(Some(changed));
        self.quotas.forget(client);
        self.exchanges.handle_disconnected(client, &mut self.deliveries);
        self.multicasts.handle_disconnected(client);
        for own in self.deliveries.handle_disconnected(client, &self.subscriptions, turn) {
            self.conclude(Some(own), turn);
        }
    }

    fn note(&mut self, changed: Option<Changed>) {
        if let Some(Changed { is_told, private }) = changed {
            self.topics_changed |= is_told;
            self.private.handle_changed(private);
        }
    }

    fn conclude(&mut self, own: Option<Own>, turn: &mut Turn<'_>) {
        if let Some((which, outcome)) = own {
            let (exchanges, mut reach) = self.publishing();
            exchanges.handle_outcome(which, outcome, &mut reach, turn);
        }
    }

    fn publishing(&mut self) -> (&mut Exchanges, Reach<'_>) {
        let Self { subscriptions, private, quotas, exchanges, deliveries, .. } = self;
        (exchanges, Reach { subscriptions, private, deliveries, quotas })
    }
}

fn answer(to: NodeId, asked: &Header, content: Content, turn: &mut Turn<'_>) {
    let (account, header) = (Account::Of(asked.source), turn.answering(asked));
    turn.outbox.push(Output::SendBridge { to, account, message: Message { header, content } });
}
