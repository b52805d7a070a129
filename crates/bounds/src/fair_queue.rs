use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
};

use foldhash::fast::RandomState;

use crate::{Account, Bound, Ledger, ledger::Holder};

/// Bytes that an account gets at its turn.
const QUANTUM: usize = 16 << 10;

/// Lines in which nothing waits that are kept, and most places that such a line keeps: a message that comes alone makes no new
/// ones.
const KEPT_LINES: usize = 32;
const KEPT_PLACES: usize = 16;

/// Which messages leave before which others, whoever's they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Before all others.
    First,
    /// What there is nothing to say about.
    Middle,
    /// Once nothing else waits.
    Last,
}

const RANKS: [Rank; 3] = [Rank::First, Rank::Middle, Rank::Last];

/// Messages of many accounts that wait for one link. Each account has its own line, and they leave by turns, as many bytes of
/// one as of another: whoever sends little waits for nobody who sends much. Messages of one account and rank keep their order.
///
/// Bound: of each account `limit`, which its last message may pass, and its share of what the [`Ledger`] has. A message counts
/// until it has left.
#[derive(Debug)]
pub struct FairQueue<K: Copy + Eq + Hash, M> {
    limit: usize,
    ledger: Arc<Ledger<K>>,
    lines: HashMap<Account<K>, Line<M>, RandomState>,
    /// At so many lines it is looked for those that can be forgotten.
    full: usize,
    /// Whose turn it is, of those of whom something waits, and who is next.
    turns: [VecDeque<Account<K>>; RANKS.len()],
    /// What was taken out and has not left yet.
    leaving: Vec<(Account<K>, usize)>,
    bytes: usize,
    len: usize,
}

#[derive(Debug)]
struct Line<M> {
    holder: Holder,
    waiting: [VecDeque<(M, usize)>; RANKS.len()],
    /// Bytes that may leave at the present turn.
    credit: [usize; RANKS.len()],
}

impl<K: Copy + Eq + Hash, M> FairQueue<K, M> {
    /// An empty queue.
    pub fn new(limit: usize, ledger: Arc<Ledger<K>>) -> Self {
        let (lines, turns, leaving) = Default::default();
        Self { limit, ledger, lines, full: KEPT_LINES, turns, leaving, bytes: 0, len: 0 }
    }

    /// What it keeps beside the messages.
    pub const fn bound(what: &'static str) -> Bound {
        let places = KEPT_PLACES * size_of::<(M, usize)>();
        Bound::of_entries::<(Account<K>, Line<M>)>(
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
    /// Gives it back when its account has as much as it may.
    pub fn push(&mut self, account: Account<K>, message: M, bytes: usize, rank: Rank) -> Result<(), M> {
        if self.lines.len() >= self.full {
            self.lines.retain(|_, line| !line.is_idle());
            self.full = KEPT_LINES.max(2 * self.lines.len());
        }
        let line = self.lines.entry(account).or_insert_with(|| Line::new(Holder::new(self.ledger.total(account))));
        if line.holder.bytes >= self.limit || !line.holder.take(bytes, &self.ledger.shared) {
            return Err(message);
        }
        let waiting = &mut line.waiting[rank as usize];
        if waiting.is_empty() {
            line.credit[rank as usize] = QUANTUM;
            self.turns[rank as usize].push_back(account);
        }
        waiting.push_back((message, bytes));
        (self.bytes, self.len) = (self.bytes + bytes, self.len + 1);
        Ok(())
    }

    /// Takes the next message out, its account and its bytes; it counts until [`FairQueue::settle`].
    pub fn pop(&mut self) -> Option<(Account<K>, M, usize)> {
        self.pop_within(usize::MAX)
    }

    /// The same, if that has no more bytes than these; else it stays the next.
    pub fn pop_within(&mut self, most: usize) -> Option<(Account<K>, M, usize)> {
        let rank = RANKS.into_iter().find(|rank| !self.turns[*rank as usize].is_empty())?;
        let popped = self.pop_of(rank as usize, most)?;
        let (account, _, bytes) = popped;
        match self.leaving.last_mut() {
            Some((last, leaving)) if *last == account => *leaving += bytes,
            _ => self.leaving.push((account, bytes)),
        }
        self.len -= 1;
        Some(popped)
    }

    /// Each that waits has its turn, and more than a quantum once it has had several.
    fn pop_of(&mut self, rank: usize, most: usize) -> Option<(Account<K>, M, usize)> {
        loop {
            let account = *self.turns[rank].front()?;
            let line = self.lines.get_mut(&account)?;
            let bytes = line.waiting[rank].front()?.1;
            if line.credit[rank] < bytes && self.turns[rank].len() > 1 {
                line.credit[rank] += QUANTUM;
                self.turns[rank].rotate_left(1);
                continue;
            }
            if bytes > most {
                return None;
            }
            let (message, bytes) = line.waiting[rank].pop_front()?;
            line.credit[rank] = line.credit[rank].saturating_sub(bytes);
            if line.waiting[rank].is_empty() {
                self.turns[rank].pop_front();
                line.rest(rank);
            }
            return Some((account, message, bytes));
        }
    }

    /// What was taken out has left.
    pub fn settle(&mut self) {
        let Self { lines, leaving, bytes: held, ledger, .. } = self;
        for (account, bytes) in leaving.drain(..) {
            if let Some(line) = lines.get_mut(&account) {
                line.holder.give_back(bytes, &ledger.shared);
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
}

impl<M> Line<M> {
    fn new(holder: Holder) -> Self {
        Self { holder, waiting: Default::default(), credit: Default::default() }
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
        for line in self.lines.values_mut() {
            line.holder.give_back(line.holder.bytes, &self.ledger.shared);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: Account<u32> = Account::Of(1);
    const HONEST: Account<u32> = Account::Of(2);
    const MIB: usize = 1 << 20;

    fn queue(ledger: &Arc<Ledger<u32>>) -> FairQueue<u32, usize> {
        FairQueue::new(32 * MIB, Arc::clone(ledger))
    }

    fn fill(queue: &mut FairQueue<u32, usize>, account: Account<u32>, bytes: usize) -> usize {
        (0..).take_while(|_| queue.push(account, bytes, bytes, Rank::Middle).is_ok()).count() * bytes
    }

    #[test]
    fn one_alone_fills_the_queue_and_others_and_the_node_itself_find_room_all_the_same() {
        let mut queue = queue(&Arc::new(Ledger::new(256 * MIB)));
        assert_eq!(fill(&mut queue, HOSTILE, MIB), 32 * MIB, "as if nobody else was there");
        assert_eq!(fill(&mut queue, HONEST, MIB), 32 * MIB);
        assert_eq!(fill(&mut queue, Account::Own, MIB), 32 * MIB);
        assert_eq!(queue.bytes(), 96 * MIB);
    }

    #[test]
    fn however_many_queues_some_fill_everybody_else_finds_room_in_each() {
        let ledger = Arc::new(Ledger::new(256 * MIB));
        let mut queues: Vec<_> = (0..200).map(|_| queue(&ledger)).collect();
        for hostile in 10..15 {
            for queue in &mut queues {
                fill(queue, Account::Of(hostile), 100 << 10);
            }
        }
        assert!(ledger.used() <= 192 * MIB && ledger.used() > 128 * MIB, "{}", ledger.used());
        assert!(fill(&mut queues[0], HONEST, MIB) >= 2 * MIB);
        assert!(fill(&mut queues[0], Account::Own, MIB) >= 16 * MIB);
        assert!((1..300).all(|who| fill(&mut queues[1], Account::Of(1000 + who), 1000) >= 64_000));
        drop(queues);
        assert_eq!(ledger.used(), 0, "all is given back");
    }

    #[test]
    fn links_that_take_nothing_leave_room_for_others() {
        let ledger = Arc::new(Ledger::new(256 * MIB));
        let mut dead: Vec<_> = (0..5).map(|_| queue(&ledger)).collect();
        for (account, links) in [(HONEST, 3), (Account::Own, 5)] {
            for queue in &mut dead[..links] {
                fill(queue, account, MIB);
            }
            assert!(fill(&mut queue(&ledger), account, MIB) >= 2 * MIB, "{account:?}");
        }
    }

    #[test]
    fn who_sends_little_waits_for_nobody_who_sends_much() {
        let mut queue = queue(&Arc::new(Ledger::new(256 * MIB)));
        for hostile in 10..15 {
            fill(&mut queue, Account::Of(hostile), 60_000);
        }
        queue.push(HONEST, 1, 1, Rank::Middle).expect("there is room");
        let before: usize = std::iter::from_fn(|| queue.pop()).map(|(_, _, bytes)| bytes).take_while(|b| *b > 1).sum();
        assert!(before <= 5 * (QUANTUM + 60_000), "{before} bytes before it");
    }

    #[test]
    fn those_who_send_much_get_as_much_as_each_other_however_long_their_messages_are() {
        let mut queue = queue(&Arc::new(Ledger::new(256 * MIB)));
        for (account, bytes) in [(HOSTILE, 3 * MIB), (HONEST, 1000), (Account::Own, 100_000)] {
            fill(&mut queue, account, bytes);
        }
        let mut left = [0; 3];
        while left.iter().sum::<usize>() < 36 * MIB {
            let (account, _, bytes) = queue.pop().expect("much waits");
            left[[HOSTILE, HONEST, Account::Own].iter().position(|all| *all == account).unwrap_or(0)] += bytes;
        }
        assert!(left.iter().all(|bytes| bytes.abs_diff(12 * MIB) <= 3 * MIB + QUANTUM), "{left:?}");
    }

    #[test]
    fn messages_of_one_account_keep_their_order_and_ranks_go_before_turns() {
        let mut queue = queue(&Arc::new(Ledger::new(MIB)));
        for (account, message, rank) in [
            (HONEST, 9, Rank::Last),
            (HONEST, 1, Rank::Middle),
            (HONEST, 2, Rank::Middle),
            (HOSTILE, 3, Rank::Middle),
            (HOSTILE, 0, Rank::First),
        ] {
            queue.push(account, message, 20 << 10, rank).expect("there is room");
        }
        let left: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, message, _)| message).collect();
        assert_eq!(left, [0, 1, 3, 2, 9]);
    }

    #[test]
    fn what_is_leaving_still_counts_and_what_has_left_does_not() {
        let ledger = Arc::new(Ledger::new(MIB));
        let mut queue = FairQueue::new(20, Arc::clone(&ledger));
        assert_eq!(fill(&mut queue, HONEST, 10), 20);
        assert!(queue.pop().is_some() && queue.pop().is_some() && queue.is_empty());
        assert_eq!((queue.push(HONEST, 10, 10, Rank::Middle), queue.bytes()), (Err(10), 20));
        queue.settle();
        assert_eq!((queue.push(HONEST, 10, 10, Rank::Middle), ledger.used()), (Ok(()), 10));
    }

    #[test]
    fn a_message_that_comes_alone_finds_its_place_and_what_much_took_is_given_back() {
        let mut queue = queue(&Arc::new(Ledger::new(256 * MIB)));
        let mut pass = |messages: usize| {
            for _ in 0..messages {
                queue.push(HONEST, 1, 1, Rank::Middle).expect("there is room");
            }
            while queue.pop().is_some() {}
            queue.settle();
            queue.lines[&HONEST].waiting[Rank::Middle as usize].capacity()
        };
        assert!((1..=KEPT_PLACES).contains(&pass(1)), "kept for the next");
        assert_eq!(pass(10 * KEPT_PLACES), 0);
    }

    #[test]
    fn a_message_without_bytes_waits_for_its_turn_like_any_other_however_many_accounts_come() {
        let mut queue = queue(&Arc::new(Ledger::new(MIB)));
        let accounts = 4 * KEPT_LINES as u32;
        for who in 0..accounts {
            queue.push(Account::Of(who), 0, 0, Rank::Middle).expect("there is room");
        }
        let left: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(account, ..)| account).collect();
        assert_eq!(left, (0..accounts).map(Account::Of).collect::<Vec<_>>());
        assert!(queue.is_empty());
    }

    #[test]
    fn accounts_without_number_leave_nothing_behind() {
        let ledger = Arc::new(Ledger::new(256 * MIB));
        let mut queue = queue(&ledger);
        for who in 0..100_000 {
            queue.push(Account::Of(who), 1, 1, Rank::Middle).expect("there is room");
            queue.pop();
            queue.settle();
        }
        assert!(queue.lines.len() <= KEPT_LINES);
    }
}
