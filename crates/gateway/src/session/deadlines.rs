use std::{
    future::Future as _,
    task::{Context, Poll, ready},
    time::Instant,
};

use super::{Session, close_reason::CloseReason};

impl Session {
    /// Ready when a deadline is over: with the reason to close for it, or with none when there is something to look after.
    pub(super) fn poll_deadlines(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<(), CloseReason>> {
        let mut now = now;
        loop {
            let (deadline, reason) = self.next_deadline();
            if deadline <= now {
                return Poll::Ready(reason.map_or(Ok(()), Err));
            }
            // The timer may go off early and is then set again: it is not touched with every byte.
            if self.timer.deadline() > deadline.into() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(deadline.into());
            }
            ready!(self.timer.as_mut().poll(cx));
            now = Instant::now();
        }
    }

    fn next_deadline(&self) -> (Instant, Option<CloseReason>) {
        let timeouts = &self.member.door.timeouts;
        let idle =
            (!self.paused).then(|| (self.heard + timeouts.idle, Some(CloseReason::Idle { limit: timeouts.idle })));
        let write = self
            .writer
            .stalled_since()
            .map(|since| (since + timeouts.write, Some(CloseReason::NotDraining { limit: timeouts.write })));
        let topics = self.member.topics_due().map(|at| (at, None));
        let review = self.intake.review_at().map(|at| (at, None));
        let expiry = self.member.expires().map(|at| (at, Some(CloseReason::CertificateExpired)));
        let leave = self.leaves.map(|at| (at, Some(CloseReason::Shutdown)));
        let all = [idle, write, topics, review, expiry, leave].into_iter().flatten();
        all.min_by_key(|(at, _)| *at).unwrap_or((Instant::now() + timeouts.idle, None))
    }
}
