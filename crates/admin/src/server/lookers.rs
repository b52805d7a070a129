//! Who may only look leaves places to who may do everything: a token for a dashboard would else shut operators out.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use nuncio_audit::Actor;

use super::{
    MAX_CONNECTIONS,
    peer::{Entry, Standing},
};

/// Connections of all who may only look, at a time.
pub(crate) const MAX_LOOKERS: usize = MAX_CONNECTIONS / 2;

/// The connections of those who may only look, in the order in which they came.
///
/// Bound: [`MAX_LOOKERS`]; for a further one, the oldest of whoever has most of them ends.
#[derive(Debug, Default)]
pub(super) struct Lookers {
    held: Mutex<VecDeque<Place>>,
    numbers: RandomState,
}

#[derive(Debug)]
struct Place {
    /// Whose it is.
    who: u64,
    connection: Entry,
}

impl Lookers {
    /// Somebody who may only look has asked over this connection.
    pub(super) fn note(&self, actor: &Actor, standing: &Standing) {
        if !standing.begins_to_look() {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|place| !place.connection.is_over());
        held.push_back(Place { who: self.number(actor), connection: standing.entry() });
        if held.len() > MAX_LOOKERS
            && let Some(place) = oldest_of_whoever_has_most(&held).and_then(|index| held.remove(index))
        {
            place.connection.dismiss();
        }
    }

    fn number(&self, actor: &Actor) -> u64 {
        match actor {
            // Whichever of the user's processes it is, and whichever certificate in a row of renewals.
            Actor::Process { uid, .. } => self.numbers.hash_one(uid),
            Actor::Certificate { name, issuer, .. } => self.numbers.hash_one((name.as_str(), issuer.as_str())),
            other => self.numbers.hash_one(other.to_string()),
        }
    }
}

fn oldest_of_whoever_has_most(held: &VecDeque<Place>) -> Option<usize> {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for place in held {
        *counts.entry(place.who).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    held.iter().position(|place| counts.get(&place.who) == Some(&most))
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn process(uid: u32, pid: i32) -> Actor {
        Actor::Process { uid, gid: 7, pid: Some(pid) }
    }

    fn token(name: &str) -> Actor {
        Actor::Token { name: name.into() }
    }

    #[test]
    fn the_one_that_stands_longest_makes_room_and_one_that_is_gone_takes_none() {
        let (lookers, task) = (Lookers::default(), Context::from_waker(Waker::noop()));
        let mut standing: Vec<_> = (0..MAX_LOOKERS).map(|_| Standing::default()).collect();
        for one in standing.iter().chain(&standing) {
            lookers.note(&token("a"), one);
        }
        assert!(standing.iter().all(|one| !one.is_dismissed(&task)), "each counts once");
        standing.pop();
        lookers.note(&token("a"), &standing.last().expect("many").clone());
        let (newcomer, next) = (Standing::default(), Standing::default());
        lookers.note(&token("a"), &newcomer);
        assert!(!standing[0].is_dismissed(&task), "one was gone");
        lookers.note(&token("a"), &next);
        assert!(standing[0].is_dismissed(&task) && !standing[1].is_dismissed(&task));
        assert!(!newcomer.is_dismissed(&task) && !next.is_dismissed(&task));
    }

    #[test]
    fn whoever_has_most_makes_room_and_nobody_elses_dashboard_ends() {
        let (lookers, task) = (Lookers::default(), Context::from_waker(Waker::noop()));
        let look = |actor: &Actor| {
            let standing = Standing::default();
            lookers.note(actor, &standing);
            standing
        };
        let others = [look(&token("other")), look(&process(1, 1))];
        let greedy: Vec<_> = (0..3 * MAX_LOOKERS).map(|_| look(&token("greedy"))).collect();
        let ended = |all: &[Standing]| all.iter().filter(|one| one.is_dismissed(&task)).count();
        assert_eq!((ended(&others), ended(&greedy)), (0, 2 * MAX_LOOKERS + 2));
        let late = [look(&token("other"))];
        assert_eq!((ended(&late), ended(&greedy)), (0, 2 * MAX_LOOKERS + 3));
        assert!(greedy.iter().rev().take(MAX_LOOKERS - 3).all(|one| !one.is_dismissed(&task)), "its oldest go");

        let user: Vec<_> = (0..MAX_LOOKERS as i32).map(|pid| look(&process(7, pid))).collect();
        assert_eq!((ended(&others), ended(&late)), (0, 0), "a user's processes count together");
        assert!(ended(&user) > 0);
    }
}
