//! Places at answers that go on: who may only look has half of them, and who takes nothing of his answer has none for long.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, stream};
use nuncio_audit::Scope;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

use crate::server::Peer;

/// A reader that takes nothing for so long is cut off.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Places of one kind.
#[derive(Debug, Clone)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    of_lookers: Arc<Semaphore>,
}

/// One of them; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_lookers: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new(places: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(places)), of_lookers: Arc::new(Semaphore::new(places / 2)) }
    }

    /// A place for whoever may do so much, if there is one.
    pub(super) fn take(&self, scope: Scope) -> Option<Place> {
        let free = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        let of_lookers = match scope {
            Scope::Full => None,
            _ => Some(free(&self.of_lookers)?),
        };
        Some(Place { _of_all: free(&self.all)?, _of_lookers: of_lookers })
    }
}

/// Who reads an answer that goes on: one part of it waits, and one is being written.
#[derive(Debug)]
pub(super) struct Reader {
    parts: mpsc::Sender<Bytes>,
    peer: Peer,
}

impl Reader {
    /// He, and what he reads.
    pub(super) fn new(peer: Peer) -> (Self, impl Stream<Item = Bytes> + Send + 'static) {
        let (parts, waiting) = mpsc::channel(1);
        let read = stream::unfold(waiting, |mut waiting| async move { Some((waiting.recv().await?, waiting)) });
        (Self { parts, peer }, read)
    }

    /// Whether he has room for a part in time. One who has not loses his connection; one who has left has none.
    pub(super) async fn pass(&self, part: Bytes) -> bool {
        match timeout(PATIENCE, self.parts.send(part)).await {
            Ok(sent) => sent.is_ok(),
            Err(_) => {
                self.peer.dismiss();
                false
            }
        }
    }

    /// Ends when he has left.
    pub(super) async fn left(&self) {
        self.parts.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use futures::StreamExt as _;
    use tokio::time::sleep;

    use super::*;
    use crate::server::Guest;

    #[test]
    fn who_may_only_look_has_half_of_the_places_and_who_may_do_everything_has_what_is_left() {
        let places = Places::new(4);
        let looking: Vec<_> = std::iter::from_fn(|| places.take(Scope::Read)).take(9).collect();
        let working: Vec<_> = std::iter::from_fn(|| places.take(Scope::Full)).take(9).collect();
        assert_eq!((looking.len(), working.len()), (2, 2));
        drop(looking);
        assert!(places.take(Scope::Read).is_some());
        drop(working);
        let all: Vec<_> = std::iter::from_fn(|| places.take(Scope::Full)).take(9).collect();
        assert_eq!(all.len(), 4);
        assert!(places.take(Scope::Read).is_none());
        assert_eq!(places.of_lookers.available_permits(), 2, "a place that is not had costs nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_for_ten_seconds_loses_his_connection_and_a_slow_one_does_not() {
        let guest = Guest::new("10.0.0.1:1".parse().unwrap(), None, false);
        let task = Context::from_waker(Waker::noop());
        let (reader, parts) = Reader::new(Peer::Network(guest.clone()));
        let part = || Bytes::from_static(b"event");
        assert!(reader.pass(part()).await, "there is room");
        let reading = tokio::spawn(async move {
            let mut parts = Box::pin(parts);
            sleep(PATIENCE - Duration::from_millis(1)).await;
            parts.next().await.map(|_| parts)
        });
        assert!(reader.pass(part()).await, "there is room in time");
        assert!(!guest.is_dismissed(&task));
        let parts = reading.await.unwrap().unwrap();
        assert!(!reader.pass(part()).await);
        assert!(guest.is_dismissed(&task));
        drop(parts);
        reader.left().await;
        assert!(!reader.pass(part()).await, "nobody reads");
    }
}
