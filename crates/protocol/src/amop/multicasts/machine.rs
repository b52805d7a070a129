use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{
    super::{
        ClientOutput, Destination, Kind, Multicast, Post, PublishSeq, ResultCode,
        deliveries::{Deliveries, shown},
        exchanges::{Publish, Reach},
        private::{Holder, Subscriber, names},
        subscriptions::Subscriptions,
    },
    seen::Seen,
};
use crate::{MAX_HOPS, Output, Topic, gate::Admitted, turn::Turn};

/// How long a multicast counts after it was sent.
const LIFETIME: Duration = Duration::from_secs(30);

/// How often a memory that nobody adds to is emptied.
const SWEEP: Duration = Duration::from_secs(15);

/// The multicasts of the clients here, and those that come for them.
#[derive(Debug, Default)]
pub(in crate::amop) struct Multicasts {
    seen: Seen,
    next_sweep: Option<Instant>,
}

impl Multicasts {
    /// Acknowledges a client's multicast at once and sends it to every subscriber.
    pub(in crate::amop) fn handle_publish(&mut self, publish: Publish, reach: &mut Reach<'_>, turn: &mut Turn<'_>) {
        let Publish { client, seq, topic, data } = publish;
        let private = names::is_private(&topic).then(|| reach.private.proved(client, &topic).collect::<Vec<_>>());
        let nodes = private.as_ref().map_or_else(
            || reach.subscriptions.nodes(&topic).count(),
            |subscribers| subscribers.iter().filter(|one| matches!(one.holder, Holder::At { .. })).count(),
        );
        let bytes = topic.as_str().len() + data.len();
        let is_admitted = reach.quotas.admit(client, &topic, bytes, bytes.saturating_mul(nodes), turn.now);
        let (code, echo) =
            if is_admitted { (ResultCode::OK, data.clone()) } else { (ResultCode::OVER_LIMIT, Bytes::new()) };
        turn.outbox.push(Output::Client(ClientOutput::Reply { client, seq, code, topic: topic.clone(), data: echo }));
        let is_for_nobody =
            topic.is_block_notification() || names::is_closed_to_publishers(&topic) || names::is_channel(&topic);
        if !is_admitted || is_for_nobody {
            return;
        }
        match private {
            Some(subscribers) => self.post_privately(subscribers, seq, &topic, &data, reach, turn),
            None => {
                self.deliver(seq, &topic, &data, reach.subscriptions, reach.deliveries, turn);
                let destinations = reach.subscriptions.nodes(&topic).map(|(node, _)| Destination::open(node));
                post(destinations.collect(), Post { seq, topic, data }, turn);
            }
        }
    }

    /// Delivers another node's multicast here if we are named, and sends it on to the others named.
    pub(in crate::amop) fn handle_received(
        &mut self,
        admitted: Admitted<Multicast>,
        subscriptions: &Subscriptions,
        deliveries: &mut Deliveries,
        turn: &mut Turn<'_>,
    ) {
        let is_repeated = admitted.is_repeated();
        let (from, mut multicast) = admitted.into_parts();
        let me = turn.life.node;
        let mut destinations = std::mem::take(&mut multicast.destinations);
        let before = destinations.len();
        destinations.retain(|destination| destination.node != me);
        if before > destinations.len()
            && !is_repeated
            && let Some(Post { seq, topic, data }) = multicast.post.clone()
            && !names::is_channel(&topic)
        {
            self.deliver(seq, &topic, &data, subscriptions, deliveries, turn);
        }
        if let Some(hops_left) = multicast.hops_left.checked_sub(1).filter(|_| multicast.sealed.is_some()) {
            let legs = split(destinations, &[from, multicast.source], turn);
            send(&Multicast { hops_left: hops_left.min(MAX_HOPS - 1), ..multicast }, legs, turn);
        }
    }

    pub(in crate::amop) fn handle_timeout(&mut self, now: Instant) {
        if self.next_sweep.is_some_and(|at| at <= now) {
            self.seen.forget(now);
            self.next_sweep = (!self.seen.is_empty()).then(|| now + SWEEP);
        }
    }

    pub(in crate::amop) const fn poll_timeout(&self) -> Option<Instant> {
        self.next_sweep
    }

    /// Sends a multicast to every subscriber that has proved itself to this session.
    fn post_privately(
        &mut self,
        subscribers: Vec<Subscriber>,
        seq: PublishSeq,
        private: &Topic,
        data: &Bytes,
        reach: &mut Reach<'_>,
        turn: &mut Turn<'_>,
    ) {
        for Subscriber { holder, session } in subscribers {
            let Some(address) = names::address_of(private, session) else { continue };
            match holder {
                Holder::Here(_) => self.deliver(seq, &address, data, reach.subscriptions, reach.deliveries, turn),
                Holder::At { node, .. } => {
                    post(vec![Destination::open(node)], Post { seq, topic: address, data: data.clone() }, turn);
                }
            }
        }
    }

    /// Hands a multicast to all sessions here that it is for.
    fn deliver(
        &mut self,
        seq: PublishSeq,
        topic: &Topic,
        data: &Bytes,
        subscriptions: &Subscriptions,
        deliveries: &mut Deliveries,
        turn: &mut Turn<'_>,
    ) {
        self.next_sweep.get_or_insert(turn.now + SWEEP);
        if !self.seen.first_time(seq, topic, turn.now) {
            tracing::trace!(topic = %topic, "multicast delivered before, dropped");
            return;
        }
        for client in subscriptions.receivers(topic).iter().copied() {
            let (delivery, kind, topic) = (deliveries.name(), Kind::Multicast, shown(topic));
            let data = data.clone();
            turn.outbox.push(Output::Client(ClientOutput::Deliver { client, delivery, kind, topic, data }));
        }
    }
}

/// Sends a message of ours to these nodes.
fn post(destinations: Vec<Destination>, post: Post, turn: &mut Turn<'_>) {
    let legs = split(destinations, &[], turn);
    if legs.is_empty() {
        return;
    }
    let multicast = Multicast {
        source: turn.life.node,
        epoch: turn.life.epoch,
        number: turn.life.number(),
        sent: turn.life.clock(turn.now),
        lifetime: LIFETIME,
        hops_left: MAX_HOPS - 1,
        destinations: Vec::new(),
        post: Some(post),
        sealed: None,
    };
    send(&multicast, legs, turn);
}

/// The destinations behind each next hop; those without a path are left out.
fn split(
    destinations: Vec<Destination>,
    excluded: &[NodeId],
    turn: &mut Turn<'_>,
) -> BTreeMap<NodeId, Vec<Destination>> {
    let mut legs: BTreeMap<NodeId, Vec<Destination>> = BTreeMap::new();
    for destination in destinations {
        if let Some(hop) = turn.routing.next_hop_without(&destination.node, excluded) {
            legs.entry(hop).or_default().push(destination);
        }
    }
    legs
}

fn send(multicast: &Multicast, legs: BTreeMap<NodeId, Vec<Destination>>, turn: &mut Turn<'_>) {
    for (to, destinations) in legs {
        let multicast = Multicast { destinations, ..multicast.clone() };
        turn.outbox.push(Output::SendMulticast { to, multicast });
    }
}
