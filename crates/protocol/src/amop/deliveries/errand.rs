use std::time::Instant;

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::super::{ClientId, DeliveryId, ResultCode};
use crate::Topic;

/// An attempt of another node, as it is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::amop) struct Asked {
    pub(in crate::amop) source: NodeId,
    pub(in crate::amop) epoch: u64,
    pub(in crate::amop) number: u64,
}

/// What an attempt asks of us, and what became of it.
#[derive(Debug)]
pub(super) struct Errand {
    /// The publisher's message, which several attempts may be made at.
    pub(super) message: u64,
    /// The links over which it came: each may be the only one on which the answer arrives.
    pub(super) vias: Vec<NodeId>,
    pub(super) topic: Topic,
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

/// Most links over which one answer is sent.
const MAX_VIAS: usize = 4;

/// What an errand takes beside topic and payload.
const PER_ERRAND: usize = 1536;

impl Errand {
    /// Says whether it had not come over this link before: on each the answer is sent once.
    pub(super) fn came_over(&mut self, via: NodeId) -> bool {
        let is_new = self.vias.len() < MAX_VIAS && !self.vias.contains(&via);
        if is_new {
            self.vias.push(via);
        }
        is_new
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
