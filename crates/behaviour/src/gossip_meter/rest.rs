use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
    time::{Duration, Instant},
};

use futures::FutureExt;
use futures_timer::Delay;

/// Whether nothing more is taken of a peer now, for all its connections.
#[derive(Debug, Default)]
pub(super) struct Rest(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    /// A long message is on its way to the swarm's task: behind one that is busy there would be several of each peer.
    is_under_way: bool,
    /// The connections that wait for that.
    waiting: Vec<Waker>,
}

/// A connection that keeps to it.
#[derive(Debug, Default)]
pub(super) struct Timer(Option<Delay>);

impl Rest {
    /// From now on for so long, or until it would have ended anyway.
    pub(super) fn begin(&self, length: Duration, now: Instant) {
        if !length.is_zero() {
            let mut state = self.lock();
            state.until = state.until.max(Some(now + length));
        }
    }

    /// Whether a long message goes to the swarm's task now; if not, the task is woken when it may.
    pub(super) fn hand_over(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        let is_free = !state.is_under_way;
        if is_free {
            state.is_under_way = true;
        } else {
            state.wait(cx);
        }
        is_free
    }

    /// It is there, or will never be.
    pub(super) fn taken(&self) {
        let mut state = self.lock();
        state.is_under_way = false;
        state.waiting.drain(..).for_each(Waker::wake);
    }

    /// How much of it is left; `None` when that shows in a message that is under way yet.
    fn left(&self, cx: &Context<'_>) -> Option<Duration> {
        let mut state = self.lock();
        if state.is_under_way {
            state.wait(cx);
            return None;
        }
        // Most peers never rest, and are polled all the time.
        let left = state.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            state.until = None;
        }
        Some(left)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.iter().any(|waiting| waiting.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }
}

impl Timer {
    /// Whether the peer rests; if so, the task is woken when it does no more.
    pub(super) fn is_running(&mut self, rest: &Rest, cx: &mut Context<'_>) -> bool {
        loop {
            match rest.left(cx) {
                None => return true,
                Some(Duration::ZERO) => break,
                Some(left) if self.0.get_or_insert_with(|| Delay::new(left)).poll_unpin(cx).is_pending() => {
                    return true;
                }
                Some(_) => self.0 = None,
            }
        }
        self.0 = None;
        false
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use futures::{StreamExt, stream::FuturesUnordered};

    use super::*;

    #[tokio::test]
    async fn nothing_is_taken_while_a_long_message_is_under_way_and_then_for_as_long_as_the_peer_rests() {
        const LENGTH: Duration = Duration::from_millis(50);
        let rest = Rest::default();
        let awake = async || {
            let mut timer = Timer::default();
            poll_fn(|cx| if timer.is_running(&rest, cx) { Poll::Pending } else { Poll::Ready(()) }).await;
        };
        awake().await;
        let hand_over = async || poll_fn(|cx| Poll::Ready(rest.hand_over(cx))).await;
        assert!(hand_over().await && !hand_over().await, "one at a time");
        let now = Instant::now();
        let taken = async {
            tokio::task::yield_now().await;
            rest.begin(LENGTH, now);
            // What is charged to nobody ends no rest.
            rest.begin(Duration::ZERO, now);
            rest.taken();
        };
        // Two connections, each a task of its own.
        let both = [awake(), awake()].into_iter().collect::<FuturesUnordered<_>>().count();
        futures::join!(both, taken);
        assert!(now.elapsed() >= LENGTH);
    }
}
