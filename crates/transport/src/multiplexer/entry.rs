//! One stream, as its connection keeps it.

use std::{collections::VecDeque, io::Read, task::Waker};

use super::window::{Incoming, Outgoing};

/// Room for what is not read grows by doubling from here, and not beyond the window: what a peer may send is what it can
/// make this side hold.
const ROOM: usize = 4 << 10;

#[derive(Debug)]
pub(super) struct Entry {
    inbox: VecDeque<u8>,
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// Until when it has had its share of writing.
    pub(super) served: u64,
    /// How the peer ended its direction, and this side its own.
    pub(super) theirs: Option<End>,
    pub(super) own: Option<End>,
    /// The end of its own is told.
    pub(super) is_told: bool,
    /// Nobody here reads or writes it any more.
    pub(super) is_dropped: bool,
}

/// How a direction of a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All that was written came before.
    Finished,
    /// It was dropped.
    Reset,
}

impl Entry {
    pub(super) fn new() -> Self {
        Self {
            inbox: VecDeque::new(),
            incoming: Incoming::new(),
            outgoing: Outgoing::new(),
            reader: None,
            writer: None,
            served: 0,
            theirs: None,
            own: None,
            is_told: false,
            is_dropped: false,
        }
    }

    /// Keeps what came until it is read.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        if self.is_dropped {
            return;
        }
        let needed = self.inbox.len() + bytes.len();
        if needed > self.inbox.capacity() {
            let room = needed.max(ROOM).next_power_of_two().min(needed.max(self.incoming.window()));
            self.inbox.reserve_exact(room - self.inbox.len());
        }
        self.inbox.extend(bytes);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Gives what came first; nothing when nothing is kept.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let read = self.inbox.read(buffer).unwrap_or(0);
        if self.inbox.is_empty() && self.inbox.capacity() > ROOM {
            self.inbox = VecDeque::new();
        }
        self.incoming.note_read(read);
        read
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inbox.is_empty()
    }

    /// Whether it is time to let the peer send more.
    pub(super) fn owes_credit(&self) -> bool {
        self.incoming.is_due() && self.theirs.is_none() && !self.is_dropped
    }

    /// The peer ends its direction.
    pub(super) fn ended(&mut self, end: End) {
        self.theirs = Some(end);
        self.wake();
    }

    pub(super) fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    /// Nobody reads it any more: what comes still is thrown away.
    pub(super) fn drop_handle(&mut self) {
        self.is_dropped = true;
        self.inbox = VecDeque::new();
        (self.reader, self.writer) = (None, None);
        self.own.get_or_insert(End::Reset);
    }

    /// Whether neither side says anything of it any more.
    pub(super) const fn is_over(&self) -> bool {
        self.is_dropped && self.is_told && self.theirs.is_some()
    }
}
