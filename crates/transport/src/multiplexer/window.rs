//! How much of a stream may come before it is read.

use super::frame::MAX_AMOUNT;

/// Bytes of a new stream that may come unread.
pub(super) const INITIAL: usize = 64 << 10;

/// The most that this grows to for one stream: at a round trip of 100 ms, 20 MB/s.
pub(super) const LARGEST: usize = 2 << 20;

/// Bytes by which the windows of a connection may grow, all together.
pub(super) const GROWTH: usize = 4 << 20;

/// What the peer may send on a stream.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Bytes that may come unread in all, and that may come still.
    window: usize,
    credit: usize,
    /// Bytes that were read and that the peer may not send anew yet.
    read: usize,
    /// Bytes read since the window grew.
    moved: usize,
}

/// What this side may send on a stream.
#[derive(Debug)]
pub(super) struct Outgoing(usize);

impl Incoming {
    pub(super) const fn new() -> Self {
        Self { window: INITIAL, credit: INITIAL, read: 0, moved: 0 }
    }

    /// So many bytes come; `false` when they may not.
    pub(super) const fn take(&mut self, bytes: usize) -> bool {
        let may = bytes <= self.credit;
        self.credit = self.credit.saturating_sub(bytes);
        may
    }

    /// So many bytes were read.
    pub(super) const fn note_read(&mut self, bytes: usize) {
        self.read += bytes;
        self.moved += bytes;
    }

    /// Whether it is time to let more come.
    pub(super) const fn is_due(&self) -> bool {
        self.read * 2 >= self.window
    }

    /// Lets more come: what was read, and more where a stream has moved its window several times and `spare` has as much.
    pub(super) fn renew(&mut self, spare: &mut usize) -> usize {
        let grows = self.moved >= 4 * self.window && self.window < LARGEST && *spare >= self.window;
        let more = if grows { self.window } else { 0 };
        if grows {
            *spare -= more;
            self.window += more;
            self.moved = 0;
        }
        let renewed = std::mem::take(&mut self.read) + more;
        self.credit += renewed;
        renewed
    }

    /// The most that may come unread.
    pub(super) const fn window(&self) -> usize {
        self.window
    }

    /// By how much the window has grown.
    pub(super) const fn grown(&self) -> usize {
        self.window - INITIAL
    }
}

impl Outgoing {
    pub(super) const fn new() -> Self {
        Self(INITIAL)
    }

    pub(super) const fn left(&self) -> usize {
        self.0
    }

    pub(super) const fn spend(&mut self, bytes: usize) {
        self.0 -= bytes;
    }

    /// `false` when the peer gives more than any amount can say.
    pub(super) const fn grant(&mut self, bytes: usize) -> bool {
        self.0 += bytes;
        self.0 <= MAX_AMOUNT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_is_used_grows_as_far_as_there_is_room_and_one_that_is_not_stays() {
        let (mut busy, mut quiet, mut spare) = (Incoming::new(), Incoming::new(), GROWTH);
        for _ in 0..1000 {
            assert!(busy.take(INITIAL / 2));
            busy.note_read(INITIAL / 2);
            if busy.is_due() {
                busy.renew(&mut spare);
            }
        }
        assert_eq!((busy.window, spare), (LARGEST, GROWTH + INITIAL - LARGEST));
        assert!(quiet.take(INITIAL) && !quiet.take(1), "no more than the window");
        quiet.note_read(INITIAL);
        assert_eq!(quiet.renew(&mut 0), INITIAL, "what was read may come again");
        assert!(quiet.take(INITIAL) && !quiet.take(1));
        assert!(!Outgoing::new().grant(MAX_AMOUNT));
    }
}
