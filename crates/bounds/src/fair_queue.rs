use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    ops::Range,
    sync::Arc,
};

use foldhash::fast::RandomState;

use crate::{
    Account, Bound, Ledger,
    ledger::{Holder, Holds, Part},
};

/// Bytes that an owner gets at his turn, and each of his accounts at its own.
const QUANTUM: usize = 16 << 10;

/// So many bytes more may leave from before a border than from behind it, as long as something waits there; then it is its turn,
/// and each byte from behind makes up for so many: a ninth is left behind each border.
const LEAD: i64 = 8 * QUANTUM as i64;
const MADE_UP: i64 = 8;

/// What a message counts there besides its bytes: one without any takes its time, too.
const OVERHEAD: usize = 256;

/// Accounts of which nothing waits that are kept, and most places that the line of one keeps: a message that comes alone makes no
/// new ones.
const KEPT_LINES: usize = 32;
const KEPT_PLACES: usize = 16;

/// An account that has no more than this part of the limit finds room where its owner's others fill all but a fifth.
const LITTLE: usize = 512;

/// Which messages leave before which others, whoever's they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Before all others.
    First,
    /// Before what there is nothing to say about.
    Second,
    /// What there is nothing to say about.
    Middle,
    /// Behind all others.
    Last,
}

const RANKS: [Rank; 4] = [Rank::First, Rank::Second, Rank::Middle, Rank::Last];

/// Which ranks have which behind them: the urgent two all else, and of each two the first the second. So what is left does not
/// shrink with each rank that is flooded, and nobody takes from those between what is left to the last.
const BORDERS: [[Range<usize>; 2]; 3] = [[0..2, 2..4], [0..1, 1..2], [2..3, 3..4]];

/// Messages of many accounts that wait for one link. Owners have turns, and at his turn each of an owner's accounts: as many bytes
/// of one leave as of another, and whoever sends little waits for nobody who sends much. Messages of one account and rank keep
/// their order. Whatever floods both urgent ranks, all else together goes on at an eighth of their speed; so does the second of
/// them behind the first, and the last rank behind the middle one.
///
/// Bound: of each account `limit`, which its last message may pass, of all of an owner two and a half times as much, and their share
/// of what the [`Ledger`] has. A message counts until it has left.
#[derive(Debug)]
pub struct FairQueue<K: Copy + Eq + Hash, M> {
    limit: usize,
    ledger: Arc<Ledger<K>>,
    owners: HashMap<Option<K>, Owner<M>, RandomState>,
    /// Accounts that are known, and at how many it is looked for those that can be forgotten.
    known: usize,
    full: usize,
    turns: [Turns<Option<K>>; RANKS.len()],
    /// How far those before each border are ahead, or behind what is due to them.
    lead: [i64; BORDERS.len()],
    /// What was taken out and has not left yet.
    leaving: Vec<(Account<K>, usize)>,
    bytes: usize,
    len: usize,
}

/// The accounts of one owner.
#[derive(Debug)]
struct Owner<M> {
    holder: Holder,
    lines: HashMap<Part, Line<M>, RandomState>,
    turns: [Turns<Part>; RANKS.len()],
    /// Bytes that may leave at the present turn.
    credit: [usize; RANKS.len()],
}

/// Those of whom something waits: whose turn it is, and who is next.
type Turns<W> = VecDeque<W>;

#[derive(Debug)]
struct Line<M> {
    holder: Holder,
    waiting: [VecDeque<(M, usize)>; RANKS.len()],
    credit: [usize; RANKS.len()],
}

impl<K: Copy + Eq + Hash, M> FairQueue<K, M> {
    /// An empty queue.
    pub fn new(limit: usize, ledger: Arc<Ledger<K>>) -> Self {
        let (owners, turns, lead, leaving) = Default::default();
        Self { limit, ledger, owners, known: 0, full: KEPT_LINES, turns, lead, leaving, bytes: 0, len: 0 }
    }

    /// What it keeps beside the messages.
    pub const fn bound(what: &'static str) -> Bound {
        let places = KEPT_PLACES * size_of::<(M, usize)>();
        Bound::of_entries::<(Option<K>, Owner<M>, Part, Line<M>)>(
            what,
            KEPT_LINES,
            places,
            "as many as messages wait, and as many again",
        )
    }

    /// The same without a bound: whoever pushes keeps one.
    pub fn boundless() -> Self {
        Self::new(usize::MAX, Arc::new(Ledger::new(usize::MAX)))
    }

    /// Lets a message of so many bytes wait.
    ///
    /// # Errors
    /// Gives it back when its account, or all of its owner, have as much as they may.
    pub fn push(&mut self, account: Account<K>, message: M, bytes: usize, rank: Rank) -> Result<(), M> {
        self.forget_idle();
        let Self { owners, ledger, known, .. } = self;
        let (whose, part) = (account.owner(), account.part());
        let owner = owners.entry(whose).or_insert_with(|| Owner::new(whose, ledger));
        let line = owner.lines.entry(part).or_insert_with(|| {
            *known += 1;
            Line::new(account, ledger)
        });
        if !has_room((owner.holder.bytes, line.holder.bytes), bytes, self.limit)
            || !take(whose.is_none(), (&owner.holder, &line.holder), bytes, ledger)
        {
            return Err(message);
        }
        owner.holder.add(bytes);
        line.holder.add(bytes);
        let rank = rank as usize;
        if line.waiting[rank].is_empty() {
            line.credit[rank] = QUANTUM;
            if owner.turns[rank].is_empty() {
                owner.credit[rank] = QUANTUM;
                self.turns[rank].push_back(whose);
            }
            owner.turns[rank].push_back(part);
        }
        line.waiting[rank].push_back((message, bytes));
        (self.bytes, self.len) = (self.bytes + bytes, self.len + 1);
        Ok(())
    }

    /// Takes the next message out, its account and its bytes; it counts until [`FairQueue::settle`].
    pub fn pop(&mut self) -> Option<(Account<K>, M, usize)> {
        self.pop_within(usize::MAX)
    }

    /// The same, if that has no more bytes than these; else it stays the next.
    pub fn pop_within(&mut self, most: usize) -> Option<(Account<K>, M, usize)> {
        let rank = self.next_rank();
        let popped = self.pop_of(rank, most)?;
        let (account, _, bytes) = popped;
        self.note_lead(rank, bytes);
        match self.leaving.last_mut() {
            Some((last, leaving)) if *last == account => *leaving += bytes,
            _ => self.leaving.push((account, bytes)),
        }
        self.len -= 1;
        Some(popped)
    }

    /// The first one of which something waits, unless it is too far ahead of what waits behind it.
    fn next_rank(&self) -> usize {
        let behind_urgent = usize::from(self.is_turn_behind(0));
        2 * behind_urgent + usize::from(self.is_turn_behind(1 + behind_urgent))
    }

    fn is_turn_behind(&self, border: usize) -> bool {
        let [front, behind] = &BORDERS[border];
        !self.waits(front) || (self.lead[border] >= LEAD && self.waits(behind))
    }

    fn note_lead(&mut self, rank: usize, bytes: usize) {
        let cost = i64::try_from(bytes.saturating_add(OVERHEAD)).unwrap_or(i64::MAX);
        for (border, [front, behind]) in BORDERS.iter().enumerate() {
            let lead = self.lead[border];
            if front.contains(&rank) {
                self.lead[border] = if self.waits(behind) { lead.saturating_add(cost) } else { 0 };
            } else if behind.contains(&rank) {
                // Nothing is due to ranks of which nothing waited.
                let least = if self.waits(front) { i64::MIN } else { 0 };
                self.lead[border] = lead.saturating_sub(cost.saturating_mul(MADE_UP)).max(least);
            }
        }
    }

    fn waits(&self, ranks: &Range<usize>) -> bool {
        self.turns[ranks.clone()].iter().any(|turns| !turns.is_empty())
    }

    /// Each that waits has its turn, and more than a quantum once it has had several.
    fn pop_of(&mut self, rank: usize, most: usize) -> Option<(Account<K>, M, usize)> {
        loop {
            let whose = *self.turns[rank].front()?;
            let owner = self.owners.get_mut(&whose)?;
            let (part, bytes) = owner.next(rank)?;
            if owner.credit[rank] < bytes && self.turns[rank].len() > 1 {
                owner.credit[rank] += QUANTUM;
                self.turns[rank].rotate_left(1);
                continue;
            }
            if bytes > most {
                return None;
            }
            let message = owner.pop(rank, part)?;
            owner.credit[rank] = owner.credit[rank].saturating_sub(bytes);
            if owner.turns[rank].is_empty() {
                self.turns[rank].pop_front();
            }
            return Some((Account::new(whose, part), message, bytes));
        }
    }

    /// What was taken out has left.
    pub fn settle(&mut self) {
        let Self { owners, leaving, bytes: held, ledger, .. } = self;
        for (account, bytes) in leaving.drain(..) {
            if let Some(owner) = owners.get_mut(&account.owner())
                && let Some(line) = owner.lines.get_mut(&account.part())
            {
                owner.holder.remove(bytes);
                line.holder.remove(bytes);
                ledger.shared.give_back(bytes);
                *held -= bytes;
            }
        }
    }

    /// Messages that wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none does.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that wait, or are leaving.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn forget_idle(&mut self) {
        if self.known < self.full {
            return;
        }
        self.owners.retain(|_, owner| {
            owner.lines.retain(|_, line| !line.is_idle());
            !owner.lines.is_empty()
        });
        self.known = self.owners.values().map(|owner| owner.lines.len()).sum();
        self.full = KEPT_LINES.max(2 * self.known);
    }
}

/// Whether an account that holds so much here may have more, as its owner holds so much.
const fn has_room((of_owner, of_account): (usize, usize), bytes: usize, limit: usize) -> bool {
    let is_little = of_account.saturating_add(bytes) <= limit / LITTLE && of_owner / 5 < limit / 2;
    is_little || of_owner.midpoint(of_account) < limit
}

/// Takes bytes of what is shared as long as that leaves as much free as the owner holds anywhere, and the account here and anywhere:
/// so one that fills many queues takes little of each, and whoever holds nothing finds room.
fn take<K: Eq + Hash>(is_own: bool, (owner, account): (&Holder, &Holder), bytes: usize, ledger: &Ledger<K>) -> bool {
    if is_own {
        ledger.shared.take_as_owner(account.held(), bytes)
    } else {
        ledger.shared.take_part(account.bytes + owner.in_all(), account.in_all(), bytes)
    }
}

impl<M> Owner<M> {
    fn new<K: Copy + Eq + Hash>(whose: Option<K>, ledger: &Ledger<K>) -> Self {
        let total = whose.map(|whose| ledger.total(Holds::All(whose)));
        Self {
            holder: Holder::new(total),
            lines: HashMap::default(),
            turns: Default::default(),
            credit: [0; RANKS.len()],
        }
    }

    /// Of which of its accounts the next message is, and its bytes.
    fn next(&mut self, rank: usize) -> Option<(Part, usize)> {
        let Self { lines, turns, .. } = self;
        loop {
            let part = *turns[rank].front()?;
            let line = lines.get_mut(&part)?;
            let bytes = line.waiting[rank].front()?.1;
            if line.credit[rank] >= bytes || turns[rank].len() == 1 {
                return Some((part, bytes));
            }
            line.credit[rank] += QUANTUM;
            turns[rank].rotate_left(1);
        }
    }

    fn pop(&mut self, rank: usize, part: Part) -> Option<M> {
        let line = self.lines.get_mut(&part)?;
        let (message, bytes) = line.waiting[rank].pop_front()?;
        line.credit[rank] = line.credit[rank].saturating_sub(bytes);
        if line.waiting[rank].is_empty() {
            self.turns[rank].pop_front();
            line.rest(rank);
        }
        Some(message)
    }
}

impl<M> Line<M> {
    fn new<K: Copy + Eq + Hash>(account: Account<K>, ledger: &Ledger<K>) -> Self {
        let total = (!matches!(account, Account::Own)).then(|| ledger.total(Holds::Account(account)));
        Self { holder: Holder::new(total), waiting: Default::default(), credit: [0; RANKS.len()] }
    }

    /// Whether nothing of it waits or is leaving; a message without bytes waits, too.
    fn is_idle(&self) -> bool {
        self.holder.bytes == 0 && self.waiting.iter().all(VecDeque::is_empty)
    }

    /// Nothing of a rank waits any more.
    fn rest(&mut self, rank: usize) {
        if self.waiting[rank].capacity() > KEPT_PLACES {
            self.waiting[rank] = VecDeque::new();
        }
    }
}

impl<K: Copy + Eq + Hash, M> Drop for FairQueue<K, M> {
    fn drop(&mut self) {
        for owner in self.owners.values_mut() {
            for line in owner.lines.values_mut() {
                let bytes = line.holder.bytes;
                line.holder.remove(bytes);
                owner.holder.remove(bytes);
                self.ledger.shared.give_back(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests;
