use std::collections::VecDeque;

use crate::Output;

/// Outputs in the order they were decided.
///
/// Bound: what one input makes, since the driver drains it after every input; nothing is ever dropped.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Output>,
}

impl Outbox {
    pub(crate) fn push(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }
}
