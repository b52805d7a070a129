use std::collections::BTreeMap;

use nuncio_identity::NodeId;

use super::super::{Destination, Multicast};
use crate::{Account, Output, turn::Turn};

/// The destinations behind each next hop.
pub(super) type Legs = BTreeMap<NodeId, Vec<Destination>>;

/// Where another node's multicast goes on; destinations without a path are left out.
pub(super) fn onward(destinations: Vec<Destination>, excluded: &[NodeId], turn: &mut Turn<'_>) -> Legs {
    let mut legs = Legs::new();
    for destination in destinations {
        if let Some(hop) = turn.routing.next_hop_without(&destination.node, excluded) {
            legs.entry(hop).or_default().push(destination);
        }
    }
    legs
}

/// Over which first hop our own goes to each node; hops that were silent of late are avoided.
pub(super) fn first_hops(nodes: impl Iterator<Item = NodeId>, turn: &mut Turn<'_>) -> Vec<(NodeId, NodeId)> {
    let reached = nodes.filter_map(|node| Some((node, turn.routing.next_hop_avoiding(&node, &[], &[], turn.now)?)));
    reached.collect()
}

/// Another first hop for a node that did not say that it has a multicast; `None` when there is no other.
pub(super) fn another(node: &NodeId, tried: &[NodeId], turn: &mut Turn<'_>) -> Option<NodeId> {
    let last = tried.last()?;
    let met = turn.routing.path_via(node, last);
    turn.routing.note_silent(node, last, turn.now);
    turn.routing.next_hop_avoiding(node, tried, &met, turn.now).filter(|hop| !tried.contains(hop))
}

pub(super) fn legs(hops: impl IntoIterator<Item = (NodeId, NodeId)>) -> Legs {
    let mut legs = Legs::new();
    for (node, via) in hops {
        legs.entry(via).or_default().push(Destination::open(node));
    }
    legs
}

/// Passes another node's multicast on over each leg, no more copies than the next hop puts up with.
pub(super) fn pass_on(multicast: &Multicast, legs: Legs, from: NodeId, turn: &mut Turn<'_>) {
    for (to, destinations) in legs {
        let multicast = Multicast { destinations, ..multicast.clone() };
        if turn.onward.may_cast(&to, &from, &multicast, turn.now) {
            turn.outbox.push(Output::SendMulticast { to, account: Account::Of(from), multicast });
        }
    }
}

/// Sends a multicast of ours over each leg.
pub(super) fn send(multicast: &Multicast, legs: Legs, account: Account, turn: &mut Turn<'_>) {
    for (to, destinations) in legs {
        let multicast = Multicast { destinations, ..multicast.clone() };
        turn.outbox.push(Output::SendMulticast { to, account, multicast });
    }
}
