use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use nuncio_bounds::SharedBytes;

/// Room for what a stream brings, from before it is read until the swarm's task has taken it.
///
/// Bound: a share of what all streams have that it was made with; while there is none, the stream is not read.
#[derive(Debug)]
pub(crate) struct Intake {
    desk: Arc<Desk>,
    /// Taken for what is being read.
    reserved: usize,
}

#[derive(Debug)]
struct Desk {
    shared: Arc<SharedBytes>,
    /// Bytes of the stream, read and not taken.
    held: AtomicUsize,
    reader: AtomicWaker,
}

/// Messages on their way to the swarm's task; their room is free again when this is dropped.
#[derive(Debug)]
pub struct Load {
    desk: Arc<Desk>,
    bytes: usize,
}

impl Intake {
    pub(crate) fn new(shared: Arc<SharedBytes>) -> Self {
        let desk = Desk { shared, held: AtomicUsize::new(0), reader: AtomicWaker::new() };
        Self { desk: Arc::new(desk), reserved: 0 }
    }

    /// Ready when there is room for so many bytes that are being read. The task is woken when messages of the stream were
    /// taken; that others gave room back it has to look for now and then.
    pub(crate) fn poll_room(&mut self, bytes: usize, cx: &Context<'_>) -> Poll<()> {
        let Some(more) = bytes.checked_sub(self.reserved).filter(|more| *more > 0) else { return Poll::Ready(()) };
        self.desk.reader.register(cx.waker());
        if !self.desk.shared.take(self.desk.held.load(Ordering::Acquire), more) {
            return Poll::Pending;
        }
        self.desk.held.fetch_add(more, Ordering::AcqRel);
        self.reserved = bytes;
        Poll::Ready(())
    }

    /// Hands the room over to messages that were read, all but so many bytes.
    pub(crate) fn hand_over(&mut self, but: usize) -> Load {
        let bytes = self.reserved.saturating_sub(but);
        self.reserved -= bytes;
        Load { desk: Arc::clone(&self.desk), bytes }
    }

    /// Whether so many bytes are reserved.
    pub(crate) const fn has(&self, bytes: usize) -> bool {
        self.reserved >= bytes
    }

    /// Whether others may wait for room.
    pub(crate) fn is_short(&self) -> bool {
        self.desk.shared.is_short()
    }
}

impl Desk {
    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::AcqRel);
        self.shared.give_back(bytes);
        self.reader.wake();
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.desk.give_back(self.reserved);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.desk.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_taken_stops_the_reading_and_what_is_goes_on() {
        let shared = Arc::new(SharedBytes::new(400));
        let (mut own, mut other) = (Intake::new(shared.clone()), Intake::new(shared));
        let cx = &Context::from_waker(futures::task::noop_waker_ref());
        assert!(own.poll_room(60, cx).is_ready());
        let load = own.hand_over(10);
        assert!(own.poll_room(100, cx).is_ready(), "50 on their way, 100 being read");
        assert!(own.poll_room(140, cx).is_pending(), "more than half");
        assert!(other.poll_room(60, cx).is_ready() && other.is_short(), "others have their share");
        drop(load);
        assert!(own.poll_room(140, cx).is_ready());
        drop((own, other));
    }
}
