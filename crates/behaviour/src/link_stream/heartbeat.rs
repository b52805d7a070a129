use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;
use tokio::time::{Sleep, sleep};

/// When to say that we are alive, and for how long the peer has not.
///
/// Silence is counted in beats while the connection is served: when this process was stopped, or too busy for it, what the
/// peer said meanwhile waits to be read.
pub(crate) struct Heartbeat {
    pulse: Pulse,
    /// Of the runtime: it wakes all streams that are due at once, where a timer with a thread of its own wakes one by one.
    timer: Pin<Box<Sleep>>,
    quiet: Duration,
}

/// When the beats of a connection are.
///
/// Those of all its streams are at the same time: each wakes the connection, and what they have to say leaves together. Those of
/// different peers are not, or all would speak at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pulse {
    interval: Duration,
    origin: Instant,
}

impl Pulse {
    /// Of the links of one node.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, origin: Instant::now() }
    }

    /// Of the link to this peer.
    pub(crate) fn of(self, peer: &NodeId) -> Self {
        let number = peer.as_bytes().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let shift = self.interval.mul_f64(f64::from(number) / f64::from(u32::MAX));
        Self { origin: self.origin + shift, ..self }
    }

    /// How long until the next beat, half an interval from now or later.
    fn pause(self, now: Instant) -> Duration {
        let soonest = now + self.interval / 2;
        let Some(beats) =
            soonest.saturating_duration_since(self.origin).as_nanos().checked_div(self.interval.as_nanos())
        else {
            return self.interval;
        };
        let beats = u32::try_from(beats).unwrap_or(u32::MAX);
        (self.origin + self.interval * beats.saturating_add(1)).saturating_duration_since(now)
    }
}

impl Heartbeat {
    pub(crate) fn new(pulse: Pulse) -> Self {
        Self { pulse, timer: Box::pin(sleep(pulse.pause(Instant::now()))), quiet: Duration::ZERO }
    }

    pub(crate) fn heard(&mut self) {
        self.quiet = Duration::ZERO;
    }

    /// Ready at each beat, with how long nothing was heard.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        if self.timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let now = Instant::now();
        self.timer.as_mut().reset((now + self.pulse.pause(now)).into());
        self.quiet += self.pulse.interval;
        Poll::Ready(self.quiet)
    }
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn time_in_which_the_connection_was_not_served_is_not_silence() {
        let mut heartbeat = Heartbeat::new(Pulse::new(10 * MS));
        let cx = &mut Context::from_waker(futures::task::noop_waker_ref());
        // Nobody polls for thirty beats.
        sleep(300 * MS).await;
        assert_eq!(heartbeat.poll(cx), Poll::Ready(10 * MS));
        sleep(50 * MS).await;
        assert_eq!(heartbeat.poll(cx), Poll::Ready(20 * MS));
        heartbeat.heard();
        sleep(50 * MS).await;
        assert_eq!(heartbeat.poll(cx), Poll::Ready(10 * MS));
    }

    #[test]
    fn the_streams_of_a_link_beat_together_and_never_twice_in_a_row() {
        let links = Pulse::new(1000 * MS);
        let peers = [(); 8].map(|()| links.of(&NodeKey::generate().node_id()));
        let mut starts = Vec::new();
        for pulse in peers {
            let start = links.origin + 60_000 * MS;
            let first = start + pulse.pause(start);
            for late in (0..2000).map(|late| start + late * MS) {
                let pause = pulse.pause(late);
                assert!((500 * MS..=1500 * MS).contains(&pause), "{pause:?}");
                assert_eq!((late + pause).saturating_duration_since(first).as_millis() % 1000, 0, "{pause:?}");
            }
            starts.push(first);
        }
        starts.sort();
        starts.dedup();
        assert!(starts.len() > 1, "peers are not all served at once");
    }
}
