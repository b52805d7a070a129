use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use super::close_reason::CloseReason;
use crate::tenants::{Lease, Tenant};

/// A frame holds its room while others wait only if this part of it comes in each [`crate::Timeouts::intake`].
const PART: usize = 16;

/// A session's room for the frame that it is reading.
///
/// Room for the whole frame is taken before more of it is read than its beginning, so that what is begun can be ended:
/// partial frames never wait for each other.
pub(super) struct Intake {
    tenant: Arc<Tenant>,
    limit: Duration,
    state: State,
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
    _lease: Lease,
    length: usize,
    /// The progress is measured from here: when, and with how many bytes of the frame.
    since: Instant,
    had: usize,
}

impl Intake {
    pub(super) fn new(tenant: Arc<Tenant>, limit: Duration) -> Self {
        Self { tenant, limit, state: State::Free }
    }

    /// Ready when there is room for a frame of `length` bytes, `had` of which are there.
    pub(super) fn poll_room(&mut self, length: usize, had: usize, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Free = self.state {
            self.state = State::Waiting(Box::pin(Arc::clone(&self.tenant).lease(length)));
        }
        if let State::Waiting(lease) = &mut self.state {
            let lease = ready!(lease.as_mut().poll(cx));
            self.state = State::Held(Held { _lease: lease, length, since: now, had });
        }
        Poll::Ready(())
    }

    /// The frame is whole and handed on.
    pub(super) fn free(&mut self) {
        self.state = State::Free;
    }

    /// When the frame's progress is to be judged next.
    pub(super) fn review_at(&self) -> Option<Instant> {
        match &self.state {
            State::Held(held) => Some(held.since + self.limit),
            State::Free | State::Waiting(_) => None,
        }
    }

    /// Judges the frame's progress when it is time: it has `has` bytes now.
    ///
    /// # Errors
    /// When too little came and others wait for the room.
    pub(super) fn review(&mut self, has: usize, now: Instant) -> Result<(), CloseReason> {
        let is_due = self.review_at().is_some_and(|at| at <= now);
        if let State::Held(held) = &mut self.state
            && is_due
        {
            if has.saturating_sub(held.had) < held.length / PART && self.tenant.is_contended() {
                return Err(CloseReason::Unfinished { length: held.length, received: has, limit: self.limit });
            }
            (held.since, held.had) = (now, has);
        }
        Ok(())
    }
}
