use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{
    super::{Content, Message, ResultCode, pace},
    errand::{Asked, Errand, Stage, Vias},
};
use crate::{Account, Header, Output, turn::Turn};

/// A result counts at least so long: it may come a little late.
const RESULT_LIFETIME: Duration = Duration::from_secs(2);

/// Tells the publisher's node what became of its attempt, on every link over which it came, or where else that may get
/// through; says over which.
pub(super) fn report(asked: &Asked, errand: &Errand, code: ResultCode, data: &Bytes, turn: &mut Turn<'_>) -> Vias {
    let linked: Vias = errand.vias.iter().copied().filter(|via| turn.routing.is_linked(via)).collect();
    let vias = if linked.is_empty() { errand.vias.get(..1).unwrap_or_default() } else { &linked[..] };
    let mut over = Vias::new();
    for via in vias {
        let to = turn.routing.way_back(&asked.source, via, turn.now).filter(|to| !over.contains(to));
        if let Some(to) = to {
            send((asked, errand), to, (code, data.clone()), turn);
            over.push(to);
        }
    }
    over
}

/// The attempt came once more, over `via`; if its source made it anew, what was sent before was lost.
pub(super) fn report_again(asked: &Asked, errand: &mut Errand, (via, is_newer): (NodeId, bool), turn: &mut Turn<'_>) {
    let Stage::Answered(Some((code, data))) = &errand.stage else { return };
    let (code, data) = (*code, data.clone());
    let to = if is_newer {
        turn.routing.note_lost(asked.source, &errand.over, turn.now);
        turn.routing.way_back(&asked.source, &via, turn.now)
    } else {
        Some(via)
    };
    if let Some(to) = to {
        send((asked, errand), to, (code, data), turn);
        errand.over.push(to);
    }
}

/// The same on one link.
fn send((asked, errand): (&Asked, &Errand), to: NodeId, (code, data): (ResultCode, Bytes), turn: &mut Turn<'_>) {
    let lifetime = errand.ends.saturating_duration_since(turn.now).max(RESULT_LIFETIME + pace::travel(data.len()));
    let header = turn.life.header((asked.source, asked.epoch), asked.number, lifetime, turn.now);
    let priority = turn.onward.urgency.of(&asked.source, errand.priority, data.len(), turn.now);
    let header = Header { priority, ..header };
    let message = Message { header, content: Content::Result { code, data } };
    turn.outbox.push(Output::SendBridge { to, account: Account::Of(asked.source), message });
}
