use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::FutureExt;
use futures_timer::Delay;

/// Bytes of gossip that one connection is read for a second, and how many more at once: two messages of the greatest length.
const PER_SECOND: f64 = 16.0 * MIB;
const AT_ONCE: f64 = 24.0 * MIB;
const MIB: f64 = 1024.0 * 1024.0;

/// How fast a connection's gossip is read. Whoever brings more waits for it, in its own stream: each byte of gossip is copied, hashed
/// and passed on to several others, and a peer may have it sent as fast as a network carries it.
///
/// What is beyond the allowance is read all the same when it has begun, and paid for before the next.
#[derive(Debug)]
pub(super) struct Pace {
    left: f64,
    at: Instant,
    pause: Option<Delay>,
}

impl Pace {
    pub(super) const fn new(now: Instant) -> Self {
        Self { left: AT_ONCE, at: now, pause: None }
    }

    /// So many bytes came.
    #[expect(clippy::cast_precision_loss, reason = "a message is shorter than 2^53 bytes")]
    pub(super) fn note(&mut self, bytes: usize, now: Instant) {
        self.left = self.left_at(now) - bytes as f64;
        self.at = now;
        self.pause = (self.left < 0.0).then(|| Delay::new(Duration::from_secs_f64(-self.left / PER_SECOND)));
    }

    /// Ready when more may come.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pause) = &mut self.pause else { return Poll::Ready(()) };
        pause.poll_unpin(cx).map(|()| self.pause = None)
    }

    fn left_at(&self, now: Instant) -> f64 {
        let grown = now.saturating_duration_since(self.at).as_secs_f64() * PER_SECOND;
        (self.left + grown).min(AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker;

    use super::*;

    const LONG: usize = 1 << 20;

    #[test]
    fn long_messages_come_as_fast_as_they_may_and_some_at_once() {
        let (start, mut at_once) = (Instant::now(), 0);
        let waker = noop_waker();
        let (mut pace, mut cx) = (Pace::new(start), Context::from_waker(&waker));
        while pace.poll_ready(&mut cx).is_ready() {
            pace.note(LONG, start);
            at_once += 1;
            assert!(at_once < 100, "it has an end");
        }
        assert_eq!(at_once, 25, "the last one is paid for afterwards");
        let deficit = Duration::from_secs_f64(LONG as f64 / PER_SECOND);
        assert!(pace.left_at(start) < 0.0 && pace.left_at(start + deficit) >= 0.0);
        assert!(pace.left_at(start + Duration::from_secs(60)) <= AT_ONCE, "nobody saves up more");
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_when_its_time_comes() {
        let (start, mut pace) = (Instant::now(), Pace::new(Instant::now()));
        pace.note(26 << 20, start);
        std::future::poll_fn(|cx| pace.poll_ready(cx)).await;
        assert!(start.elapsed() >= Duration::from_millis(100), "two mebibytes of sixteen a second");
        pace.note(1, Instant::now());
        assert!(pace.pause.is_none(), "what it waited for is here");
    }
}
