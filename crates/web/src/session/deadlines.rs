use std::{
    future::Future as _,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use futures::SinkExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;

use super::{Ending, Session, ending::broken};

/// What is to be done at a deadline.
#[derive(Debug)]
enum Due {
    End(Ending),
    Ping,
    /// There is something to look after.
    Look,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Ready when a deadline is over: with why the session ends, or with nothing when there is something to look after.
    pub(super) fn poll_deadlines(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<(), Ending>> {
        let mut now = now;
        loop {
            let (deadline, due) = self.next_deadline();
            if deadline <= now {
                return Poll::Ready(match due {
                    Due::End(ending) => Err(ending),
                    Due::Ping => self.ping(),
                    Due::Look => Ok(()),
                });
            }
            // The timer may go off early and is then set again: it is not touched with every message.
            if self.timer.deadline() > deadline.into() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(deadline.into());
            }
            ready!(self.timer.as_mut().poll(cx));
            now = Instant::now();
        }
    }

    /// Asks whether it is there: a browser's page cannot do so by itself.
    fn ping(&mut self) -> Result<(), Ending> {
        self.pinged = true;
        self.socket.start_send_unpin(Message::Ping(Bytes::new())).map_err(broken)
    }

    fn next_deadline(&self) -> (Instant, Due) {
        let timeouts = self.member.timeouts();
        let idle =
            (!self.paused).then(|| (self.heard + timeouts.idle, Due::End(Ending::Idle { limit: timeouts.idle })));
        // Nothing is said to one who takes nothing.
        let ping = (!self.paused && !self.pinged && self.stalled.is_none())
            .then(|| (self.heard + timeouts.idle / 2, Due::Ping));
        let write =
            self.stalled.map(|since| (since + timeouts.write, Due::End(Ending::NotDraining { limit: timeouts.write })));
        let topics = self.member.topics_due().map(|at| (at, Due::Look));
        let review = self.socket.get_ref().review_at().map(|at| (at, Due::Look));
        let expiry = self.member.expires().map(|at| (at, Due::End(Ending::CertificateExpired)));
        let leave = self.leaves.map(|at| (at, Due::End(Ending::Shutdown)));
        let all = [idle, ping, write, topics, review, expiry, leave].into_iter().flatten();
        all.min_by_key(|(at, _)| *at).unwrap_or((Instant::now() + timeouts.idle, Due::Look))
    }
}
