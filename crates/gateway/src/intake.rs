//! Room for what a session is reading.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use crate::tenants::{Lease, Tenant};

/// A frame holds its room while others wait only if this part of it comes in each [`crate::Timeouts::intake`].
const PART: usize = 16;

/// A session's room for the frame that it is reading.
///
/// Room for the whole frame is taken before more of it is read than its beginning, so that what is begun can be ended:
/// partial frames never wait for each other.
pub struct Intake {
    tenant: Arc<Tenant>,
    limit: Duration,
    state: State,
}

/// A frame made too little progress while others waited for the room that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "less than a sixteenth of a frame of {length} bytes came in {limit:?}, {received} bytes in all, while others waited for \
     its room"
)]
pub struct Unfinished {
    length: usize,
    received: usize,
    limit: Duration,
}

/// `Free → Waiting → Held → Free`; the room may be there at once.
enum State {
    /// No frame needs room.
    Free,
    /// A frame has begun; nothing more of it is read.
    Waiting(Pin<Box<dyn Future<Output = Lease> + Send + Sync>>),
    /// A frame may be read to its end.
    Held(Held),
}

struct Held {
    lease: Lease,
    length: usize,
    /// The progress is measured from here: when, and with how many bytes of the frame.
    since: Instant,
    had: usize,
}

impl Intake {
    pub(crate) fn new(tenant: Arc<Tenant>, limit: Duration) -> Self {
        Self { tenant, limit, state: State::Free }
    }

    /// Ready when there is room for a frame of `length` bytes, `had` of which are there.
    pub fn poll_room(&mut self, length: usize, had: usize, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Free = self.state {
            self.state = State::Waiting(Box::pin(Arc::clone(&self.tenant).lease(length)));
        }
        if let State::Waiting(lease) = &mut self.state {
            let lease = ready!(lease.as_mut().poll(cx));
            self.state = State::Held(Held { lease, length, since: now, had });
        }
        Poll::Ready(())
    }

    /// The frame is whole and goes on with its room, if it needed any.
    pub fn take(&mut self) -> Option<Lease> {
        match std::mem::replace(&mut self.state, State::Free) {
            State::Held(held) => Some(held.lease),
            State::Free | State::Waiting(_) => None,
        }
    }

    /// The frame is whole and handed on.
    pub fn free(&mut self) {
        self.state = State::Free;
    }

    /// When the frame's progress is to be judged next.
    pub fn review_at(&self) -> Option<Instant> {
        match &self.state {
            State::Held(held) => Some(held.since + self.limit),
            State::Free | State::Waiting(_) => None,
        }
    }

    /// The gateway does not read now: progress is measured from here.
    pub fn restart(&mut self, has: usize, now: Instant) {
        if let State::Held(held) = &mut self.state {
            (held.since, held.had) = (now, has);
        }
    }

    /// Judges the frame's progress when it is time: it has `has` bytes now.
    ///
    /// # Errors
    /// When too little came and others wait for the room.
    pub fn review(&mut self, has: usize, now: Instant) -> Result<(), Unfinished> {
        let is_due = self.review_at().is_some_and(|at| at <= now);
        if let State::Held(held) = &mut self.state
            && is_due
        {
            if has.saturating_sub(held.had) < held.length / PART && self.tenant.is_contended() {
                return Err(Unfinished { length: held.length, received: has, limit: self.limit });
            }
            (held.since, held.had) = (now, has);
        }
        Ok(())
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("review_at", &self.review_at()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use nuncio_rights::Party;

    use super::*;
    use crate::{access::ClientName, config::Limits, tenants::Tenants};

    const LIMIT: Duration = Duration::from_secs(10);
    const LENGTH: usize = 1600;

    /// One who holds all room, and one who waits for it.
    fn holder_and_waiter(start: Instant) -> [Intake; 2] {
        let limits = Limits { intake_bytes_per_certificate: LENGTH, ..Limits::DEFAULT };
        let tenant = Tenants::default().join(
            ClientName::Fingerprint(String::new()),
            &Party::sdk("", ""),
            &limits,
            &Arc::default(),
        );
        let [mut holder, mut waiter] = [(); 2].map(|()| Intake::new(Arc::clone(&tenant), LIMIT));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(holder.poll_room(LENGTH, 0, start, &mut cx).is_ready());
        assert!(waiter.poll_room(LENGTH, 0, start, &mut cx).is_pending());
        [holder, waiter]
    }

    #[test]
    fn a_frame_is_kept_while_a_sixteenth_of_it_comes_each_time_and_cut_when_less_does() {
        let start = Instant::now();
        let [mut holder, _waiter] = holder_and_waiter(start);
        assert!(holder.review(0, start + LIMIT / 2).is_ok(), "it is not time");
        assert!(holder.review(100, start + LIMIT).is_ok());
        let cut = holder.review(199, start + 2 * LIMIT).unwrap_err();
        assert!(matches!(cut, Unfinished { length: LENGTH, received: 199, .. }), "{cut}");
    }

    #[test]
    fn time_in_which_the_gateway_did_not_read_does_not_count() {
        let start = Instant::now();
        let [mut holder, _waiter] = holder_and_waiter(start);
        holder.restart(50, start + LIMIT);
        assert!(holder.review(50, start + LIMIT).is_ok());
        assert_eq!(holder.review_at(), Some(start + 2 * LIMIT));
        assert!(holder.review(50, start + 2 * LIMIT).is_err());
    }

    #[test]
    fn a_frame_that_nobody_waits_for_is_kept_however_slow_it_is() {
        let start = Instant::now();
        let [mut holder, waiter] = holder_and_waiter(start);
        drop(waiter);
        assert!(holder.review(0, start + LIMIT).is_ok());
        holder.free();
        assert_eq!(holder.review_at(), None);
    }
}
