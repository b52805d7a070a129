use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_bounds::{Bound, Holding};
use nuncio_identity::NodeId;

use super::{
    Content, ExchangeId, InboundId, Message, Refusal, Reply, UnicastError, Unknown,
    answers::{Answer, Answers, Key},
    exchange::{Exchange, Exchanges, Hop},
    wanted::Wanted,
};
use crate::{
    Account, Config, Header, MAX_LIFETIME, Output, Priority,
    gate::Admitted,
    timers::earliest,
    trace::{Fate, Trace, TraceParent, Tracing},
    turn::Turn,
};

/// How soon a request is tried again whose target's epoch is not known yet.
const EPOCH_WAIT: Duration = Duration::from_millis(50);

/// Requests out and requests in.
#[derive(Debug)]
pub(crate) struct Unicast {
    hop_timeout: Duration,
    max_timeout: Duration,
    max_exchanges: usize,
    exchanges: Exchanges,
    /// Requests at the application, oldest first. Bound: the configured most exchanges; further ones are
    /// refused as busy, and one that is not answered in the longest request time is dropped.
    inbound: BTreeMap<InboundId, Box<Inbound>>,
    next_inbound: u64,
    answers: Answers,
}

#[derive(Debug)]
struct Inbound {
    /// Who asked, in which epoch, and its number.
    key: Key,
    /// The link it came over last, and its source's clock in the message that came over it.
    via: NodeId,
    asked: Duration,
    priority: Priority,
    arrived: Instant,
    /// Until when its source waits.
    until: Instant,
}

impl Unicast {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            hop_timeout: config.hop_timeout,
            max_timeout: config.max_request_timeout.min(MAX_LIFETIME),
            max_exchanges: config.max_exchanges,
            exchanges: Exchanges::default(),
            inbound: BTreeMap::new(),
            next_inbound: 0,
            answers: Answers::default(),
        }
    }

    /// Requests of this node that have not ended.
    pub(crate) fn open(&self) -> usize {
        self.exchanges.len()
    }

    /// What it holds now of what others can make it hold.
    pub(crate) fn holdings(&self) -> [Holding; 2] {
        [self.exchanges.holding(), self.answers.holding()]
    }

    /// What it can be made to hold.
    pub(crate) fn bounds(config: &Config) -> [Bound; 3] {
        let inbound = Bound::of_entries::<(InboundId, Inbound, Key, InboundId)>(
            "requests at the application",
            config.max_exchanges,
            0,
            "further ones are refused as busy, of one node from half of what is free on",
        );
        [Exchanges::BOUND.in_entries(config.max_exchanges), inbound, Answers::BOUND]
    }

    pub(crate) fn handle_request(
        &mut self,
        name: ExchangeId,
        target: NodeId,
        (body, trace, priority): (Bytes, Trace, Priority),
        timeout: Duration,
        turn: &mut Turn<'_>,
    ) {
        self.ask(name, target, (Wanted::Application(body), trace, priority), timeout, turn);
    }

    /// The same of the node itself.
    pub(crate) fn handle_service_request(
        &mut self,
        name: ExchangeId,
        target: NodeId,
        (body, trace): (Bytes, Trace),
        timeout: Duration,
        turn: &mut Turn<'_>,
    ) {
        self.ask(name, target, (Wanted::Service(body), trace, Priority::Normal), timeout, turn);
    }

    fn ask(
        &mut self,
        name: ExchangeId,
        target: NodeId,
        (wanted, trace, priority): (Wanted, Trace, Priority),
        timeout: Duration,
        turn: &mut Turn<'_>,
    ) {
        let (bytes, limit) = (wanted.body().len(), wanted.limit());
        let refused = if bytes > limit {
            Some(UnicastError::TooLarge { bytes, limit })
        } else if self.exchanges.len() >= self.max_exchanges || !self.exchanges.has_room(bytes) {
            Some(UnicastError::Refused(Refusal::Busy))
        } else if !turn.routing.is_reachable(&target) {
            Some(UnicastError::NoRoute)
        } else {
            None
        };
        if self.exchanges.contains(name) {
            tracing::warn!(?name, "request name used twice, the second one is ignored");
            return;
        }
        let has_no_room = || UnicastError::Refused(Refusal::Busy);
        let refused = refused.or_else(|| {
            let is_untraced = trace.id.is_some_and(|id| !turn.trace.open(name, id, target, turn.now));
            is_untraced.then(has_no_room)
        });
        if let Some(error) = refused {
            turn.outbox.push(Output::Completed { exchange: name, outcome: Err(error) });
            if let Some(id) = trace.id {
                Tracing::was_refused(name, id, target, turn.outbox, turn.now);
            }
            return;
        }
        let (number, timeout) = (turn.life.number(), timeout.min(self.max_timeout));
        self.exchanges
            .insert(number, Exchange::new(name, target, (wanted.clone(), trace, priority), timeout, turn.now));
        if target == turn.life.node {
            let key = (target, turn.life.epoch, number);
            self.hand_over(key, (target, Duration::ZERO, priority), (wanted, trace.parent), timeout, turn);
        } else {
            self.attempt(number, false, turn);
        }
    }

    pub(crate) fn handle_respond(&mut self, inbound: InboundId, body: Bytes, turn: &mut Turn<'_>) {
        self.answer(inbound, Content::Reply { body }, turn);
    }

    pub(crate) fn handle_decline(&mut self, inbound: InboundId, refusal: Refusal, turn: &mut Turn<'_>) {
        self.answer(inbound, Content::Failure { refusal }, turn);
    }

    /// The application had a request and will not answer it.
    pub(crate) fn handle_abandon(&mut self, inbound: InboundId, turn: &mut Turn<'_>) {
        self.answer(inbound, Content::Unanswered, turn);
    }

    /// Says whether it asks, or answers what is still open.
    pub(crate) fn handle_received(&mut self, admitted: Admitted<Message>, turn: &mut Turn<'_>) -> bool {
        let (time_left, is_repeated) = (admitted.time_left(), admitted.is_repeated());
        let (from, Message { header, content }) = admitted.into_parts();
        match content {
            content if content.asks() && is_repeated => self.repeat(from, &header, turn),
            Content::Request { body } => self.accept(from, &header, Wanted::Application(body), time_left, turn),
            Content::ServiceRequest { body } => self.accept(from, &header, Wanted::Service(body), time_left, turn),
            content => return self.conclude(from, &header, content, turn),
        }
        true
    }

    /// A request was for an earlier epoch of this node.
    pub(crate) fn handle_outlived(&self, admitted: Admitted<Message>, turn: &mut Turn<'_>) {
        let time_left = admitted.time_left();
        let (from, Message { header, .. }) = admitted.into_parts();
        let outlived = (Content::Outlived, Priority::Normal);
        send_answer(from, key_of(&header), outlived, turn.now + time_left, turn);
    }

    /// The link's queue was full for a message of ours.
    pub(crate) fn handle_not_sent(&mut self, to: NodeId, mut message: Message, turn: &mut Turn<'_>) {
        if message.content.asks() {
            self.refused(message.header.number, to, Refusal::Busy, turn);
        } else if message.header.hops_left > 0
            && let Some(hop) = turn.routing.next_hop_without(&message.header.target, &[to])
        {
            // Fewer hops at each try, so that two full links do not hand it to each other for ever.
            message.header.hops_left -= 1;
            let account = Account::Of(message.header.target);
            turn.outbox.push(Output::SendUnicast { to: hop, account, message });
        }
    }

    /// A link is gone: what it carried goes another way.
    pub(crate) fn handle_link_down(&mut self, peer: &NodeId, turn: &mut Turn<'_>) {
        for number in self.exchanges.matching(|exchange| exchange.via.is_some_and(|hop| hop.node == *peer)) {
            if let Some(exchange) = self.exchanges.get_mut(number) {
                exchange.lose_hop();
            }
            self.attempt(number, true, turn);
        }
    }

    /// Paths came to be: what waits for one goes on.
    pub(crate) fn handle_routes_changed(&mut self, turn: &mut Turn<'_>) {
        let waiting = |exchange: &Exchange| exchange.via.is_none() && turn.routing.route(&exchange.target).is_some();
        for number in self.exchanges.matching(waiting) {
            self.attempt(number, true, turn);
        }
    }

    pub(crate) fn handle_expelled(&mut self, node: &NodeId, turn: &mut Turn<'_>) {
        for number in self.exchanges.matching(|exchange| exchange.target == *node) {
            let Some(exchange) = self.exchanges.get_mut(number) else { continue };
            let maybe_seen = exchange.seen_in.is_some() || exchange.via.is_some();
            let seen = UnicastError::Unknown(Unknown::Expelled);
            let error = if maybe_seen { seen } else { UnicastError::Refused(Refusal::Denied) };
            self.complete(number, Err(error), turn);
        }
        self.inbound.retain(|_, inbound| inbound.key.0 != *node);
        self.answers.forget_node(node);
    }

    /// The node goes on in another epoch: answers to what it asked in the former one are not for it any more.
    pub(crate) fn handle_epoch_begun(&mut self, turn: &mut Turn<'_>) {
        for number in self.exchanges.matching(|exchange| exchange.seen_in.is_some() || exchange.via.is_some()) {
            self.complete(number, Err(UnicastError::Unknown(Unknown::Restarted)), turn);
        }
    }

    /// The node is about to stop: who asked is not left to wait.
    pub(crate) fn handle_leave(&mut self, turn: &mut Turn<'_>) {
        for inbound in self.inbound.keys().copied().collect::<Vec<_>>() {
            self.handle_abandon(inbound, turn);
        }
    }

    pub(crate) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        while let Some(entry) = self.inbound.first_entry()
            && entry.get().arrived + self.max_timeout <= turn.now
        {
            self.answers.forget(&entry.remove().key);
        }
        self.answers.handle_timeout(turn.now);
        while let Some(number) = self.exchanges.pop_due(turn.now) {
            let Some(exchange) = self.exchanges.get_mut(number) else { continue };
            if exchange.deadline <= turn.now {
                let after = exchange.timeout;
                if exchange.tried.len() > 1 {
                    // Over several ways: it is the target that is silent.
                    turn.routing.forgive(&exchange.target, &exchange.suspects);
                }
                self.complete(number, Err(UnicastError::TimedOut { after }), turn);
                continue;
            }
            exchange.silent_hop(turn.routing, turn.now);
            self.attempt(number, true, turn);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let expiry = self.inbound.first_key_value().map(|(_, inbound)| inbound.arrived + self.max_timeout);
        earliest(self.exchanges.next(), earliest(expiry, self.answers.poll_timeout()))
    }

    /// Sends a request over the best first hop not tried yet (`again`: or over a tried one, once all were).
    fn attempt(&mut self, number: u64, again: bool, turn: &mut Turn<'_>) {
        let Some(exchange) = self.exchanges.get_mut(number) else { return };
        let Some(epoch) = exchange.epoch_now(turn.directory.certain_epoch_of(&exchange.target)) else {
            self.exchanges.wake_at(number, turn.now + EPOCH_WAIT);
            return;
        };
        if exchange.seen_in.is_some_and(|seen_in| seen_in != epoch) {
            // Its earlier life may have run it: the present one must not.
            self.complete(number, Err(UnicastError::Unknown(Unknown::Restarted)), turn);
            return;
        }
        let Some(node) = exchange.choose_hop(turn.routing, again, turn.now) else {
            if exchange.seen_in.is_some() {
                self.exchanges.wake_at(number, turn.now + self.hop_timeout);
            } else {
                let outcome = Err(exchange.failure());
                self.complete(number, outcome, turn);
            }
            return;
        };
        exchange.via = Some(Hop { node, target_epoch: epoch });
        let time_left = exchange.deadline.saturating_duration_since(turn.now);
        let header = turn.life.header((exchange.target, epoch), number, time_left, turn.now);
        let priority = turn.onward.urgency.of_own(exchange.priority, exchange.wanted.body().len(), turn.now);
        let header = Header { trace: exchange.trace, priority, ..header };
        let message = Message { header, content: exchange.wanted.clone().into() };
        if let Some(id) = exchange.trace.id {
            turn.trace.handle_attempt(&id, node, turn.now);
        }
        let is_direct = node == exchange.target;
        let wake = if is_direct { exchange.deadline } else { turn.now + self.hop_timeout };
        self.exchanges.wake_at(number, wake);
        turn.outbox.push(Output::SendUnicast { to: node, account: Account::Own, message });
    }

    /// The first hop says that the request went no further.
    fn refused(&mut self, number: u64, hop: NodeId, refusal: Refusal, turn: &mut Turn<'_>) {
        if let Some(exchange) = self.exchanges.get_mut(number)
            && exchange.via.is_some_and(|via| via.node == hop)
        {
            exchange.give_up_hop();
            exchange.refusal = refusal;
            self.attempt(number, false, turn);
        }
    }

    /// A node behind the first hop says that the request went no further. Whoever guesses a request's number can say so of it:
    /// it is tried elsewhere, and may have been seen.
    fn turned_back(&mut self, number: u64, hop: NodeId, source: &NodeId, turn: &mut Turn<'_>) {
        if let Some(exchange) = self.exchanges.get_mut(number)
            && exchange.via.is_some_and(|via| via.node == hop)
            && turn.routing.may_turn_back(&exchange.target, &hop, source, &mut exchange.ways_taken)
        {
            exchange.lose_hop();
            self.attempt(number, false, turn);
        }
    }

    /// Takes an answer to one of our requests; says whether it is to one that is open.
    fn conclude(&mut self, from: NodeId, header: &Header, content: Content, turn: &mut Turn<'_>) -> bool {
        let (number, source) = (header.number, header.source);
        let Some(exchange) = self.exchanges.get_mut(number) else {
            tracing::trace!(source = %source.short(), "answer to no open request, dropped");
            return false;
        };
        let is_targets = source == exchange.target;
        if is_targets {
            turn.routing.note_answered_over(&source, exchange.first_hops(), &from);
        }
        let outcome = match content {
            Content::Reply { body } if is_targets => Ok(Reply { body, hops: header.hops }),
            Content::Failure { refusal } if is_targets => Err(UnicastError::Refused(refusal)),
            Content::Unanswered if is_targets => Err(UnicastError::Unknown(Unknown::Unanswered)),
            Content::Outlived if is_targets => {
                if exchange.outlived(header, turn.now) {
                    self.attempt(number, true, turn);
                    return true;
                }
                Err(UnicastError::Unknown(Unknown::Restarted))
            }
            Content::Failure { refusal: refusal @ (Refusal::NoRoute | Refusal::Busy) } if source == from => {
                self.refused(number, from, refusal, turn);
                return true;
            }
            Content::Failure { refusal: Refusal::NoRoute | Refusal::Busy } => {
                self.turned_back(number, from, &source, turn);
                return true;
            }
            _ => {
                tracing::trace!(source = %source.short(), "answer of another node, dropped");
                return false;
            }
        };
        self.complete(number, outcome, turn);
        true
    }

    /// Takes a request of another node. What its source is told once stays so: a copy that comes later does not run either.
    fn accept(&mut self, from: NodeId, header: &Header, wanted: Wanted, time_left: Duration, turn: &mut Turn<'_>) {
        let key = key_of(header);
        if !self.has_room_for(&header.source) {
            let (content, priority) = (Content::Failure { refusal: Refusal::Busy }, Priority::Normal);
            let (asked, until) = (header.sent, turn.now + time_left);
            let over = send_answer(from, key, (content.clone(), priority), until, turn);
            self.answers.keep(key, Answer { content, priority, until, asked, over }, turn.now);
            return turn.ends(header, from, Fate::Refused);
        }
        turn.ends(header, from, Fate::Delivered);
        let priority = turn.onward.urgency.of(&header.source, header.priority, wanted.body().len(), turn.now);
        self.hand_over(key, (from, header.sent, priority), (wanted, header.trace.parent), time_left, turn);
    }

    /// Whether the application may have one more request of a node: as long as that leaves room for as many of others. So one
    /// alone has half, and however many ask much, who asks little is served.
    fn has_room_for(&self, source: &NodeId) -> bool {
        let free = self.max_exchanges.saturating_sub(self.inbound.len());
        free > 0 && self.answers.running_of(source) <= free
    }

    /// A request that was here before. If its source has sent it once more, its answer, or the way by which it goes back, was
    /// lost; what anybody else sends again is no newer than what came already.
    fn repeat(&mut self, from: NodeId, header: &Header, turn: &mut Turn<'_>) {
        let key = key_of(header);
        if let Some(inbound) = self.answers.running(&key) {
            if let Some(inbound) = self.inbound.get_mut(&inbound).filter(|inbound| inbound.asked < header.sent) {
                (inbound.via, inbound.asked) = (from, header.sent);
            }
        } else if let Some(answer) = self.answers.answered(&key).filter(|answer| answer.asked < header.sent) {
            answer.asked = header.sent;
            turn.routing.note_lost(header.source, answer.over.as_slice(), turn.now);
            let said = (answer.content.clone(), answer.priority);
            answer.over = send_answer(from, key, said, turn.now + header.lifetime, turn);
        } else {
            tracing::trace!(source = %header.source.short(), "request seen before, dropped");
        }
    }

    fn hand_over(
        &mut self,
        key: Key,
        (via, asked, priority): (NodeId, Duration, Priority),
        (wanted, parent): (Wanted, Option<TraceParent>),
        time_left: Duration,
        turn: &mut Turn<'_>,
    ) {
        let inbound = InboundId(self.next_inbound);
        self.next_inbound += 1;
        let (arrived, until) = (turn.now, turn.now + time_left);
        self.inbound.insert(inbound, Box::new(Inbound { key, via, asked, priority, arrived, until }));
        self.answers.run(key, inbound);
        turn.outbox.push(match wanted {
            Wanted::Application(body) => Output::Request { inbound, source: key.0, body, parent, priority },
            Wanted::Service(body) => Output::ServiceRequest { inbound, source: key.0, body },
        });
    }

    fn answer(&mut self, inbound: InboundId, content: Content, turn: &mut Turn<'_>) {
        let Some(inbound) = self.inbound.remove(&inbound) else { return };
        let Inbound { key, via, asked, priority, until, .. } = *inbound;
        if key.0 != turn.life.node {
            let priority = turn.onward.urgency.of(&key.0, priority, content.length(), turn.now);
            let over = send_answer(via, key, (content.clone(), priority), until, turn);
            self.answers.answer(key, Answer { content, priority, until, asked, over }, turn.now);
            return;
        }
        self.answers.forget(&key);
        let outcome = match content {
            Content::Reply { body } => Ok(Reply { body, hops: 0 }),
            Content::Failure { refusal } => Err(UnicastError::Refused(refusal)),
            _ => Err(UnicastError::Unknown(Unknown::Unanswered)),
        };
        self.complete(key.2, outcome, turn);
    }

    fn complete(&mut self, number: u64, outcome: Result<Reply, UnicastError>, turn: &mut Turn<'_>) {
        if let Some(exchange) = self.exchanges.remove(number) {
            turn.outbox.push(Output::Completed { exchange: exchange.name, outcome });
            if let Some(id) = exchange.trace.id {
                turn.trace.handle_ended(&id, turn.outbox, turn.now);
            }
        }
    }
}

const fn key_of(header: &Header) -> Key {
    (header.source, header.source_epoch, header.number)
}

/// Sends an answer back over the link the request came from, or where else it may get through; says over which.
fn send_answer(
    via: NodeId,
    key: Key,
    (content, priority): (Content, Priority),
    until: Instant,
    turn: &mut Turn<'_>,
) -> Option<NodeId> {
    let (source, epoch, number) = key;
    let to = turn.routing.way_back(&source, &via, turn.now)?;
    let lifetime = until.saturating_duration_since(turn.now);
    let header = turn.life.header((source, epoch), number, lifetime, turn.now);
    let header = Header { priority, ..header };
    turn.outbox.push(Output::SendUnicast { to, account: Account::Of(source), message: Message { header, content } });
    Some(to)
}
