use std::time::Instant;

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{
    super::{
        Content, Message,
        private::{Holder, names},
    },
    attempt::{Attempt, Candidate, Path},
    exchange::Exchange,
};
use crate::{Output, Topic, routing::Routing, turn::Turn};

/// The publish for another node, over one hop; the same number over another hop is the same attempt.
pub(super) fn send(exchange: &Exchange, message: u64, attempt: &Attempt, via: NodeId, turn: &mut Turn<'_>) {
    let Some((node, topic)) = attempt.candidate.node().zip(address(exchange, &attempt.candidate)) else { return };
    let Some(epoch) = epoch_of(&attempt.candidate, turn) else { return };
    let lifetime = exchange.deadline.saturating_duration_since(turn.now);
    let header = turn.life.header((node, epoch), attempt.number, lifetime, turn.now);
    let content = Content::Publish { message, topic, data: exchange.data.clone() };
    turn.outbox.push(Output::SendBridge { to: via, message: Message { header, content } });
}

/// The topic under which a message goes to a candidate.
pub(super) fn address(exchange: &Exchange, candidate: &Candidate) -> Option<Topic> {
    match candidate {
        Candidate::Session(_, subscriber) if names::is_private(&exchange.topic) => {
            names::address_of(&exchange.topic, subscriber.session)
        }
        _ => Some(exchange.topic.clone()),
    }
}

/// In which of its epochs the candidate's node is meant: of a session, that in which it proved itself.
pub(super) fn epoch_of(candidate: &Candidate, turn: &Turn<'_>) -> Option<u64> {
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
pub(super) fn another(attempt: &Attempt, routing: &mut Routing, now: Instant) -> Option<NodeId> {
    let (node, last) = attempt.candidate.node().zip(attempt.paths.last())?;
    if last.via == node && !last.has_failed {
        return None;
    }
    let tried: Vec<_> = attempt.paths.iter().map(|path| path.via).collect();
    let met = routing.path_via(&node, &last.via);
    routing.next_hop_avoiding(&node, &tried, &met, now).filter(|hop| !tried.contains(hop))
}

impl Attempt {
    pub(super) fn add_path(&mut self, via: NodeId) {
        self.paths.push(Path { via, has_failed: false });
    }
}

/// Bytes that leave when a message is sent once.
pub(super) fn bytes(topic: &Topic, data: &Bytes) -> usize {
    topic.as_str().len() + data.len()
}
