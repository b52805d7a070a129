use std::time::{Duration, Instant};

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{
    super::{Content, Message, ResultCode, pace},
    errand::{Asked, Errand},
};
use crate::{Output, turn::Turn};

/// A result counts at least so long: it may come a little late.
const RESULT_LIFETIME: Duration = Duration::from_secs(2);

/// Tells the publisher's node what became of its attempt, on every link over which it came.
pub(super) fn report(asked: &Asked, errand: &Errand, code: ResultCode, data: Bytes, turn: &mut Turn<'_>) {
    let mut links: Vec<_> = errand.vias.iter().copied().filter(|via| turn.routing.is_linked(via)).collect();
    if links.is_empty() {
        links.extend(turn.routing.next_hop(&asked.source));
    }
    for to in links {
        send(asked, to, (code, data.clone()), errand.ends, turn);
    }
}

/// The same on one link.
pub(super) fn send(asked: &Asked, to: NodeId, (code, data): (ResultCode, Bytes), ends: Instant, turn: &mut Turn<'_>) {
    let lifetime = ends.saturating_duration_since(turn.now).max(RESULT_LIFETIME + pace::travel(data.len()));
    let header = turn.life.header((asked.source, asked.epoch), asked.number, lifetime, turn.now);
    turn.outbox.push(Output::SendBridge { to, message: Message { header, content: Content::Result { code, data } } });
}
