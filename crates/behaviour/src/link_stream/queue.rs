use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
};

/// Messages on their way from the swarm's task to a connection's task. Bounded in bytes; a full queue gives the
/// message back.
#[derive(Debug)]
pub(crate) struct Queue<M> {
    state: Mutex<State<M>>,
    limit: usize,
    weight: fn(&M) -> usize,
}

#[derive(Debug)]
struct State<M> {
    messages: VecDeque<M>,
    bytes: usize,
    waker: Option<Waker>,
}

impl<M> Queue<M> {
    pub(crate) fn new(limit: usize, weight: fn(&M) -> usize) -> Self {
        let state = State { messages: VecDeque::new(), bytes: 0, waker: None };
        Self { state: Mutex::new(state), limit, weight }
    }

    /// Queues a message and wakes the writer.
    ///
    /// # Errors
    /// Gives the message back when as many bytes as allowed wait already.
    pub(crate) fn push(&self, message: M) -> Result<(), M> {
        let mut state = self.lock();
        if state.bytes >= self.limit {
            return Err(message);
        }
        state.bytes += (self.weight)(&message);
        state.messages.push_back(message);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Moves messages of at most about `bytes` into `batch`, at least one if there is one; otherwise arranges to be
    /// woken by the next.
    pub(crate) fn take(&self, batch: &mut VecDeque<M>, bytes: usize, cx: &Context<'_>) {
        let mut state = self.lock();
        let mut taken = 0;
        while taken < bytes {
            let Some(message) = state.messages.pop_front() else { break };
            taken += (self.weight)(&message);
            batch.push_back(message);
        }
        state.bytes -= taken;
        if batch.is_empty() {
            state.waker = Some(cx.waker().clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
