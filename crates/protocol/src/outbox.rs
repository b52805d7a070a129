use std::collections::VecDeque;

use nuncio_identity::NodeId;

use crate::{Output, gate::Strike};

/// Outputs in the order they were decided, and strikes for the gate.
///
/// Bound: what one input makes, since the driver drains it after every input; nothing is ever dropped.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Output>,
    strikes: Vec<(NodeId, Strike)>,
}

impl Outbox {
    pub(crate) fn push(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    /// A peer broke a rule: the gate will count it.
    pub(crate) fn strike(&mut self, peer: NodeId, strike: Strike) {
        self.strikes.push((peer, strike));
    }

    pub(crate) fn take_strikes(&mut self) -> Vec<(NodeId, Strike)> {
        std::mem::take(&mut self.strikes)
    }
}
