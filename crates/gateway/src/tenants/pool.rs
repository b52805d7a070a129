use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that are taken and given back: first come, first served.
#[derive(Debug)]
pub(super) struct Pool {
    bytes: u32,
    room: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Pool {
    /// At least one byte, so that frames come one by one when there is no more.
    pub(super) fn new(bytes: usize) -> Self {
        let bytes = u32::try_from(bytes.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Self { bytes, room: Arc::new(Semaphore::new(bytes as usize)), waiting: AtomicUsize::new(0) }
    }

    /// Takes bytes when all who asked before have theirs. Who wants more than there are takes all: nobody waits for ever.
    pub(super) async fn take(&self, bytes: usize) -> OwnedSemaphorePermit {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes);
        if let Ok(taken) = Arc::clone(&self.room).try_acquire_many_owned(bytes) {
            return taken;
        }
        let _waiting = Waiting::new(&self.waiting);
        Arc::clone(&self.room).acquire_many_owned(bytes).await.expect("a pool is never closed")
    }

    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

/// Counts one who waits, for as long as he does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
