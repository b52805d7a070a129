//! Which traced messages left for their links, told to the swarm's task by the tasks of the connections.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_protocol::{Header, TraceInput};

/// Most that are told and not taken.
const MAX_TOLD: usize = 1024;

/// Bound: [`MAX_TOLD`]; the hop says nothing of further ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Departures(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    told: VecDeque<TraceInput>,
    waker: Option<Waker>,
}

impl Departures {
    pub(crate) const BOUND: Bound = Bound::of_entries::<TraceInput>(
        "traced messages that left and are not reported yet",
        MAX_TOLD,
        0,
        "nothing is reported of further ones",
    );

    /// A message with this header was put together to be written to a peer.
    pub(crate) fn note(&self, header: &Header, to: NodeId) {
        let Some(id) = header.trace.id else { return };
        let message = (header.source, header.source_epoch, header.number);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.told.len() < MAX_TOLD {
            state.told.push_back(TraceInput::Departed { id, message, to, at: Instant::now() });
        }
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// The next that is told.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<TraceInput> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(told) = state.told.pop_front() else {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        Poll::Ready(told)
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker_ref;
    use nuncio_protocol::trace::{Trace, TraceId};
    use nuncio_testkit::simulator::{header, node_id};

    use super::*;

    #[test]
    fn so_many_are_told_in_their_order_and_what_is_not_traced_is_not() {
        let (departures, cx) = (Departures::default(), &Context::from_waker(noop_waker_ref()));
        let trace = Trace { id: TraceId::from_bytes(&[1; 16]), ..Trace::default() };
        for number in 0..2 * MAX_TOLD as u64 {
            departures.note(&header(1, 2, number), node_id(2));
            departures.note(&Header { trace, ..header(1, 2, number) }, node_id(2));
        }
        for expected in 0..MAX_TOLD as u64 {
            let Poll::Ready(TraceInput::Departed { message: (.., number), .. }) = departures.poll(cx) else {
                panic!("{expected} is told")
            };
            assert_eq!(number, expected);
        }
        assert!(departures.poll(cx).is_pending());
    }
}
