use std::time::{Duration, Instant};

use bytes::Bytes;
use nuncio_identity::NodeId;
use smallvec::SmallVec;

use super::super::{ClientId, DeliveryId, ResultCode, TenantId};
use crate::{Priority, Topic};

/// An attempt of another node, as it is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::amop) struct Asked {
    pub(in crate::amop) number: u64,
    pub(in crate::amop) epoch: u64,
    pub(in crate::amop) source: NodeId,
}

/// Links, nearly always one.
pub(super) type Vias = SmallVec<[NodeId; 1]>;

/// What an attempt asks of us, and what became of it.
#[derive(Debug)]
pub(super) struct Errand {
    /// The publisher's message, which several attempts may be made at.
    pub(super) message: u64,
    /// The links over which it came: each may be the only one on which the answer arrives.
    pub(super) vias: Vias,
    /// The links over which it was answered.
    pub(super) over: Vias,
    /// The source's clock in the newest of its messages with this attempt.
    pub(super) sent: Duration,
    /// How urgent it is here, and its answer.
    pub(super) priority: Priority,
    pub(super) topic: Topic,
    /// Which of its source's clients published it.
    pub(super) tenant: Option<TenantId>,
    pub(super) data: Bytes,
    pub(super) ends: Instant,
    pub(super) stage: Stage,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// On the way to a session.
    New,
    At {
        client: ClientId,
        delivery: DeliveryId,
    },
    /// The answer is kept as long as the attempt counts, as it may have been lost; `None` where there was no room.
    Answered(Option<(ResultCode, Bytes)>),
}

/// How often one answer is sent: over links that the attempt came over, and when its source asks once more.
const MAX_VIAS: usize = 4;
const MAX_ANSWERS: usize = 8;

/// What an errand takes beside topic and payload.
const PER_ERRAND: usize = 1536;

impl Errand {
    /// Says whether its answer is to be sent over this link, too: it had not come over it before, or its source asks anew.
    pub(super) fn came_over(&mut self, via: NodeId, sent: Duration) -> bool {
        let is_newest = sent > self.sent && self.vias.len() < MAX_ANSWERS;
        let is_answered_there = is_newest || (self.vias.len() < MAX_VIAS && !self.vias.contains(&via));
        if is_answered_there {
            self.vias.push(via);
        }
        self.sent = self.sent.max(sent);
        is_answered_there
    }

    /// Bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let answer = match &self.stage {
            Stage::Answered(Some((_, data))) => data.len(),
            Stage::Answered(None) | Stage::New | Stage::At { .. } => 0,
        };
        PER_ERRAND + self.topic.as_str().len() + self.data.len() + answer
    }
}
