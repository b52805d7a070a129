use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use nuncio_bounds::SharedBytes;
use nuncio_metrics::Histogram;

/// Messages on their way from the swarm's task to a connection's task.
///
/// Bound: `limit`, which the last message may pass, and a share of what all queues have. A message counts until it has left
/// for the stream; a full queue gives it back.
#[derive(Debug)]
pub(crate) struct Queue<M> {
    state: Mutex<State<M>>,
    limit: usize,
    weight: fn(&M) -> usize,
    is_first: fn(&M) -> bool,
    shared: Arc<SharedBytes>,
    time: Histogram,
}

#[derive(Debug)]
struct State<M> {
    /// Those that leave before the others.
    first: VecDeque<M>,
    messages: VecDeque<M>,
    is_closed: bool,
    /// Of all messages, and of those that are being written.
    bytes: usize,
    leaving: usize,
    waker: Option<Waker>,
    /// A message whose wait is measured: how many leave before it does, itself included, and since when it is here.
    watched: Option<(usize, Instant)>,
}

impl<M> Queue<M> {
    pub(crate) fn new(
        limit: usize,
        weight: fn(&M) -> usize,
        is_first: fn(&M) -> bool,
        shared: Arc<SharedBytes>,
        time: Histogram,
    ) -> Self {
        let (first, messages) = (VecDeque::new(), VecDeque::new());
        let state = State { first, messages, is_closed: false, bytes: 0, leaving: 0, waker: None, watched: None };
        Self { state: Mutex::new(state), limit, weight, is_first, shared, time }
    }

    /// Queues a message and wakes the writer.
    ///
    /// # Errors
    /// Gives the message back when as many bytes as allowed wait already, or it is closed.
    pub(crate) fn push(&self, message: M) -> Result<(), M> {
        let mut state = self.lock();
        let weight = (self.weight)(&message);
        if state.is_closed || state.bytes >= self.limit || !self.shared.take(state.bytes, weight) {
            return Err(message);
        }
        state.bytes += weight;
        let before = if (self.is_first)(&message) {
            state.first.push_back(message);
            state.first.len()
        } else {
            state.messages.push_back(message);
            state.len()
        };
        match &mut state.watched {
            // It overtakes the one that is watched.
            Some((waiting, _)) if *waiting >= before => *waiting += 1,
            Some(_) => {}
            None => state.watched = Some((before, Instant::now())),
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Moves messages of at most about `bytes` into `batch`, at least one if there is one; otherwise arranges to be
    /// woken by the next. What was taken before has been written.
    pub(crate) fn take(&self, batch: &mut VecDeque<M>, bytes: usize, cx: &Context<'_>) {
        let mut state = self.lock();
        let left = std::mem::take(&mut state.leaving);
        state.bytes -= left;
        self.shared.give_back(left);
        let (mut taken, waiting) = (0, state.len());
        while taken < bytes {
            let Some(message) = state.pop() else { break };
            taken += (self.weight)(&message);
            batch.push_back(message);
        }
        state.leaving = taken;
        let left = waiting - state.len();
        match &mut state.watched {
            Some((before, since)) if *before <= left => {
                self.time.observe(since.elapsed());
                state.watched = None;
            }
            Some((before, _)) => *before -= left,
            None => {}
        }
        if batch.is_empty() {
            state.waker = Some(cx.waker().clone());
        }
    }

    /// Ready when there is something to be taken; else arranges to be woken.
    pub(crate) fn poll_waiting(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.len() > 0 {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Nobody will take anything of it: gives back what is there.
    pub(crate) fn close(&self) -> Vec<M> {
        let mut state = self.lock();
        state.is_closed = true;
        self.shared.give_back(std::mem::take(&mut state.bytes));
        state.leaving = 0;
        std::iter::from_fn(|| state.pop()).collect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Bytes that wait, or are being written.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> State<M> {
    fn len(&self) -> usize {
        self.first.len() + self.messages.len()
    }

    fn pop(&mut self) -> Option<M> {
        self.first.pop_front().or_else(|| self.messages.pop_front())
    }
}

impl<M> Drop for Queue<M> {
    fn drop(&mut self) {
        self.shared.give_back(self.lock().bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(limit: usize, shared: Arc<SharedBytes>, time: Histogram) -> Queue<usize> {
        Queue::new(limit, |bytes| *bytes, |bytes| *bytes == 1, shared, time)
    }

    fn fill(queue: &Queue<usize>) -> usize {
        (0..).take_while(|_| queue.push(10).is_ok()).count() * 10
    }

    #[test]
    fn links_that_take_nothing_leave_room_for_others_and_give_it_back() {
        let shared = Arc::new(SharedBytes::new(1 << 20));
        let queue = || queue(200_000, shared.clone(), Histogram::default());
        let dead: Vec<_> = (0..20).map(|_| queue()).collect();
        let held: Vec<_> = dead.iter().map(fill).collect();
        assert_eq!(held[0], 200_000, "its own limit");
        assert!(held.iter().sum::<usize>() <= 1 << 20);
        let (living, cx, batch) = (queue(), Context::from_waker(Waker::noop()), &mut VecDeque::new());
        for _ in 0..100 {
            living.push(10).expect("there is room");
            living.take(batch, 100, &cx);
            assert_eq!(batch.pop_front(), Some(10));
        }
        living.take(batch, 100, &cx);
        drop(dead);
        assert!(!shared.is_short() && shared.take(0, 3 << 18), "all is given back");
    }

    #[test]
    fn what_is_being_written_still_counts() {
        let shared = Arc::new(SharedBytes::new(1000));
        let queue = queue(20, shared, Histogram::default());
        let (cx, batch) = (Context::from_waker(Waker::noop()), &mut VecDeque::new());
        assert_eq!(fill(&queue), 20);
        queue.take(batch, 100, &cx);
        assert_eq!((batch.len(), queue.push(10)), (2, Err(10)));
        batch.clear();
        queue.take(batch, 100, &cx);
        assert_eq!(queue.push(10), Ok(()), "it has left");
    }
    #[test]
    fn one_message_at_a_time_is_watched_until_it_leaves() {
        let time = Histogram::default();
        let queue = queue(1000, Arc::new(SharedBytes::new(10_000)), time.clone());
        let (cx, batch) = (Context::from_waker(Waker::noop()), &mut VecDeque::new());
        queue.take(batch, 10, &cx);
        for _ in 0..3 {
            queue.push(10).expect("there is room");
        }
        queue.take(batch, 10, &cx);
        assert_eq!(time.count(), 1, "the first has left");
        queue.push(10).expect("there is room");
        queue.take(batch, 20, &cx);
        assert_eq!(time.count(), 1, "the watched one is the last of three");
        queue.take(batch, 10, &cx);
        assert_eq!((time.count(), batch.len()), (2, 4));
    }

    #[test]
    fn what_leaves_first_overtakes_the_others_and_what_is_closed_gives_all_back() {
        let (time, shared) = (Histogram::default(), Arc::new(SharedBytes::new(10_000)));
        let queue = queue(1000, shared.clone(), time.clone());
        let (cx, batch) = (Context::from_waker(Waker::noop()), &mut VecDeque::new());
        assert!(queue.poll_waiting(&cx).is_pending());
        for bytes in [10, 11, 1, 12, 1] {
            queue.push(bytes).expect("there is room");
        }
        assert!(queue.poll_waiting(&cx).is_ready());
        queue.take(batch, 3, &cx);
        assert_eq!(*batch, [1, 1, 10]);
        assert_eq!(time.count(), 1, "the first of the others, which two overtook");
        assert_eq!(queue.close(), [11, 12]);
        assert_eq!((queue.push(1), queue.bytes(), shared.used()), (Err(1), 0, 0));
    }
}
