use std::time::Instant;

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{
    super::{
        Content, Message,
        private::{Holder, names},
        quotas::Quotas,
    },
    attempt::{Attempt, Candidate, Path},
    exchange::Exchange,
};
use crate::{Header, Output, Topic, routing::Routing, turn::Turn};

/// Sends a message to a candidate at another node; `None` when that cannot be.
pub(super) fn begin(
    exchange: &mut Exchange,
    message: u64,
    candidate: Candidate,
    node: NodeId,
    quotas: &mut Quotas,
    turn: &mut Turn<'_>,
) -> Option<Attempt> {
    let via = turn.routing.next_hop_avoiding(&node, &[], &[], turn.now);
    let Some(via) = via.filter(|_| epoch_of(&candidate, turn).is_some()) else {
        exchange.given_up.push(node);
        return None;
    };
    if !quotas.admit_outgoing(bytes(&exchange.topic, &exchange.data), turn.now) {
        exchange.is_over_limit = true;
        return None;
    }
    let attempt = Attempt::at_node(candidate, turn.life.number(), via);
    send(exchange, message, &attempt, via, turn);
    Some(attempt)
}

/// Makes an attempt once more over another path; `false` when there is none.
pub(super) fn send_again(
    exchange: &mut Exchange,
    message: u64,
    index: usize,
    was_silent: bool,
    quotas: &mut Quotas,
    turn: &mut Turn<'_>,
) -> bool {
    let attempt = &exchange.attempts[index];
    let Some(via) = another(attempt, turn.routing, turn.now) else { return false };
    if !quotas.admit_outgoing(bytes(&exchange.topic, &exchange.data), turn.now) {
        return false;
    }
    if was_silent && let Some((node, last)) = attempt.candidate.node().zip(attempt.paths.last()) {
        turn.routing.note_silent(&node, &last.via, turn.now);
    }
    send(exchange, message, attempt, via, turn);
    exchange.attempts[index].paths.push(Path { via, has_failed: false });
    true
}

/// An attempt stayed without an answer. If it was made over several ways, it is the target that is silent.
pub(super) fn forgive(attempt: &Attempt, routing: &mut Routing) {
    let Some(node) = attempt.candidate.node().filter(|_| attempt.paths.len() > 1) else { return };
    for path in &attempt.paths {
        let met = routing.path_via(&node, &path.via);
        routing.forgive(&node, &met);
    }
}

/// The publish for another node, over one hop; the same number over another hop is the same attempt.
fn send(exchange: &Exchange, message: u64, attempt: &Attempt, via: NodeId, turn: &mut Turn<'_>) {
    let Some((node, topic)) = attempt.candidate.node().zip(address(exchange, &attempt.candidate)) else { return };
    let Some(epoch) = epoch_of(&attempt.candidate, turn) else { return };
    let lifetime = exchange.deadline.saturating_duration_since(turn.now);
    let header = turn.life.header((node, epoch), attempt.number, lifetime, turn.now);
    let priority = turn.onward.urgency.of_clients(exchange.priority, exchange.data.len(), turn.now);
    let header = Header { priority, ..header };
    let (tenant, data) = (exchange.payer.tenant(), exchange.data.clone());
    let content = Content::Publish { message, topic, tenant, data };
    let message = Message { header, content };
    turn.outbox.push(Output::SendBridge { to: via, account: exchange.payer.account(), message });
}

/// The topic under which a message goes to a candidate.
fn address(exchange: &Exchange, candidate: &Candidate) -> Option<Topic> {
    match candidate {
        Candidate::Session(_, subscriber) if names::is_private(&exchange.topic) => {
            names::address_of(&exchange.topic, subscriber.session)
        }
        _ => Some(exchange.topic.clone()),
    }
}

/// In which of its epochs the candidate's node is meant: of a session, that in which it proved itself.
fn epoch_of(candidate: &Candidate, turn: &Turn<'_>) -> Option<u64> {
    match candidate {
        Candidate::Session(_, subscriber) => match subscriber.holder {
            Holder::At { epoch, .. } => Some(epoch),
            Holder::Here(_) => None,
        },
        Candidate::Node(node) => turn.directory.epoch_of(node),
        Candidate::Client(_) => None,
    }
}

/// The hop for one more path of an attempt whose last one says nothing; `None` when there is no other, or none is needed:
/// a link of its own is not silent without being noticed.
fn another(attempt: &Attempt, routing: &mut Routing, now: Instant) -> Option<NodeId> {
    let (node, last) = attempt.candidate.node().zip(attempt.paths.last())?;
    if last.via == node && !last.has_failed {
        return None;
    }
    let tried: Vec<_> = attempt.tried().collect();
    let met = routing.path_via(&node, &last.via);
    routing.next_hop_avoiding(&node, &tried, &met, now).filter(|hop| !tried.contains(hop))
}

/// Bytes that leave when a message is sent once.
pub(super) fn bytes(topic: &Topic, data: &Bytes) -> usize {
    topic.as_str().len() + data.len()
}
