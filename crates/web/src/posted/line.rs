use std::time::Duration;

use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// A connection as what is posted on it sees it.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its client has shown who he is.
    pub(crate) proved: Notify,
    /// It is to be closed.
    pub(crate) cut: CancellationToken,
    sessions: watch::Sender<Sessions>,
}

/// Those that stand on it.
#[derive(Debug, Clone, Copy)]
struct Sessions {
    count: usize,
    /// When the last one ended, or the connection began.
    since: Instant,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Standing(watch::Sender<Sessions>);

impl Line {
    pub(crate) fn new() -> Self {
        let sessions = watch::Sender::new(Sessions { count: 0, since: Instant::now() });
        Self { proved: Notify::new(), cut: CancellationToken::new(), sessions }
    }

    /// A session begins.
    pub(super) fn begin(&self) -> Standing {
        self.sessions.send_modify(|sessions| sessions.count += 1);
        Standing(self.sessions.clone())
    }

    /// Ends when there has been no session for so long.
    pub(crate) async fn deserted(&self, limit: Duration) {
        let mut sessions = self.sessions.subscribe();
        loop {
            let Sessions { count, since } = *sessions.borrow_and_update();
            let changed = sessions.changed();
            if count > 0 {
                let _ = changed.await;
            } else if timeout_at(since + limit, changed).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.send_modify(|sessions| *sessions = Sessions { count: sessions.count - 1, since: Instant::now() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_line_is_deserted_so_long_after_its_last_session_has_ended() {
        let (line, start) = (Line::new(), Instant::now());
        line.deserted(LIMIT).await;
        assert_eq!(start.elapsed(), LIMIT, "it never had one");
        let long = async {
            let [one, other] = [line.begin(), line.begin()];
            tokio::time::sleep(3 * LIMIT).await;
            drop(one);
            tokio::time::sleep(LIMIT / 2).await;
            drop(other);
        };
        tokio::join!(long, async {
            tokio::time::sleep(LIMIT / 2).await;
            line.deserted(LIMIT).await;
        });
        assert_eq!(start.elapsed(), LIMIT + 3 * LIMIT + LIMIT / 2 + LIMIT);
    }
}
