use std::{
    collections::HashMap,
    task::{Context, Poll},
    time::Instant,
};

use nuncio_protocol::{
    Priority,
    amop::{Kind, PublishSeq},
};

use crate::tenants::FlightShare;

/// What one client has asked for and not yet been given: publishes in flight, answers being made, answers queued.
///
/// While it is full the client's socket is not read, so its size is bounded by the limits and one message more.
#[derive(Debug)]
pub(super) struct Window {
    max_frames: usize,
    max_bytes: usize,
    frames: usize,
    bytes: usize,
    share: FlightShare,
    publishes: HashMap<PublishSeq, Publishes>,
}

/// The publishes in flight under one seq: one, unless the client uses a seq twice.
#[derive(Debug)]
struct Publishes {
    frames: usize,
    bytes: usize,
    kind: Kind,
    priority: Priority,
    since: Instant,
}

/// A publish that was in flight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closed {
    pub(super) kind: Kind,
    pub(super) priority: Priority,
    pub(super) since: Instant,
}

impl Window {
    pub(super) fn new(max_frames: usize, max_bytes: usize, share: FlightShare) -> Self {
        Self { max_frames, max_bytes, frames: 0, bytes: 0, share, publishes: HashMap::new() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.has_room() && self.share.is_open()
    }

    /// The same; when its own room is there, but not that which it shares, the task of `cx` is woken when it may be.
    pub(super) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_room() { self.share.poll_open(cx) } else { Poll::Pending }
    }

    fn has_room(&self) -> bool {
        self.frames < self.max_frames && self.bytes < self.max_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Whether an answer of `bytes` fits the bytes; one always fits when nothing else is there.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        self.bytes == 0 || self.bytes.saturating_add(bytes) <= self.max_bytes
    }

    pub(super) fn open_publish(&mut self, seq: PublishSeq, (kind, priority): (Kind, Priority), bytes: usize) {
        let new = || Publishes { frames: 0, bytes: 0, kind, priority, since: Instant::now() };
        let publishes = self.publishes.entry(seq).or_insert_with(new);
        publishes.frames += 1;
        publishes.bytes += bytes;
        self.charge(bytes);
    }

    /// Ends one publish; `None` when none is in flight under this seq.
    pub(super) fn close_publish(&mut self, seq: &PublishSeq) -> Option<Closed> {
        let publishes = self.publishes.get_mut(seq)?;
        let closed = Closed { kind: publishes.kind, priority: publishes.priority, since: publishes.since };
        let share = publishes.bytes / publishes.frames;
        publishes.frames -= 1;
        publishes.bytes -= share;
        if publishes.frames == 0 {
            self.publishes.remove(seq);
        }
        self.release(share);
        Some(closed)
    }

    /// Nobody waits for the publishes in flight any more; says how many they are.
    pub(super) fn abandon(&mut self) -> usize {
        std::mem::take(&mut self.publishes).into_values().map(|publishes| publishes.frames).sum()
    }

    pub(super) fn charge(&mut self, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes;
        self.share.add(bytes);
    }

    pub(super) fn release(&mut self, bytes: usize) {
        self.frames -= 1;
        self.bytes -= bytes;
        self.share.remove(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nuncio_protocol::amop::ClientId;
    use nuncio_rights::Party;

    use super::*;
    use crate::{access::ClientName, config::Limits, tenants::Tenants};

    fn window(frames: usize, bytes: usize) -> Window {
        let tenant = Tenants::default().join(
            ClientName::Fingerprint(String::new()),
            &Party::sdk("", ""),
            &Limits::DEFAULT,
            &Arc::default(),
        );
        Window::new(frames, bytes, FlightShare::new(tenant, ClientId(1)))
    }

    const SEQ: PublishSeq = PublishSeq([7; 32]);
    const HOW: (Kind, Priority) = (Kind::Unicast, Priority::Normal);

    #[test]
    fn the_window_closes_at_its_messages_and_opens_when_one_ends() {
        let mut window = window(2, 1000);
        window.open_publish(SEQ, HOW, 10);
        assert!(window.is_open());
        window.open_publish(PublishSeq([8; 32]), HOW, 10);
        assert!(!window.is_open());
        assert!(window.close_publish(&SEQ).is_some());
        assert!(window.is_open());
        assert!(window.close_publish(&SEQ).is_none(), "it ended already");
    }

    #[test]
    fn one_seq_used_twice_is_two_publishes_and_gives_all_its_bytes_back() {
        let mut window = window(9, 100);
        window.open_publish(SEQ, HOW, 100);
        window.open_publish(SEQ, HOW, 1);
        assert!(!window.is_open(), "its bytes are full");
        assert!(window.close_publish(&SEQ).is_some() && window.close_publish(&SEQ).is_some());
        assert!(window.is_empty() && window.is_open());
        assert!(window.fits(1_000_000), "one always fits an empty window");
    }
}
