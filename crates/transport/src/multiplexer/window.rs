//! How much of a stream may come before it is read.

use std::time::{Duration, Instant};

use super::frame::MAX_AMOUNT;

/// Bytes of a new stream that may come unread.
pub(super) const INITIAL: usize = 64 << 10;

/// The most that this grows to for one stream: at a round trip of 100 ms, 20 MB/s.
pub(super) const LARGEST: usize = 2 << 20;

/// What a window grows to that is used, and no smaller: a body of 64 KiB waits for nobody's leave then.
const LEAST: usize = 128 << 10;

/// How long others may wait for what is before them: a window is no smaller than what comes in that time, since to let more come costs
/// something, too.
const QUEUE: Duration = Duration::from_millis(1);

/// The most that this grows to where the peer never waits long and others use the connection, too: they wait for half a
/// millisecond at 1 GB/s.
const NEAR: usize = 512 << 10;

/// Bytes of one stream, with none of another among them, after which nobody else is taken to wait for them.
const ALONE: usize = 64 << 20;

/// Waiting that one window of [`NEAR`] cannot end, since the peer is far away.
const LONG: Duration = Duration::from_millis(1);

/// Bytes by which the windows of a connection may grow, all together.
pub(super) const GROWTH: usize = 4 << 20;

/// A window grows when the peer has waited for it so often, no more often than once in a window, and becomes smaller when it has
/// not in so many windows.
const WAITS: usize = 4;
const WINDOWS: usize = 16;

/// What the peer may send on a stream.
///
/// What a window lets come beyond what its stream needs stands in a queue before all other streams. So it grows only while the peer
/// waits for it, and becomes smaller when it does not, or when others come.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Bytes that may come unread in all, and that may come still.
    window: usize,
    credit: usize,
    /// Bytes that were read and that the peer may not send anew yet.
    read: usize,
    /// Bytes that the peer was let send last, and before that.
    granted: [usize; 2],
    /// Bytes read since the window was judged, and when that was.
    moved: usize,
    judged: Option<Instant>,
    waits: Waits,
    /// The peer waited long when it waited.
    is_far: bool,
}

/// How the peer had to wait since the window was judged.
#[derive(Debug, Default)]
struct Waits {
    begun: Option<Instant>,
    all: usize,
    long: usize,
}

/// What this side may send on a stream.
#[derive(Debug)]
pub(super) struct Outgoing(usize);

/// The stream whose data came last, and how much of it without any of another.
#[derive(Debug, Default)]
pub(super) struct Run {
    stream: u32,
    bytes: usize,
}

impl Run {
    pub(super) const fn note(&mut self, stream: u32, bytes: usize) {
        self.bytes = if stream == self.stream { self.bytes.saturating_add(bytes) } else { bytes };
        self.stream = stream;
    }

    /// Whether nobody else is likely to wait for what a stream lets come.
    pub(super) const fn is_of(&self, stream: u32) -> bool {
        self.stream == stream && self.bytes >= ALONE
    }
}

impl Incoming {
    pub(super) const fn new() -> Self {
        let waits = Waits { begun: None, all: 0, long: 0 };
        Self {
            window: INITIAL,
            credit: INITIAL,
            read: 0,
            granted: [0; 2],
            moved: 0,
            judged: None,
            waits,
            is_far: false,
        }
    }

    /// So many bytes come; `false` when they may not.
    pub(super) fn take(&mut self, bytes: usize, now: impl FnOnce() -> Instant) -> bool {
        if let Some(begun) = self.waits.begun.take() {
            self.waits.all += 1;
            self.waits.long += usize::from(now().saturating_duration_since(begun) >= LONG);
        }
        let may = bytes <= self.credit;
        self.credit = self.credit.saturating_sub(bytes);
        may
    }

    /// So many bytes were read.
    pub(super) const fn note_read(&mut self, bytes: usize) {
        self.read += bytes;
        self.moved += bytes;
    }

    /// All that has come was read. If it is just what the peer might send before it could hear of what it was let send last, or
    /// before that, it waits to hear of it.
    pub(super) fn note_dry(&mut self, now: impl FnOnce() -> Instant) {
        let [last, before] = self.granted;
        if last > 0 && (self.credit == last || self.credit == last + before) && self.waits.begun.is_none() {
            self.waits.begun = Some(now());
        }
    }

    /// Whether it is time to let more come.
    pub(super) const fn is_due(&self) -> bool {
        self.read * 2 >= self.window
    }

    /// Lets more come: what was read, and more where the window grows, as far as `spare` has it, or less where it becomes smaller.
    pub(super) fn renew(&mut self, is_alone: bool, now: Instant, spare: &mut usize) -> usize {
        let (before, pace) = (self.window, self.pace(now));
        let is_small = before < LEAST || self.waits.all >= WAITS || pace >= before * 3 / 2;
        if self.moved >= WAITS * before && is_small {
            self.is_far = self.waits.long >= WAITS;
            self.window += before.min(self.most(is_alone).saturating_sub(before)).min(*spare);
            self.begin(now);
        } else if before > self.most(is_alone) {
            self.shrink(self.most(is_alone));
        } else if self.moved >= WINDOWS * before {
            if self.waits.all == 0 {
                self.shrink(pace.max(LEAST));
            }
            self.begin(now);
        }
        *spare = *spare + before - self.window;
        let granted = std::mem::take(&mut self.read) + self.window - before;
        self.granted = [granted, self.granted[0]];
        self.credit += granted;
        granted
    }

    /// By so little that of what was read, half of it, some may come again.
    fn shrink(&mut self, least: usize) {
        self.window -= (self.window / 4).min(self.window.saturating_sub(least));
    }

    const fn most(&self, is_alone: bool) -> usize {
        if self.is_far || is_alone { LARGEST } else { NEAR }
    }

    /// Bytes that come in [`QUEUE`].
    fn pace(&self, now: Instant) -> usize {
        let elapsed = self.judged.map_or(Duration::MAX, |judged| now.saturating_duration_since(judged));
        (self.moved as f64 * QUEUE.div_duration_f64(elapsed)) as usize
    }

    /// Begins to judge anew.
    const fn begin(&mut self, now: Instant) {
        (self.moved, self.judged) = (0, Some(now));
        (self.waits.all, self.waits.long) = (0, 0);
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

    /// A peer that sends all that it may, and the reader, who finds nothing for so long whenever it waits.
    struct Flow {
        incoming: Incoming,
        now: Instant,
        is_alone: bool,
        /// Of a KiB.
        takes: Duration,
        spare: usize,
    }

    impl Flow {
        fn new() -> Self {
            Self {
                incoming: Incoming::new(),
                now: Instant::now(),
                is_alone: false,
                takes: Duration::from_micros(100),
                spare: GROWTH,
            }
        }

        fn move_windows(&mut self, count: usize, wait: Duration) {
            let all = self.spare + self.incoming.grown();
            for _ in 0..count * 2 {
                let Self { incoming, now, is_alone, takes, spare } = self;
                if !wait.is_zero() {
                    // All that it was let send before, and then nothing.
                    let rest = incoming.credit - incoming.granted[0];
                    assert!(incoming.take(rest, || *now));
                    incoming.note_read(rest);
                    incoming.note_dry(|| *now);
                    *now += wait;
                }
                while !incoming.is_due() {
                    assert!(incoming.take(1 << 10, || *now));
                    incoming.note_read(1 << 10);
                    *now += *takes;
                }
                assert!(incoming.renew(*is_alone, *now, spare) > 0, "it may always send something");
                assert_eq!(*spare + incoming.grown(), all);
            }
        }
    }

    #[test]
    fn a_window_grows_while_the_peer_waits_for_it_and_becomes_smaller_when_it_does_not() {
        let (none, short, long) = (Duration::ZERO, LONG / 2, LONG);
        let mut flow = Flow::new();
        flow.move_windows(100, none);
        assert_eq!(flow.incoming.window, LEAST, "nobody waits");
        flow.move_windows(100, short);
        assert_eq!(flow.incoming.window, NEAR);
        flow.move_windows(100, long);
        assert_eq!(flow.incoming.window, LARGEST, "it is far away");
        flow.move_windows(20, short);
        assert_eq!(flow.incoming.window, NEAR, "it is not any more");
        flow.move_windows(1000, none);
        assert_eq!(flow.incoming.window, LEAST);
    }

    #[test]
    fn a_stream_that_is_alone_may_have_more_than_others_could_wait_for_until_they_come() {
        let (mut flow, short) = (Flow::new(), LONG / 2);
        flow.is_alone = true;
        flow.move_windows(100, short);
        assert_eq!(flow.incoming.window, LARGEST);
        flow.is_alone = false;
        flow.move_windows(5, short);
        assert_eq!(flow.incoming.window, NEAR);
        let mut run = Run::default();
        for _ in 0..ALONE / INITIAL {
            assert!(!run.is_of(1));
            run.note(1, INITIAL);
        }
        assert!(run.is_of(1) && !run.is_of(2));
        run.note(2, 1);
        assert!(!run.is_of(1) && !run.is_of(2));
    }

    #[test]
    fn a_window_is_what_comes_in_a_millisecond_where_nobody_waits_for_it() {
        let mut flow = Flow::new();
        flow.takes = Duration::from_micros(1000) / 300;
        flow.move_windows(1000, Duration::ZERO);
        assert_eq!(flow.incoming.window, 256 << 10);
        flow.takes *= 10;
        flow.move_windows(1000, Duration::ZERO);
        assert_eq!(flow.incoming.window, LEAST);
    }

    #[test]
    fn a_peer_that_has_not_sent_what_it_may_waits_for_nobody() {
        let (mut incoming, mut now, mut spare) = (Incoming::new(), Instant::now(), GROWTH);
        for _ in 0..10_000 {
            now += Duration::from_micros(100);
            assert!(incoming.take(1000, || now));
            incoming.note_read(1000);
            if incoming.is_due() {
                incoming.renew(false, now, &mut spare);
            }
            incoming.note_dry(|| now);
        }
        assert_eq!(incoming.window, LEAST);
    }

    #[test]
    fn no_more_comes_than_the_window_and_none_grows_beyond_what_there_is() {
        let (mut quiet, now) = (Incoming::new(), Instant::now());
        assert!(quiet.take(INITIAL, || now) && !quiet.take(1, || now), "no more than the window");
        quiet.note_read(INITIAL);
        assert_eq!(quiet.renew(false, now, &mut 0), INITIAL, "what was read may come again");
        let mut flow = Flow { spare: INITIAL / 2, ..Flow::new() };
        flow.move_windows(100, LONG);
        assert_eq!((flow.incoming.window, flow.spare), (INITIAL * 3 / 2, 0));
        assert!(!Outgoing::new().grant(MAX_AMOUNT));
    }
}
