//! Who may only look leaves places to who may do everything: a token for a dashboard would else shut operators out.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use super::{MAX_CONNECTIONS, peer::Standing};

/// Connections of all who may only look, at a time.
pub(crate) const MAX_LOOKERS: usize = MAX_CONNECTIONS / 2;

/// The connections of those who may only look, in the order in which they came.
///
/// Bound: [`MAX_LOOKERS`]; for a further one, the one that stands longest ends.
#[derive(Debug, Default)]
pub(super) struct Lookers(Mutex<VecDeque<Standing>>);

impl Lookers {
    /// Somebody who may only look has asked over this connection.
    pub(super) fn note(&self, standing: &Standing) {
        if !standing.begins_to_look() {
            return;
        }
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|one| !one.is_over());
        if held.len() >= MAX_LOOKERS
            && let Some(oldest) = held.pop_front()
        {
            oldest.dismiss();
        }
        held.push_back(standing.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn the_one_that_stands_longest_makes_room_and_one_that_is_gone_takes_none() {
        let (lookers, task) = (Lookers::default(), Context::from_waker(Waker::noop()));
        let mut standing: Vec<_> = (0..MAX_LOOKERS).map(|_| Standing::default()).collect();
        for one in standing.iter().chain(&standing) {
            lookers.note(one);
        }
        assert!(standing.iter().all(|one| !one.is_dismissed(&task)), "each counts once");
        standing.pop();
        lookers.note(&standing.last().expect("many").clone());
        let (newcomer, next) = (Standing::default(), Standing::default());
        lookers.note(&newcomer);
        assert!(!standing[0].is_dismissed(&task), "one was gone");
        lookers.note(&next);
        assert!(standing[0].is_dismissed(&task) && !standing[1].is_dismissed(&task));
        assert!(!newcomer.is_dismissed(&task) && !next.is_dismissed(&task));
    }
}
