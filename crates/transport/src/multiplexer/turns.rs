//! Whose turn it is to write, where there is not room for all at once.

/// Whoever has written least lately writes first, and among those with as much, whoever wrote longest ago: so who writes little
/// waits for nobody who writes much, and those who write much have equal shares, in bytes, whatever each writes at a time.
///
/// Time is counted in the bytes that each of those who want to write has written: nobody saves up turns while it writes nothing.
///
/// Bound: the streams of a connection.
#[derive(Debug, Default)]
pub(super) struct Turns {
    now: u64,
    waiting: Vec<Waiting>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    /// When it has its turn.
    due: u64,
    /// Until when it has had its share.
    served: u64,
    stream: u32,
}

impl Turns {
    /// The stream whose turn it is of those that wait.
    pub(super) fn first(&self) -> Option<u32> {
        self.waiting.iter().min().map(|waiting| waiting.stream)
    }

    /// Whether a stream, waiting or not, that has had its share until `served`, goes before all others.
    pub(super) fn is_first(&self, stream: u32, served: u64) -> bool {
        let own = self.find(stream).unwrap_or_else(|| self.place(stream, served));
        self.waiting.iter().all(|other| own <= *other)
    }

    /// A stream that has had its share until `served` wants to write.
    pub(super) fn wait(&mut self, stream: u32, served: u64) {
        if self.find(stream).is_none() {
            self.waiting.push(self.place(stream, served));
        }
    }

    /// It wants to write no more.
    pub(super) fn leave(&mut self, stream: u32) {
        self.waiting.retain(|waiting| waiting.stream != stream);
    }

    /// It has written so many bytes; says until when it has had its share.
    pub(super) fn wrote(&mut self, stream: u32, bytes: usize, served: u64) -> u64 {
        let Waiting { due, .. } = self.find(stream).unwrap_or_else(|| self.place(stream, served));
        self.leave(stream);
        self.now = self.now.max(due);
        due + bytes as u64
    }

    fn place(&self, stream: u32, served: u64) -> Waiting {
        Waiting { due: self.now.max(served), served, stream }
    }

    fn find(&self, stream: u32) -> Option<Waiting> {
        self.waiting.iter().find(|waiting| waiting.stream == stream).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_little_goes_before_those_who_write_much_and_they_have_equal_shares() {
        let (mut turns, mut served, mut written) = (Turns::default(), [0; 4], [0; 3]);
        for round in 0_u32..3000 {
            for stream in 0..3 {
                turns.wait(stream, served[stream as usize]);
            }
            if round % 10 == 5 {
                assert!(turns.is_first(3, served[3]), "it need not even wait");
                turns.wait(3, served[3]);
                assert_eq!(turns.first(), Some(3));
                served[3] = turns.wrote(3, 100, served[3]);
            }
            let next = turns.first().expect("they wait");
            let bytes = [64 << 10, 1000, 16 << 10][next as usize];
            written[next as usize] += bytes;
            served[next as usize] = turns.wrote(next, bytes, served[next as usize]);
        }
        let (least, most) = (written.iter().min().unwrap(), written.iter().max().unwrap());
        assert!(most - least <= 64 << 10, "{written:?}");
    }

    #[test]
    fn nobody_saves_up_turns_and_nobody_who_waits_is_left_waiting() {
        let (mut turns, mut served) = (Turns::default(), [0; 2]);
        for _ in 0..100 {
            served[0] = turns.wrote(0, 1000, served[0]);
        }
        // The other has written nothing so far: now it wants to write all the time.
        let mut order = Vec::new();
        for _ in 0..20 {
            turns.wait(0, served[0]);
            turns.wait(1, served[1]);
            let next = turns.first().expect("they wait");
            served[next as usize] = turns.wrote(next, 1000, served[next as usize]);
            order.push(next);
        }
        assert!(order.iter().filter(|stream| **stream == 0).count() >= 9, "{order:?}");
        assert!(order.windows(3).all(|three| three.contains(&0)), "{order:?}");
    }
}
