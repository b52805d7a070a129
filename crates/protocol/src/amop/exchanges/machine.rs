use std::time::{Duration, Instant};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use rand::{SeedableRng, rngs::SmallRng};

use super::{
    super::{
        ClientId, DeliveryId, ResultCode,
        deliveries::{Deliveries, Outcome},
        pace::Pace,
        private::names,
    },
    attempt::{Attempt, Candidate, Fate, Present},
    choice::Choice,
    exchange::Exchange,
    ledger::Ledger,
    paths,
    reach::{Publish, Reach},
};
use crate::{Config, Header, MAX_NODES, suspects::Suspects, turn::Turn};

/// How long a silence is held against a node.
const MEMORY: Duration = Duration::from_secs(10);

/// The unicasts of the clients here.
///
/// A candidate that is silent is passed by, but it is not forgotten: the first answer of any that was tried ends the
/// exchange. At another node, the same attempt is made once more over another path before the next candidate's turn.
#[derive(Debug)]
pub(in crate::amop) struct Exchanges {
    pace: Pace,
    ledger: Ledger,
    silent: Suspects<NodeId>,
    rng: SmallRng,
}

impl Exchanges {
    pub(in crate::amop) fn new(config: &Config, seed: u64) -> Self {
        Self {
            pace: Pace::new(config),
            ledger: Ledger::new(config.max_exchanges),
            silent: Suspects::new(MEMORY, MAX_NODES),
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    pub(in crate::amop) fn bounds(config: &Config) -> [Bound; 2] {
        let silent = Suspects::<NodeId>::bound("nodes that were silent lately", MAX_NODES);
        [Ledger::BOUND.in_entries(config.max_exchanges), silent]
    }

    pub(in crate::amop) fn handle_publish(&mut self, publish: Publish, reach: &mut Reach<'_>, turn: &mut Turn<'_>) {
        let Publish { client, payer, ref topic, ref data, .. } = publish;
        let bytes = paths::bytes(topic, data);
        if topic.is_block_notification() || names::is_closed_to_publishers(topic) {
            turn.outbox.push(publish.refused(ResultCode::NO_SUBSCRIBER));
            return;
        }
        if !self.ledger.reserve(payer, bytes) {
            turn.outbox.push(publish.refused(ResultCode::OVER_LIMIT));
            return;
        }
        if !reach.quotas.admit(client, topic, bytes, 0, turn.now) {
            self.ledger.release(payer, bytes);
            turn.outbox.push(publish.refused(ResultCode::OVER_LIMIT));
            return;
        }
        let deadline = turn.now + self.pace.whole(data.len());
        let message = turn.life.number();
        self.ledger.insert(message, Exchange::new(publish, deadline));
        self.advance(message, reach, turn);
    }

    /// Takes what another node, or one on the way to it, says of an attempt; says whether that is open.
    pub(in crate::amop) fn handle_result(
        &mut self,
        from: NodeId,
        header: &Header,
        (code, data): (ResultCode, Bytes),
        reach: &mut Reach<'_>,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some((message, index)) = self.find(header.number) else {
            tracing::trace!(source = %header.source.short(), "result of no open attempt, dropped");
            return false;
        };
        let Some(exchange) = self.ledger.get_mut(message) else { return false };
        let attempt = &mut exchange.attempts[index];
        let is_its = attempt.candidate.node() == Some(header.source);
        if is_its {
            turn.routing.note_answered_over(&header.source, attempt.tried(), &from);
            self.silent.clear(&header.source);
            let fate = match code {
                ResultCode::NO_SUBSCRIBER => Fate::Unseen,
                ResultCode::OVER_LIMIT => Fate::OverLimit,
                ResultCode::DENIED => Fate::Denied,
                ResultCode::SUBSCRIBER_GONE => Fate::Gone,
                ResultCode::TIMEOUT => Fate::Silent,
                // All others are a subscriber's own.
                _ => {
                    self.finish(message, code, data, reach, turn);
                    return true;
                }
            };
            self.give_up(message, index);
            self.end_attempt(message, index, fate, reach, turn);
        } else if code == ResultCode::NO_SUBSCRIBER && attempt.is_on(&from) {
            let (node, others) = (attempt.candidate.node(), &mut attempt.ways_taken);
            if header.source == from {
                self.path_failed(message, index, &from, Fate::Unseen, reach, turn);
            } else if node.is_some_and(|node| turn.routing.may_turn_back(&node, &from, &header.source, others)) {
                self.path_doubted(message, index, &from, reach, turn);
            }
        }
        true
    }

    /// A client here answered a delivery, or cannot.
    pub(in crate::amop) fn handle_outcome(
        &mut self,
        (message, delivery): (u64, DeliveryId),
        outcome: Outcome,
        reach: &mut Reach<'_>,
        turn: &mut Turn<'_>,
    ) {
        let Some(index) = self.ledger.get(message).and_then(|exchange| exchange.at_delivery(delivery)) else { return };
        match outcome {
            Outcome::Answered { code, data } if code != ResultCode::SUBSCRIBER_GONE => {
                self.finish(message, code, data, reach, turn);
            }
            Outcome::Answered { .. } | Outcome::Gone => self.end_attempt(message, index, Fate::Gone, reach, turn),
        }
    }

    /// The queue of a link was full for an attempt.
    pub(in crate::amop) fn handle_not_sent(
        &mut self,
        to: NodeId,
        number: u64,
        reach: &mut Reach<'_>,
        turn: &mut Turn<'_>,
    ) {
        if let Some((message, index)) = self.find(number) {
            self.path_failed(message, index, &to, Fate::Unseen, reach, turn);
        }
    }

    /// A link is gone: what was sent over it is sent over another one, or tried elsewhere.
    pub(in crate::amop) fn handle_link_down(&mut self, peer: &NodeId, reach: &mut Reach<'_>, turn: &mut Turn<'_>) {
        for (message, index) in self.ledger.matching(|attempt| attempt.is_on(peer)) {
            self.path_failed(message, index, peer, Fate::Gone, reach, turn);
        }
    }

    /// Nodes went out of reach: what was sent to them is tried elsewhere.
    pub(in crate::amop) fn handle_routes_changed(&mut self, reach: &mut Reach<'_>, turn: &mut Turn<'_>) {
        let routing = &*turn.routing;
        let is_lost = |attempt: &Attempt| attempt.candidate.node().is_some_and(|node| !routing.is_reachable(&node));
        for (message, index) in self.ledger.matching(is_lost) {
            self.end_attempt(message, index, Fate::Gone, reach, turn);
        }
    }

    /// A publisher is gone, and nobody waits for its answers.
    pub(in crate::amop) fn handle_disconnected(&mut self, client: ClientId, deliveries: &mut Deliveries) {
        for message in self.ledger.of_client(client) {
            if let Some(exchange) = self.ledger.remove(message) {
                exchange.withdraw(deliveries);
            }
        }
    }

    pub(in crate::amop) fn handle_timeout(&mut self, reach: &mut Reach<'_>, turn: &mut Turn<'_>) {
        self.silent.forget_ended(turn.now);
        while let Some(message) = self.ledger.pop_due(turn.now) {
            self.step(message, reach, turn);
        }
    }

    pub(in crate::amop) fn poll_timeout(&self) -> Option<Instant> {
        self.ledger.next()
    }

    /// Does what the present attempt's silence asks for.
    fn step(&mut self, message: u64, reach: &mut Reach<'_>, turn: &mut Turn<'_>) {
        let Some(exchange) = self.ledger.get_mut(message) else { return };
        let is_over = exchange.deadline <= turn.now;
        let Some(present) = exchange.present.as_mut() else { return self.advance(message, reach, turn) };
        if !is_over && present.again_at.is_some_and(|at| at <= turn.now) {
            present.again_at = None;
            let index = present.index;
            paths::send_again(exchange, message, index, true, reach.quotas, turn);
            self.ledger.set_timer(message);
            return;
        }
        self.pass_by(message, reach, turn);
    }

    /// Leaves the present attempt to itself if somebody else can be tried, or when time is over.
    fn pass_by(&mut self, message: u64, reach: &mut Reach<'_>, turn: &mut Turn<'_>) {
        let Some(exchange) = self.ledger.get_mut(message) else { return };
        let Some(present) = exchange.present else { return };
        let is_over = exchange.deadline <= turn.now;
        if !is_over && self.choose(message, reach, turn).is_none() {
            if let Some(present) = self.ledger.get_mut(message).and_then(|exchange| exchange.present.as_mut()) {
                present.until = turn.now + self.pace.whole(crate::MAX_BODY);
            }
            self.ledger.set_timer(message);
            return;
        }
        if let Some(exchange) = self.ledger.get_mut(message) {
            exchange.present = None;
            exchange.fate = exchange.fate.max(Fate::Silent);
            let attempt = &exchange.attempts[present.index];
            paths::forgive(attempt, turn.routing);
            match attempt.candidate {
                Candidate::Client(client) => reach.deliveries.note_silent(client, turn.now),
                Candidate::Node(node) | Candidate::Session(node, _) => self.silent.note(node, turn.now),
            }
        }
        self.advance(message, reach, turn);
    }

    /// Tries the next candidate, waits for those tried, or replies that there is none left.
    fn advance(&mut self, message: u64, reach: &mut Reach<'_>, turn: &mut Turn<'_>) {
        while let Some(candidate) = self.choose(message, reach, turn) {
            if self.begin(message, candidate, reach, turn) {
                self.ledger.set_timer(message);
                return;
            }
        }
        let Some(exchange) = self.ledger.get(message) else { return };
        if exchange.deadline > turn.now && exchange.is_awaited() {
            self.ledger.set_timer(message);
            return;
        }
        let code = if exchange.is_awaited() { ResultCode::TIMEOUT } else { exchange.code() };
        self.finish(message, code, Bytes::new(), reach, turn);
    }

    fn choose(&mut self, message: u64, reach: &Reach<'_>, turn: &Turn<'_>) -> Option<Candidate> {
        if !self.ledger.may_try(message) {
            return None;
        }
        let Reach { subscriptions, private, deliveries, .. } = reach;
        let choice = Choice {
            exchange: self.ledger.get(message)?,
            subscriptions,
            private,
            deliveries,
            routing: turn.routing,
            silent: &self.silent,
            now: turn.now,
        };
        choice.draw(&mut self.rng)
    }

    /// Starts an attempt; `false` when the candidate turns out to be none.
    fn begin(&mut self, message: u64, candidate: Candidate, reach: &mut Reach<'_>, turn: &mut Turn<'_>) -> bool {
        let Some(exchange) = self.ledger.get_mut(message) else { return false };
        let attempt = match candidate {
            Candidate::Client(client) => {
                let own = (message, exchange.payer);
                let content = (exchange.topic.clone(), exchange.priority, exchange.data.clone());
                Some(Attempt::at_client(client, reach.deliveries.hand_over(client, own, content, turn)))
            }
            Candidate::Node(node) | Candidate::Session(node, _) => {
                paths::begin(exchange, message, candidate, node, reach.quotas, turn)
            }
        };
        let Some(attempt) = attempt else { return false };
        let (patience, path) = (self.pace.candidate(exchange.data.len()), self.pace.path(exchange.data.len()));
        let again_at = attempt.delivery.is_none().then(|| turn.now + path);
        let index = exchange.attempts.len();
        exchange.present = Some(Present { index, again_at, until: turn.now + patience });
        self.ledger.begin(message, attempt);
        true
    }

    /// A message went no further than to this hop.
    fn path_failed(
        &mut self,
        message: u64,
        index: usize,
        via: &NodeId,
        fate: Fate,
        reach: &mut Reach<'_>,
        turn: &mut Turn<'_>,
    ) {
        let Some(exchange) = self.ledger.get_mut(message) else { return };
        let all_failed = exchange.attempts[index].fail_path(via);
        exchange.fate = exchange.fate.max(fate);
        if all_failed && !paths::send_again(exchange, message, index, false, reach.quotas, turn) {
            self.give_up(message, index);
            self.end_attempt(message, index, fate, reach, turn);
        }
    }

    /// A node behind this hop says that a message went no further. Whoever guesses an attempt's number can say so of it: an answer
    /// may still come, and others are tried meanwhile.
    fn path_doubted(&mut self, message: u64, index: usize, via: &NodeId, reach: &mut Reach<'_>, turn: &mut Turn<'_>) {
        let Some(exchange) = self.ledger.get_mut(message) else { return };
        let all_failed = exchange.attempts[index].fail_path(via);
        exchange.fate = exchange.fate.max(Fate::Silent);
        if all_failed && !paths::send_again(exchange, message, index, false, reach.quotas, turn) {
            self.give_up(message, index);
            if let Some(exchange) = self.ledger.get_mut(message) {
                exchange.present.take_if(|present| present.index == index);
            }
            self.advance(message, reach, turn);
        }
    }

    /// Nothing more comes of an attempt: if it was waited for, the next candidate is tried.
    fn end_attempt(&mut self, message: u64, index: usize, fate: Fate, reach: &mut Reach<'_>, turn: &mut Turn<'_>) {
        let Some(exchange) = self.ledger.get_mut(message) else { return };
        let was_present = exchange.close(index, fate);
        if was_present || exchange.present.is_none() {
            self.advance(message, reach, turn);
        }
    }

    fn give_up(&mut self, message: u64, index: usize) {
        if let Some(exchange) = self.ledger.get_mut(message)
            && let Candidate::Node(node) = exchange.attempts[index].candidate
        {
            exchange.given_up.push(node);
        }
    }

    fn find(&self, number: u64) -> Option<(u64, usize)> {
        let message = self.ledger.message_of(number)?;
        Some((message, self.ledger.get(message)?.at_number(number)?))
    }

    fn finish(&mut self, message: u64, code: ResultCode, data: Bytes, reach: &mut Reach<'_>, turn: &mut Turn<'_>) {
        let Some(exchange) = self.ledger.remove(message) else { return };
        exchange.withdraw(reach.deliveries);
        turn.outbox.push(exchange.reply(code, data));
    }
}
