use std::time::{Duration, Instant};

use rand::{RngExt, rngs::SmallRng};

/// Between two comparisons.
const PAUSE: Duration = Duration::from_secs(60);

/// How often what a neighbour is passed over doubles.
const DOUBLINGS: u32 = 6;

/// When a node asks a neighbour whether both know the same, one neighbour after the other: announcements are seldom where nothing
/// happens, and gossip may lose one.
#[derive(Debug)]
pub(super) struct Comparing {
    pub(super) next: Instant,
    /// Grows with each comparison.
    turn: usize,
}

impl Comparing {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now + PAUSE, turn: 0 }
    }

    /// Whose turn it is, if it is time.
    pub(super) fn turn(&mut self, rng: &mut SmallRng, now: Instant) -> Option<usize> {
        if self.next > now {
            return None;
        }
        self.next = now + PAUSE.mul_f64(rng.random_range(0.9..=1.1));
        self.turn = self.turn.wrapping_add(1);
        Some(self.turn)
    }
}

/// How seldom a neighbour is compared with while what differs cannot be learnt from it: two nodes may trust different authorities,
/// and a neighbour may say anything. Its turns are others' then, so that no number of such neighbours delays what others know.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    in_vain: u32,
    /// Of its turns, those that it misses yet.
    misses: u32,
}

impl Doubt {
    /// The neighbour knows the same, or what it knew besides has been learnt.
    pub(super) const fn is_settled(&mut self) {
        (self.in_vain, self.misses) = (0, 0);
    }

    /// It said that it knows something else, and showed nothing that was not known.
    pub(super) fn was_in_vain(&mut self) {
        self.in_vain = self.in_vain.saturating_add(1);
        self.misses = 2_u32.pow(self.in_vain.min(DOUBLINGS)) - 1;
    }

    /// Its turn has come; says whether it misses it.
    pub(super) const fn misses(&mut self) -> bool {
        let misses = self.misses > 0;
        self.misses = self.misses.saturating_sub(1);
        misses
    }

    /// Whether it may have another's turn.
    pub(super) const fn is_none(&self) -> bool {
        self.misses == 0
    }
}
