use std::{collections::HashMap, hash::Hash};

use foldhash::fast::RandomState;

use crate::{Account, ledger::Part};

/// An account leaves the others of its owner this part of what it holds.
const LEFT_TO_OTHERS: usize = 3;

/// What accounts hold of something that is bounded, in whatever it is counted. One may have more as long as that leaves as much free
/// as it holds; of somebody who has several, as much as all of them hold, and a third of what it holds itself. So whoever names many
/// accounts has no more for it, and one that takes all it may leaves some to the others of its owner.
///
/// Bound: an entry for each account that holds something, and for each owner.
#[derive(Debug)]
pub struct Portions<K> {
    all: usize,
    of: HashMap<Option<K>, Share, RandomState>,
}

/// What an owner's accounts hold. Each message of others is counted in several of these, so an owner is looked up once for all of
/// it.
#[derive(Debug, Default)]
struct Share {
    all: usize,
    /// Of the account that is the owner's without a number.
    own: usize,
    parts: HashMap<Part, usize, RandomState>,
}

impl<K: Copy + Eq + Hash> Portions<K> {
    /// What all hold together.
    pub const fn all(&self) -> usize {
        self.all
    }

    /// What an account holds.
    pub fn held_by(&self, account: Account<K>) -> usize {
        self.share(account).map_or(0, |share| share.held_by(account.part()))
    }

    /// How much is to be left free beside what an account takes.
    pub fn to_leave(&self, account: Account<K>) -> usize {
        let Some(share) = self.share(account) else { return 0 };
        match account {
            Account::Own | Account::Client(_) => share.held_by(account.part()),
            Account::Of(_) => share.all,
            Account::Brought(..) => share.all + share.held_by(account.part()) / LEFT_TO_OTHERS,
        }
    }

    /// An account holds so much more.
    pub fn add(&mut self, account: Account<K>, amount: usize) {
        self.all += amount;
        let share = self.of.entry(account.owner()).or_default();
        share.all += amount;
        match account.part() {
            Part::NONE => share.own += amount,
            part => *share.parts.entry(part).or_default() += amount,
        }
    }

    /// It holds so much less.
    pub fn remove(&mut self, account: Account<K>, amount: usize) {
        self.all -= amount;
        let Some(share) = self.of.get_mut(&account.owner()) else { return };
        share.all -= amount;
        match account.part() {
            Part::NONE => share.own -= amount,
            part => share.take(part, amount),
        }
        if share.all == 0 {
            self.of.remove(&account.owner());
        }
    }

    fn share(&self, account: Account<K>) -> Option<&Share> {
        self.of.get(&account.owner())
    }
}

impl Share {
    fn held_by(&self, part: Part) -> usize {
        if part == Part::NONE { self.own } else { self.parts.get(&part).copied().unwrap_or_default() }
    }

    fn take(&mut self, part: Part, amount: usize) {
        if let Some(held) = self.parts.get_mut(&part) {
            *held -= amount;
            if *held == 0 {
                self.parts.remove(&part);
            }
        }
    }
}

impl<K> Default for Portions<K> {
    fn default() -> Self {
        Self { all: 0, of: HashMap::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 16_000;

    fn fill(portions: &mut Portions<u32>, account: Account<u32>) -> usize {
        let has_room = |portions: &Portions<u32>| portions.all() + portions.to_leave(account) < LIMIT;
        let amount = (0..LIMIT).take_while(|_| {
            let has_room = has_room(portions);
            if has_room {
                portions.add(account, 1);
            }
            has_room
        });
        amount.count()
    }

    #[test]
    fn one_account_leaves_others_of_its_owner_some_and_other_owners_as_much_as_one() {
        let mut portions = Portions::default();
        let flooding = fill(&mut portions, Account::Brought(1, 1));
        let others = [2, 3].map(|number| fill(&mut portions, Account::Brought(1, number)));
        assert!(flooding > LIMIT * 2 / 5 && others.iter().all(|held| *held > LIMIT / 200), "{flooding} {others:?}");
        let another = fill(&mut portions, Account::Of(2));
        assert!(another > 100, "{another}");
        portions.remove(Account::Brought(1, 1), flooding);
        assert!(fill(&mut portions, Account::Brought(1, 2)) > others[0]);
    }

    #[test]
    fn whoever_names_a_thousand_has_no_more_than_with_one_and_nothing_is_left_of_those_that_hold_nothing() {
        let (mut one, mut many) = (Portions::default(), Portions::default());
        let alone = fill(&mut one, Account::Of(1));
        let held: Vec<_> = (0..1000).map(|number| fill(&mut many, Account::Brought(1, number))).collect();
        assert_eq!((alone, held.iter().sum()), (LIMIT / 2, LIMIT / 2));
        assert_eq!(fill(&mut many, Account::Client(1)), fill(&mut one, Account::Own), "others have as much");
        for (number, held) in (0..).zip(held) {
            many.remove(Account::Brought(1, number), held);
        }
        assert_eq!(many.of.len(), 1, "the client");
    }
}
