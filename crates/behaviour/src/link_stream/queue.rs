use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use nuncio_bounds::{FairQueue, Ledger, Rank};
use nuncio_identity::NodeId;
use nuncio_metrics::Histogram;
use nuncio_protocol::Account;

/// Messages on their way from the swarm's task to a connection's task, those of each account by turns.
///
/// Bound: of each account `limit`, which its last message may pass, and its share of what all queues have. A message counts
/// until it has left for the stream; an account that has as much as it may gets it back.
#[derive(Debug)]
pub(crate) struct Queue<M> {
    state: Mutex<State<M>>,
    weight: fn(&M) -> usize,
    rank: fn(&M) -> Rank,
    time: Histogram,
}

#[derive(Debug)]
struct State<M> {
    messages: FairQueue<NodeId, Waiting<M>>,
    is_closed: bool,
    waker: Option<Waker>,
    /// Whether the wait of one of them is measured.
    is_watched: bool,
}

#[derive(Debug)]
pub(crate) struct Waiting<M> {
    message: M,
    /// Since when, if that is measured.
    since: Option<Instant>,
}

impl<M> Queue<M> {
    pub(crate) fn new(
        limit: usize,
        weight: fn(&M) -> usize,
        rank: fn(&M) -> Rank,
        ledger: Arc<Ledger<NodeId>>,
        time: Histogram,
    ) -> Self {
        let messages = FairQueue::new(limit, ledger);
        let state = State { messages, is_closed: false, waker: None, is_watched: false };
        Self { state: Mutex::new(state), weight, rank, time }
    }

    /// Queues a message on an account and wakes the writer.
    ///
    /// # Errors
    /// Gives the message back when as many bytes of the account as allowed wait already, or it is closed.
    pub(crate) fn push(&self, account: Account, message: M) -> Result<(), M> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(message);
        }
        let (weight, rank) = ((self.weight)(&message), (self.rank)(&message));
        let since = (!state.is_watched).then(Instant::now);
        state.messages.push(account, Waiting { message, since }, weight, rank).map_err(|refused| refused.message)?;
        state.is_watched = true;
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
        state.messages.settle();
        let mut taken = 0;
        while taken < bytes {
            let Some((_, Waiting { message, since }, weight)) = state.messages.pop() else { break };
            taken += weight;
            batch.push_back(message);
            if let Some(since) = since {
                self.time.observe(since.elapsed());
                state.is_watched = false;
            }
        }
        if batch.is_empty() {
            state.waker = Some(cx.waker().clone());
        }
    }

    /// Ready when there is something to be taken; else arranges to be woken.
    pub(crate) fn poll_waiting(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.messages.is_empty() {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Nobody will take anything of it: gives back what is there.
    pub(crate) fn close(&self) -> Vec<(Account, M)> {
        let mut state = self.lock();
        state.is_closed = true;
        let left = std::iter::from_fn(|| state.messages.pop());
        let left = left.map(|(account, Waiting { message, .. }, _)| (account, message)).collect();
        state.messages.settle();
        left
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Bytes that wait, or are being written.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().messages.bytes()
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    fn queue(limit: usize, ledger: Arc<Ledger<NodeId>>, time: Histogram) -> Queue<usize> {
        let rank = |bytes: &usize| if *bytes == 1 { Rank::First } else { Rank::Middle };
        Queue::new(limit, |bytes| *bytes, rank, ledger, time)
    }

    fn fill(queue: &Queue<usize>, account: Account) -> usize {
        (0..).take_while(|_| queue.push(account, 10).is_ok()).count() * 10
    }

    #[test]
    fn links_that_take_nothing_leave_room_for_others_and_give_it_back() {
        let ledger = Arc::new(Ledger::new(1 << 20));
        let queue = || queue(200_000, ledger.clone(), Histogram::default());
        let dead: Vec<_> = (0..20).map(|_| queue()).collect();
        let held: Vec<_> = dead.iter().map(|queue| fill(queue, Account::Own)).collect();
        assert_eq!(held[0], 200_000, "its own limit");
        assert!(held.iter().sum::<usize>() <= 1 << 20);
        let (living, cx, batch) = (queue(), Context::from_waker(Waker::noop()), &mut VecDeque::new());
        for _ in 0..100 {
            living.push(Account::Own, 10).expect("there is room");
            living.take(batch, 100, &cx);
            assert_eq!(batch.pop_front(), Some(10));
        }
        living.take(batch, 100, &cx);
        drop(dead);
        assert_eq!(ledger.used(), 0, "all is given back");
    }

    #[test]
    fn who_fills_a_link_leaves_room_and_turns_to_others() {
        let ledger = Arc::new(Ledger::new(1 << 20));
        let queue = queue(1000, ledger, Histogram::default());
        let (cx, batch) = (Context::from_waker(Waker::noop()), &mut VecDeque::new());
        let [hostile, honest] = [(); 2].map(|()| Account::Of(NodeKey::generate().node_id()));
        assert_eq!(fill(&queue, hostile), 1000);
        assert_eq!((queue.push(honest, 20), queue.push(Account::Own, 30)), (Ok(()), Ok(())));
        queue.take(batch, 2000, &cx);
        assert_eq!((batch.len(), batch.iter().sum::<usize>()), (102, 1050));
    }

    #[test]
    fn what_is_being_written_still_counts() {
        let queue = queue(20, Arc::new(Ledger::new(1000)), Histogram::default());
        let (cx, batch) = (Context::from_waker(Waker::noop()), &mut VecDeque::new());
        assert_eq!(fill(&queue, Account::Own), 20);
        queue.take(batch, 100, &cx);
        assert_eq!((batch.len(), queue.push(Account::Own, 10)), (2, Err(10)));
        batch.clear();
        queue.take(batch, 100, &cx);
        assert_eq!(queue.push(Account::Own, 10), Ok(()), "it has left");
    }

    #[test]
    fn one_message_at_a_time_is_watched_until_it_leaves() {
        let time = Histogram::default();
        let queue = queue(1000, Arc::new(Ledger::new(10_000)), time.clone());
        let (cx, batch) = (Context::from_waker(Waker::noop()), &mut VecDeque::new());
        queue.take(batch, 10, &cx);
        for _ in 0..3 {
            queue.push(Account::Own, 10).expect("there is room");
        }
        queue.take(batch, 10, &cx);
        assert_eq!(time.count(), 1, "the first has left");
        queue.push(Account::Own, 10).expect("there is room");
        queue.take(batch, 20, &cx);
        assert_eq!(time.count(), 1, "the watched one is the last of three");
        queue.take(batch, 10, &cx);
        assert_eq!((time.count(), batch.len()), (2, 4));
    }

    #[test]
    fn what_leaves_first_overtakes_the_others_and_what_is_closed_gives_all_back() {
        let (time, ledger) = (Histogram::default(), Arc::new(Ledger::new(10_000)));
        let queue = queue(1000, ledger.clone(), time.clone());
        let (cx, batch) = (Context::from_waker(Waker::noop()), &mut VecDeque::new());
        assert!(queue.poll_waiting(&cx).is_pending());
        for bytes in [10, 11, 1, 12, 1] {
            queue.push(Account::Own, bytes).expect("there is room");
        }
        assert!(queue.poll_waiting(&cx).is_ready());
        queue.take(batch, 3, &cx);
        assert_eq!(*batch, [1, 1, 10]);
        assert_eq!(time.count(), 1, "the first of the others, which two overtook");
        assert_eq!(queue.close(), [(Account::Own, 11), (Account::Own, 12)]);
        assert_eq!((queue.push(Account::Own, 1), queue.bytes(), ledger.used()), (Err(1), 0, 0));
    }
}
