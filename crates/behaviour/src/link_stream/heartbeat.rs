use std::{
    task::{Context, Poll},
    time::Duration,
};

use futures::FutureExt;
use futures_timer::Delay;

/// When to say that we are alive, and for how long the peer has not.
///
/// Silence is counted in beats while the connection is served: when this process was stopped, or too busy for it, what the
/// peer said meanwhile waits to be read.
pub(crate) struct Heartbeat {
    interval: Duration,
    timer: Delay,
    quiet: Duration,
}

impl Heartbeat {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, timer: Delay::new(interval), quiet: Duration::ZERO }
    }

    pub(crate) fn heard(&mut self) {
        self.quiet = Duration::ZERO;
    }

    /// Ready at each beat, with how long nothing was heard.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        if self.timer.poll_unpin(cx).is_pending() {
            return Poll::Pending;
        }
        self.timer.reset(self.interval);
        self.quiet += self.interval;
        Poll::Ready(self.quiet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_the_connection_was_not_served_is_not_silence() {
        let mut heartbeat = Heartbeat::new(Duration::from_millis(10));
        let cx = &mut Context::from_waker(futures::task::noop_waker_ref());
        // Nobody polls for thirty beats.
        futures::executor::block_on(Delay::new(Duration::from_millis(300)));
        assert_eq!(heartbeat.poll(cx), Poll::Ready(Duration::from_millis(10)));
        futures::executor::block_on(Delay::new(Duration::from_millis(50)));
        assert_eq!(heartbeat.poll(cx), Poll::Ready(Duration::from_millis(20)));
        heartbeat.heard();
        futures::executor::block_on(Delay::new(Duration::from_millis(50)));
        assert_eq!(heartbeat.poll(cx), Poll::Ready(Duration::from_millis(10)));
    }
}
