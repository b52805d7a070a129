use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use super::{
    super::{ClientId, budget::Budget},
    attempt::Attempt,
    exchange::Exchange,
};
use crate::{hashed::HashMap, timers::Timers};

/// Most bytes of open publishes, a quarter of them of one client.
const MAX_BYTES: usize = 256 << 20;
/// What an exchange takes beside its topic and payload, attempts at a handful of candidates included.
const PER_EXCHANGE: usize = 1024;

/// The publishes of our clients that have no reply yet, by message number.
///
/// Bound: [`MAX_BYTES`], and the configured most exchanges; further ones are answered
/// [`super::super::ResultCode::OVER_LIMIT`].
#[derive(Debug)]
pub(super) struct Ledger {
    most: usize,
    open: BTreeMap<u64, Exchange>,
    of_client: BTreeSet<(ClientId, u64)>,
    /// The messages that attempts at other nodes were made for, by the attempts' numbers.
    numbers: HashMap<u64, u64>,
    wakes: HashMap<u64, Instant>,
    timers: Timers<u64>,
    budget: Budget<ClientId>,
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

    /// Takes the room for a publish of so many bytes; `false` when there is none.
    pub(super) fn reserve(&mut self, client: ClientId, bytes: usize) -> bool {
        self.open.len() < self.most && self.budget.take(client, bytes + PER_EXCHANGE)
    }

    pub(super) fn release(&mut self, client: ClientId, bytes: usize) {
        self.budget.give_back(client, bytes + PER_EXCHANGE);
    }

    pub(super) fn insert(&mut self, message: u64, exchange: Exchange) {
        self.of_client.insert((exchange.client, message));
        self.open.insert(message, exchange);
    }

    pub(super) fn get(&self, message: u64) -> Option<&Exchange> {
        self.open.get(&message)
    }

    pub(super) fn get_mut(&mut self, message: u64) -> Option<&mut Exchange> {
        self.open.get_mut(&message)
    }

    pub(super) fn remove(&mut self, message: u64) -> Option<Exchange> {
        let exchange = self.open.remove(&message)?;
        self.of_client.remove(&(exchange.client, message));
        for attempt in exchange.attempts.iter().filter(|attempt| attempt.delivery.is_none()) {
            self.numbers.remove(&attempt.number);
        }
        if let Some(at) = self.wakes.remove(&message) {
            self.timers.cancel(at, message);
        }
        self.release(exchange.client, exchange.topic.as_str().len() + exchange.data.len());
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
        let Some(at) = self.open.get(&message).map(Exchange::wake) else { return };
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
