use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{
    ClientId, ClientOutput, Destination, Kind, Multicast, Post, PublishSeq, ResultCode,
    machine::Amop,
    private::{Holder, names},
};
use crate::{MAX_HOPS, Output, Topic, gate::Admitted, turn::Turn};

/// How long a multicast counts after it was sent.
const MULTICAST_LIFETIME: Duration = Duration::from_secs(30);

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
        let destinations: Vec<_> = remote.nodes.keys().copied().map(Destination::open).collect();
        post(destinations, Post { seq, topic, data }, turn);
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
    pub(crate) fn handle_multicast(&mut self, admitted: Admitted<Multicast>, turn: &mut Turn<'_>) {
        let is_repeated = admitted.is_repeated();
        let (from, mut multicast) = admitted.into_parts();
        let me = turn.life.node;
        let mut destinations = std::mem::take(&mut multicast.destinations);
        let before = destinations.len();
        destinations.retain(|destination| destination.node != me);
        if before > destinations.len()
            && !is_repeated
            && let Some(Post { seq, topic, data }) = multicast.post.clone()
            && !topic.is_block_notification()
        {
            self.deliver_to_all(seq, &topic, &data, turn);
        }
        if let Some(hops_left) = multicast.hops_left.checked_sub(1).filter(|_| multicast.sealed.is_some()) {
            let legs = split(destinations, &[from, multicast.source], turn);
            send(&Multicast { hops_left: hops_left.min(MAX_HOPS - 1), ..multicast }, legs, turn);
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

/// Sends a message of ours to these nodes.
pub(super) fn post(destinations: Vec<Destination>, post: Post, turn: &mut Turn<'_>) {
    let legs = split(destinations, &[], turn);
    if legs.is_empty() {
        return;
    }
    let multicast = Multicast {
        source: turn.life.node,
        epoch: turn.life.epoch,
        number: turn.life.number(),
        sent: turn.life.clock(turn.now),
        lifetime: MULTICAST_LIFETIME,
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
