use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use nuncio_bounds::Bound;

use super::{
    super::{ClientId, Payer, budget::Budget},
    attempt::Attempt,
    exchange::Exchange,
};
use crate::{hashed::HashMap, timers::Timers};

/// Most bytes of open publishes, a quarter of them of one payer.
const MAX_BYTES: usize = 256 << 20;
/// What an exchange takes beside its topic and payload, and what each attempt does; room is taken for a few at a time.
const PER_EXCHANGE: usize = 1024;
const PER_ATTEMPT: usize = 512;
const ATTEMPTS: usize = 4;

/// The publishes of our clients that have no reply yet, by message number.
///
/// Bound: [`MAX_BYTES`], and the configured most exchanges; further ones are answered
/// [`super::super::ResultCode::OVER_LIMIT`].
#[derive(Debug)]
pub(super) struct Ledger {
    most: usize,
    /// Boxed, since a tree moves what it holds, and each publish comes and goes.
    open: BTreeMap<u64, Box<Exchange>>,
    of_client: BTreeSet<(ClientId, u64)>,
    /// The messages that attempts at other nodes were made for, by the attempts' numbers.
    numbers: HashMap<u64, u64>,
    wakes: HashMap<u64, Instant>,
    timers: Timers<u64>,
    budget: Budget<Payer>,
}

impl Ledger {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            open: BTreeMap::new(),
            of_client: BTreeSet::new(),
            numbers: HashMap::default(),
            wakes: HashMap::default(),
            timers: Timers::default(),
            budget: Budget::new(MAX_BYTES),
        }
    }

    pub(super) const BOUND: Bound = Bound::of_bytes(
        "publishes without an answer",
        MAX_BYTES,
        "further ones are answered 103, of one certificate from a quarter on",
    );

    /// Takes the room for a publish of so many bytes; `false` when there is none.
    pub(super) fn reserve(&mut self, payer: Payer, bytes: usize) -> bool {
        self.open.len() < self.most && self.budget.take(payer, bytes + PER_EXCHANGE)
    }

    pub(super) fn release(&mut self, payer: Payer, bytes: usize) {
        self.budget.give_back(payer, bytes + PER_EXCHANGE);
    }

    /// Takes the room for one more attempt, if there is any.
    pub(super) fn may_try(&mut self, message: u64) -> bool {
        let Some(exchange) = self.open.get_mut(&message) else { return false };
        if exchange.attempts.len() >= exchange.paid && self.budget.take(exchange.payer, ATTEMPTS * PER_ATTEMPT) {
            exchange.paid += ATTEMPTS;
        }
        exchange.attempts.len() < exchange.paid
    }

    pub(super) fn insert(&mut self, message: u64, exchange: Exchange) {
        self.of_client.insert((exchange.client, message));
        self.open.insert(message, Box::new(exchange));
    }

    pub(super) fn get(&self, message: u64) -> Option<&Exchange> {
        self.open.get(&message).map(|exchange| &**exchange)
    }

    pub(super) fn get_mut(&mut self, message: u64) -> Option<&mut Exchange> {
        self.open.get_mut(&message).map(|exchange| &mut **exchange)
    }

    pub(super) fn remove(&mut self, message: u64) -> Option<Box<Exchange>> {
        let exchange = self.open.remove(&message)?;
        self.of_client.remove(&(exchange.client, message));
        for attempt in exchange.attempts.iter().filter(|attempt| attempt.delivery.is_none()) {
            self.numbers.remove(&attempt.number);
        }
        if let Some(at) = self.wakes.remove(&message) {
            self.timers.cancel(at, message);
        }
        self.budget.give_back(exchange.payer, exchange.paid * PER_ATTEMPT);
        self.release(exchange.payer, exchange.topic.as_str().len() + exchange.data.len());
        Some(exchange)
    }

    pub(super) fn begin(&mut self, message: u64, attempt: Attempt) {
        let Some(exchange) = self.open.get_mut(&message) else { return };
        if attempt.delivery.is_none() {
            self.numbers.insert(attempt.number, message);
        }
        exchange.attempts.push(attempt);
    }

    /// Sets the timer by what the exchange waits for.
    pub(super) fn set_timer(&mut self, message: u64) {
        let Some(at) = self.open.get(&message).map(|exchange| exchange.wake()) else { return };
        if let Some(before) = self.wakes.insert(message, at) {
            self.timers.cancel(before, message);
        }
        self.timers.set(at, message);
    }

    /// The message that an attempt of this number was made for.
    pub(super) fn message_of(&self, number: u64) -> Option<u64> {
        self.numbers.get(&number).copied()
    }

    pub(super) fn of_client(&self, client: ClientId) -> Vec<u64> {
        let theirs = self.of_client.range((client, 0)..=(client, u64::MAX));
        theirs.map(|(_, message)| *message).collect()
    }

    /// The open attempts that match, by their messages.
    pub(super) fn matching(&self, test: impl Fn(&Attempt) -> bool) -> Vec<(u64, usize)> {
        let all = self.open.iter().flat_map(|(message, exchange)| {
            exchange.attempts.iter().enumerate().map(move |(index, attempt)| (*message, index, attempt))
        });
        all.filter(|(_, _, attempt)| attempt.is_open && test(attempt))
            .map(|(message, index, _)| (message, index))
            .collect()
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u64> {
        let message = self.timers.pop_due(now)?;
        self.wakes.remove(&message);
        Some(message)
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::{super::reach::Publish, *};
    use crate::{
        Topic,
        amop::{PublishSeq, TenantId},
    };

    #[test]
    fn attempts_take_room_and_give_it_back() {
        let (mut ledger, client, payer, now) =
            (Ledger::new(10), ClientId(1), Payer::Tenant(TenantId(1)), Instant::now());
        let publish = |_| Publish {
            client,
            payer,
            seq: PublishSeq([0; 32]),
            priority: Default::default(),
            topic: Topic::new("t").expect("a valid topic"),
            data: Bytes::new(),
        };
        let rest = MAX_BYTES / 4 - 2 * PER_EXCHANGE - 1 - ATTEMPTS * PER_ATTEMPT;
        assert!(ledger.reserve(payer, 1) && ledger.reserve(payer, rest));
        ledger.insert(7, Exchange::new(publish(()), now + Duration::from_secs(4)));
        for n in 0..ATTEMPTS as u64 {
            assert!(ledger.may_try(7));
            ledger.begin(7, Attempt::at_client(ClientId(n), crate::amop::DeliveryId(n)));
        }
        assert!(!ledger.may_try(7), "its share is used up");
        ledger.release(payer, rest);
        assert!(ledger.may_try(7));
        ledger.remove(7);
        assert!(ledger.reserve(payer, MAX_BYTES / 4 - PER_EXCHANGE), "nothing is left of it");
    }
}
