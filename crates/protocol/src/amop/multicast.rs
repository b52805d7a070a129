use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{
    ClientId, ClientOutput, Content, Kind, Message, PublishSeq, ResultCode,
    exchange::multicast_id,
    machine::Amop,
    private::{Holder, names},
};
use crate::{MAX_HOPS, MAX_NODES, Output, Topic, turn::Turn};

/// Multicast: to every subscriber once, with explicit destinations that each node splits by next hop.
impl Amop {
    pub(super) fn multicast(
        &mut self,
        client: ClientId,
        seq: PublishSeq,
        topic: Topic,
        data: Bytes,
        turn: &mut Turn<'_>,
    ) {
        let private = names::is_private(&topic).then(|| self.proofs.given(client, &topic).cloned().collect::<Vec<_>>());
        let refusal = if private.as_ref().is_some_and(Vec::is_empty) {
            Some(ResultCode::NO_SUBSCRIBER)
        } else {
            let nodes = private.as_ref().map_or_else(
                || self.subscriptions.remote(&topic).map_or(0, |remote| remote.nodes.len()),
                |subscribers| subscribers.iter().filter(|one| matches!(one.holder, Holder::At(_))).count(),
            );
            (!self.admits_multicast(client, &topic, data.len(), nodes, turn)).then_some(ResultCode::OVER_LIMIT)
        };
        if let Some(code) = refusal {
            let data = Bytes::new();
            turn.outbox.push(Output::Client(ClientOutput::Reply { client, seq, code, topic, data }));
            return;
        }
        let (code, echo) = (ResultCode::OK, data.clone());
        turn.outbox.push(Output::Client(ClientOutput::Reply { client, seq, code, topic: topic.clone(), data: echo }));
        if topic.is_block_notification() || names::is_closed_to_publishers(&topic) {
            return;
        }
        if let Some(subscribers) = private {
            self.multicast_privately(subscribers, seq, &data, turn);
            return;
        }
        self.deliver_to_all(seq, &topic, &data, turn);
        let Some(remote) = self.subscriptions.remote(&topic) else { return };
        let legs = split(remote.nodes.keys(), &[], turn);
        if legs.is_empty() {
            return;
        }
        let id = multicast_id(self.next_message);
        self.next_message += 1;
        let message = self.message(id, Content::Multicast { destinations: Vec::new(), seq, topic, data });
        send(&message, legs, turn);
    }

    fn admits_multicast(
        &mut self,
        client: ClientId,
        topic: &Topic,
        length: usize,
        nodes: usize,
        turn: &Turn<'_>,
    ) -> bool {
        let bytes = topic.as_str().len() + length;
        self.quotas.admit(client, topic, bytes, bytes.saturating_mul(nodes), turn.now)
    }

    /// Delivers another node's multicast here if we are named, and sends it on to the others named.
    pub(super) fn pass_on(&mut self, from: NodeId, mut message: Message, turn: &mut Turn<'_>) {
        let Content::Multicast { destinations, seq, topic, data } = &mut message.content else { return };
        let mut destinations: BTreeSet<NodeId> = std::mem::take(destinations).into_iter().take(MAX_NODES).collect();
        if topic.is_block_notification() {
            return;
        }
        if destinations.remove(&self.me) {
            self.deliver_to_all(*seq, topic, data, turn);
        }
        if message.hops_left > 0 && !destinations.is_empty() {
            let legs = split(destinations.iter(), &[from, message.source], turn);
            message.hops_left = message.hops_left.min(MAX_HOPS) - 1;
            send(&message, legs, turn);
        }
    }

    pub(super) fn deliver_to_all(&mut self, seq: PublishSeq, topic: &Topic, data: &Bytes, turn: &mut Turn<'_>) {
        self.sweep_later(turn.now);
        if !self.multicasts.first_time(seq, topic, turn.now) {
            tracing::trace!(topic = %topic, "multicast delivered before, dropped");
            return;
        }
        for client in self.subscriptions.sessions_at(topic, |node| turn.routing.is_reachable(node)) {
            let delivery = self.deliveries.name();
            turn.outbox.push(Self::deliver_as(*client, delivery, Kind::Multicast, topic, data.clone()));
        }
    }
}

/// The destinations behind each next hop; those without a path are left out.
fn split<'a>(
    destinations: impl Iterator<Item = &'a NodeId>,
    excluded: &[NodeId],
    turn: &mut Turn<'_>,
) -> BTreeMap<NodeId, Vec<NodeId>> {
    let mut legs: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    for node in destinations {
        if let Some(hop) = turn.routing.next_hop_without(node, excluded) {
            legs.entry(hop).or_default().push(*node);
        }
    }
    legs
}

fn send(message: &Message, legs: BTreeMap<NodeId, Vec<NodeId>>, turn: &mut Turn<'_>) {
    for (to, leg) in legs {
        let mut message = message.clone();
        if let Content::Multicast { destinations, .. } = &mut message.content {
            *destinations = leg;
        }
        turn.outbox.push(Output::SendBridge { to, message });
    }
}
