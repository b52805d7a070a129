use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{
    Content, ExchangeId, InboundId, Message, Refusal, Reply, UnicastError,
    exchange::{Exchange, Exchanges},
    seen::{Lane, Seen, Sight},
    sent_again,
};
use crate::{Config, MAX_BODY, MAX_HOPS, Output, timers::earliest, turn::Turn};

/// Requests out, requests in, and the messages of others on their way.
#[derive(Debug)]
pub(crate) struct Unicast {
    me: NodeId,
    epoch: u64,
    started: Instant,
    hop_timeout: Duration,
    max_timeout: Duration,
    max_exchanges: usize,
    exchanges: Exchanges,
    /// Requests at the application, oldest first. Bound: the configured most exchanges; further ones are
    /// refused as busy, and one that is not answered in the longest request time is dropped.
    inbound: BTreeMap<InboundId, Inbound>,
    next_inbound: u64,
    seen: Seen,
}

#[derive(Debug)]
struct Inbound {
    source: NodeId,
    epoch: u64,
    id: ExchangeId,
    lane: Lane,
    /// The link it came over last.
    via: NodeId,
    arrived: Instant,
}

impl Unicast {
    pub(crate) fn new(config: &Config, me: NodeId, epoch: u64, now: Instant) -> Self {
        Self {
            me,
            epoch,
            started: now,
            hop_timeout: config.hop_timeout,
            max_timeout: config.max_request_timeout,
            max_exchanges: config.max_exchanges,
            exchanges: Exchanges::default(),
            inbound: BTreeMap::new(),
            next_inbound: 0,
            seen: Seen::default(),
        }
    }

    pub(crate) fn handle_request(
        &mut self,
        id: ExchangeId,
        target: NodeId,
        body: Bytes,
        timeout: Duration,
        turn: &mut Turn<'_>,
    ) {
        let refused = if body.len() > MAX_BODY {
            Some(UnicastError::TooLarge { bytes: body.len(), limit: MAX_BODY })
        } else if self.exchanges.len() >= self.max_exchanges {
            Some(UnicastError::Refused(Refusal::Busy))
        } else if !turn.routing.is_reachable(&target) {
            Some(UnicastError::NoRoute)
        } else {
            None
        };
        if self.exchanges.contains(id) {
            tracing::warn!(?id, "request number used twice, the second one is ignored");
            return;
        }
        if let Some(error) = refused {
            turn.outbox.push(Output::Completed { exchange: id, outcome: Err(error) });
            return;
        }
        let exchange = Exchange::new(target, body, timeout.min(self.max_timeout), turn.now);
        if target == self.me {
            let body = exchange.body.clone();
            self.exchanges.insert(id, exchange);
            self.hand_over(target, self.epoch, id, target, body, turn);
        } else {
            self.exchanges.insert(id, exchange);
            self.attempt(id, false, turn);
        }
    }

    pub(crate) fn handle_respond(&mut self, inbound: InboundId, body: Bytes, turn: &mut Turn<'_>) {
        self.answer(inbound, Content::Reply { body }, turn);
    }

    pub(crate) fn handle_decline(&mut self, inbound: InboundId, refusal: Refusal, turn: &mut Turn<'_>) {
        self.answer(inbound, Content::Failure { refusal }, turn);
    }

    pub(crate) fn handle_received(&mut self, from: NodeId, message: Message, turn: &mut Turn<'_>) {
        if message.source == self.me {
            tracing::trace!(from = %from.short(), "own message came back, dropped");
        } else if message.target != self.me {
            self.relay(from, message, turn);
        } else if matches!(message.content, Content::Request { .. }) {
            self.accept(from, message, turn);
        } else if message.epoch == self.epoch {
            self.conclude(from, message, turn);
        }
    }

    pub(crate) fn handle_not_sent(&mut self, to: NodeId, mut message: Message, turn: &mut Turn<'_>) {
        let is_request = matches!(message.content, Content::Request { .. });
        if message.source == self.me && is_request {
            self.refused(message.id, to, Refusal::Busy, turn);
        } else if is_request {
            let hop = turn.routing.next_hop_without(&message.source, &[to]);
            self.fail(hop, &message, Refusal::Busy, turn);
        } else if message.source == self.me
            && message.hops_left > 0
            && let Some(hop) = turn.routing.next_hop_without(&message.target, &[to])
        {
            // Fewer hops at each try, so that two full links do not hand it to each other for ever.
            message.hops_left -= 1;
            turn.outbox.push(Output::SendUnicast { to: hop, message });
        }
    }

    /// A link is gone: what it carried goes another way.
    pub(crate) fn handle_link_down(&mut self, peer: &NodeId, turn: &mut Turn<'_>) {
        for id in self.exchanges.matching(|exchange| exchange.via == Some(*peer)) {
            if let Some(exchange) = self.exchanges.get_mut(id) {
                exchange.give_up_hop();
                exchange.maybe_seen = true;
            }
            self.attempt(id, true, turn);
        }
    }

    /// Paths came to be: what waits for one goes on.
    pub(crate) fn handle_routes_changed(&mut self, turn: &mut Turn<'_>) {
        let waiting = |exchange: &Exchange| exchange.via.is_none() && turn.routing.route(&exchange.target).is_some();
        for id in self.exchanges.matching(waiting) {
            self.attempt(id, true, turn);
        }
    }

    pub(crate) fn handle_expelled(&mut self, node: &NodeId, turn: &mut Turn<'_>) {
        for id in self.exchanges.matching(|exchange| exchange.target == *node) {
            self.complete(id, Err(UnicastError::Refused(Refusal::Denied)), turn);
        }
        self.inbound.retain(|_, inbound| inbound.source != *node);
    }

    pub(crate) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        while let Some(entry) = self.inbound.first_entry()
            && entry.get().arrived + self.max_timeout <= turn.now
        {
            entry.remove();
        }
        while let Some(id) = self.exchanges.pop_due(turn.now) {
            let Some(exchange) = self.exchanges.get_mut(id) else { continue };
            if exchange.deadline <= turn.now {
                let after = exchange.timeout;
                self.complete(id, Err(UnicastError::TimedOut { after }), turn);
                continue;
            }
            if exchange.give_up_hop() {
                exchange.maybe_seen = true;
            }
            self.attempt(id, true, turn);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let expiry = self.inbound.first_key_value().map(|(_, inbound)| inbound.arrived + self.max_timeout);
        earliest(self.exchanges.next(), expiry)
    }

    /// Sends a request over the best first hop not tried yet (`again`: or over a tried one, once all were).
    fn attempt(&mut self, id: ExchangeId, again: bool, turn: &mut Turn<'_>) {
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        let Some(hop) = exchange.choose_hop(turn.routing, again) else {
            if exchange.maybe_seen {
                self.exchanges.wake_at(id, turn.now + self.hop_timeout);
            } else {
                let outcome = Err(exchange.failure());
                self.complete(id, outcome, turn);
            }
            return;
        };
        exchange.via = Some(hop);
        let is_direct = hop == exchange.target;
        let time_left = exchange.deadline.saturating_duration_since(turn.now);
        let content = Content::Request { body: exchange.body.clone(), time_left };
        let mut message = own_message(self.me, exchange.target, self.epoch, id, content);
        if exchange.maybe_seen {
            message.hops_left -= sent_again::fewer_hops(exchange.timeout.saturating_sub(time_left));
        }
        let wake = if is_direct { exchange.deadline } else { turn.now + self.hop_timeout };
        self.exchanges.wake_at(id, wake);
        turn.outbox.push(Output::SendUnicast { to: hop, message });
    }

    /// The first hop says that the request went no further.
    fn refused(&mut self, id: ExchangeId, hop: NodeId, refusal: Refusal, turn: &mut Turn<'_>) {
        if let Some(exchange) = self.exchanges.get_mut(id)
            && exchange.via == Some(hop)
        {
            exchange.give_up_hop();
            exchange.refusal = refusal;
            self.attempt(id, false, turn);
        }
    }

    /// Takes a reply or a failure for one of our requests.
    fn conclude(&mut self, from: NodeId, message: Message, turn: &mut Turn<'_>) {
        let Some(target) = self.exchanges.get_mut(message.id).map(|exchange| exchange.target) else {
            tracing::trace!(source = %message.source.short(), "answer to no open request, dropped");
            return;
        };
        match message.content {
            Content::Reply { body } if message.source == target => {
                self.complete(message.id, Ok(Reply { body, hops: message.hops }), turn);
            }
            Content::Failure { refusal } if message.source == target => {
                self.complete(message.id, Err(UnicastError::Refused(refusal)), turn);
            }
            Content::Failure { refusal: refusal @ (Refusal::NoRoute | Refusal::Busy) } => {
                self.refused(message.id, from, refusal, turn);
            }
            _ => tracing::trace!(source = %message.source.short(), "answer of another node, dropped"),
        }
    }

    /// Takes a request of another node.
    fn accept(&mut self, from: NodeId, message: Message, turn: &mut Turn<'_>) {
        let too_young = turn.now < self.started + sent_again::needed_uptime(&message, self.max_timeout);
        let Message { source, epoch, id, content, .. } = message;
        let Content::Request { body, .. } = content else { return };
        let sender = (source, Lane::of(&body));
        match self.seen.look(sender, epoch, id, InboundId(self.next_inbound)) {
            Sight::New if too_young => {
                tracing::trace!(source = %source.short(), "an earlier life may have run this request, dropped");
                self.seen.unsee(&sender, id);
            }
            Sight::New if self.inbound.len() >= self.max_exchanges => {
                self.seen.unsee(&sender, id);
                self.send_answer(from, source, epoch, id, Content::Failure { refusal: Refusal::Busy }, turn);
            }
            Sight::New => self.hand_over(source, epoch, id, from, body, turn),
            Sight::Running(inbound) => {
                if let Some(inbound) = self.inbound.get_mut(&inbound) {
                    inbound.via = from;
                }
            }
            Sight::Answered(content) => self.send_answer(from, source, epoch, id, content, turn),
            Sight::Old => tracing::trace!(source = %source.short(), "request seen before, dropped"),
        }
    }

    fn hand_over(&mut self, source: NodeId, epoch: u64, id: ExchangeId, via: NodeId, body: Bytes, turn: &mut Turn<'_>) {
        let inbound = InboundId(self.next_inbound);
        self.next_inbound += 1;
        let (lane, arrived) = (Lane::of(&body), turn.now);
        self.inbound.insert(inbound, Inbound { source, epoch, id, lane, via, arrived });
        turn.outbox.push(Output::Request { inbound, source, body });
    }

    fn answer(&mut self, inbound: InboundId, content: Content, turn: &mut Turn<'_>) {
        let Some(Inbound { source, epoch, id, lane, via, .. }) = self.inbound.remove(&inbound) else { return };
        if source != self.me {
            self.seen.answered(&(source, lane), epoch, id, &content);
            self.send_answer(via, source, epoch, id, content, turn);
            return;
        }
        let outcome = match content {
            Content::Failure { refusal } => Err(UnicastError::Refused(refusal)),
            Content::Reply { body } | Content::Request { body, .. } => Ok(Reply { body, hops: 0 }),
        };
        self.complete(id, outcome, turn);
    }

    /// Sends an answer back over the link the request came from, or where the routes lead.
    fn send_answer(
        &self,
        via: NodeId,
        source: NodeId,
        epoch: u64,
        id: ExchangeId,
        content: Content,
        turn: &mut Turn<'_>,
    ) {
        let hop = if turn.routing.is_linked(&via) { Some(via) } else { turn.routing.next_hop(&source) };
        if let Some(to) = hop {
            let message = own_message(self.me, source, epoch, id, content);
            turn.outbox.push(Output::SendUnicast { to, message });
        }
    }

    fn relay(&self, from: NodeId, mut message: Message, turn: &mut Turn<'_>) {
        let hop = turn.routing.next_hop_without(&message.target, &[from, message.source]);
        match hop.filter(|_| message.hops_left > 0) {
            Some(to) => {
                message.hops_left = message.hops_left.min(MAX_HOPS) - 1;
                message.hops = message.hops.saturating_add(1);
                turn.outbox.push(Output::SendUnicast { to, message });
            }
            None if matches!(message.content, Content::Request { .. }) => {
                self.fail(Some(from), &message, Refusal::NoRoute, turn);
            }
            None => tracing::trace!(target = %message.target.short(), "no way on for an answer, dropped"),
        }
    }

    fn fail(&self, hop: Option<NodeId>, request: &Message, refusal: Refusal, turn: &mut Turn<'_>) {
        if let Some(to) = hop {
            let content = Content::Failure { refusal };
            let message = own_message(self.me, request.source, request.epoch, request.id, content);
            turn.outbox.push(Output::SendUnicast { to, message });
        }
    }

    fn complete(&mut self, id: ExchangeId, outcome: Result<Reply, UnicastError>, turn: &mut Turn<'_>) {
        if self.exchanges.remove(id).is_some() {
            turn.outbox.push(Output::Completed { exchange: id, outcome });
        }
    }
}

fn own_message(source: NodeId, target: NodeId, epoch: u64, id: ExchangeId, content: Content) -> Message {
    Message { source, target, epoch, id, hops_left: MAX_HOPS - 1, hops: 1, content, signature: None }
}
