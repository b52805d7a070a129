use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::FutureExt;
use tokio::{task::JoinHandle, time::Instant};

use nuncio_behaviour::{EpochError, EpochStore};

/// Between two epochs taken while the node runs: two hosts with one key shall not outrun each other at the disk's pace.
const PAUSE: Duration = Duration::from_secs(5);

/// Takes a higher epoch while the node runs: the network remembers one that this node, with its data directory lost and
/// its clock behind, has forgotten. The disk is waited for off the node's task.
#[derive(Debug)]
pub(crate) struct Outrun {
    store: Arc<Mutex<EpochStore>>,
    taking: Option<JoinHandle<Result<u64, EpochError>>>,
    last: Option<Instant>,
}

impl Outrun {
    pub(crate) fn new(store: EpochStore) -> Self {
        Self { store: Arc::new(Mutex::new(store)), taking: None, last: None }
    }

    /// Takes an epoch above `seen`, unless one is being taken or was just taken: who is behind is told so again.
    pub(crate) fn begin_above(&mut self, seen: u64, now: Instant) {
        if self.taking.is_some() || self.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            return;
        }
        self.last = Some(now);
        let store = Arc::clone(&self.store);
        self.taking = Some(tokio::task::spawn_blocking(move || {
            store.lock().unwrap_or_else(PoisonError::into_inner).begin_above(seen)
        }));
    }

    /// The epoch taken, once it is on disk.
    pub(crate) fn poll_epoch(&mut self, cx: &mut Context<'_>) -> Poll<Result<u64, EpochError>> {
        let Some(taking) = &mut self.taking else { return Poll::Pending };
        let taken = ready!(taking.poll_unpin(cx));
        self.taking = None;
        match taken {
            Ok(outcome) => Poll::Ready(outcome),
            // The runtime is shutting down.
            Err(_) => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, future::poll_fn};

    use super::*;

    #[tokio::test]
    async fn a_running_node_takes_an_epoch_above_what_is_remembered_of_it_and_has_it_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = EpochStore::open(dir.path()).unwrap();
        let seen = store.begin().unwrap() + 1_000_000;
        let mut outrun = Outrun::new(store);
        let now = Instant::now();
        outrun.begin_above(seen, now);
        let far = seen + (1 << 40);
        outrun.begin_above(far, now);
        let taken = poll_fn(|cx| outrun.poll_epoch(cx)).await.unwrap();
        assert!((seen + 1..far).contains(&taken), "the first, once");
        assert_eq!(fs::read_to_string(dir.path().join("epoch")).unwrap(), format!("{taken}\n"));
    }

    #[tokio::test]
    async fn who_outruns_a_node_again_and_again_gets_a_write_every_few_seconds() {
        let dir = tempfile::tempdir().unwrap();
        let mut outrun = Outrun::new(EpochStore::open(dir.path()).unwrap());
        let (start, mut taken) = (Instant::now(), 0);
        for millisecond in (0..20_000).step_by(10) {
            outrun.begin_above(1, start + Duration::from_millis(millisecond));
            if outrun.taking.is_some() {
                poll_fn(|cx| outrun.poll_epoch(cx)).await.unwrap();
                taken += 1;
            }
        }
        assert_eq!(taken, 4);
    }

    #[tokio::test]
    async fn an_absurd_memory_is_refused_and_a_sound_one_taken_later() {
        let dir = tempfile::tempdir().unwrap();
        let mut outrun = Outrun::new(EpochStore::open(dir.path()).unwrap());
        let now = Instant::now();
        outrun.begin_above(u64::MAX, now);
        let refused = poll_fn(|cx| outrun.poll_epoch(cx)).await;
        assert!(matches!(refused, Err(EpochError::TooFar { .. })), "{refused:?}");
        outrun.begin_above(1, now + PAUSE);
        assert!(poll_fn(|cx| outrun.poll_epoch(cx)).await.is_ok());
    }
}
