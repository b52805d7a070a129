use std::time::{Duration, Instant};

use rand::{RngExt, rngs::SmallRng};

/// Between two comparisons.
const PAUSE: Duration = Duration::from_secs(60);

/// How often it doubles while what differs cannot be learnt: two nodes may trust different authorities, and a neighbour may say
/// anything.
const DOUBLINGS: u32 = 6;

/// When a node asks a neighbour whether both know the same, one neighbour after the other: announcements are seldom where nothing
/// happens, and gossip may lose one.
#[derive(Debug)]
pub(super) struct Comparing {
    pub(super) next: Instant,
    in_vain: u32,
    /// Grows with each comparison.
    turn: usize,
}

impl Comparing {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now + PAUSE, in_vain: 0, turn: 0 }
    }

    /// Whose turn it is, if it is time.
    pub(super) fn turn(&mut self, rng: &mut SmallRng, now: Instant) -> Option<usize> {
        if self.next > now {
            return None;
        }
        let pause = PAUSE * 2_u32.pow(self.in_vain.min(DOUBLINGS));
        self.next = now + pause.mul_f64(rng.random_range(0.9..=1.1));
        self.turn = self.turn.wrapping_add(1);
        Some(self.turn)
    }

    /// A neighbour knows the same, or what it knew besides has been learnt.
    pub(super) const fn is_settled(&mut self) {
        self.in_vain = 0;
    }

    /// A neighbour said that it knows something else, and showed nothing that was not known.
    pub(super) const fn was_in_vain(&mut self) {
        self.in_vain = self.in_vain.saturating_add(1);
    }
}
