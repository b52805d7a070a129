use std::time::Instant;

use bytes::Bytes;
use nuncio_identity::NodeId;
use rand::RngExt;

use super::{
    ClientId, ClientOutput, Content, Kind, Message, PublishSeq, ResultCode,
    delivery::{Delivery, Origin},
    exchange::{Exchange, Fate, Trying},
    machine::Amop,
    private::{Holder, Subscriber, names},
};
use crate::{Header, Output, Topic, turn::Turn};

/// A subscriber, or a node with subscribers, that can be tried.
#[derive(Debug, Clone)]
enum Candidate {
    Client(ClientId),
    Node(NodeId),
    /// A subscriber of a private topic at another node.
    Channel(NodeId, Topic),
}

/// In which order candidates are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Good,
    /// Silent of late.
    Suspect,
    /// The publisher's own session.
    Publisher,
}

/// The publisher's side of a unicast.
impl Amop {
    pub(super) fn publish(
        &mut self,
        client: ClientId,
        seq: PublishSeq,
        topic: Topic,
        data: Bytes,
        turn: &mut Turn<'_>,
    ) {
        let refusal = if topic.is_block_notification() || names::is_closed_to_publishers(&topic) {
            Some(ResultCode::NO_SUBSCRIBER)
        } else if self.exchanges.len() >= self.max_exchanges
            || !self.quotas.admit(client, &topic, topic.as_str().len() + data.len(), 0, turn.now)
        {
            Some(ResultCode::OVER_LIMIT)
        } else {
            None
        };
        if let Some(code) = refusal {
            let data = Bytes::new();
            turn.outbox.push(Output::Client(ClientOutput::Reply { client, seq, code, topic, data }));
            return;
        }
        let message = turn.life.number();
        if let Some(client) = self.subscriptions.client_mut(client) {
            client.publishes.insert(message);
        }
        let deadline = turn.now + self.timeout;
        self.exchanges.insert(message, Exchange::new(client, seq, topic, data, deadline));
        self.attempt(message, turn);
    }

    /// Takes the result of another node's delivery.
    pub(super) fn conclude(&mut self, from: NodeId, message: Message, turn: &mut Turn<'_>) {
        let (Content::Result { code, data, .. }, Header { source, number: id, .. }) = (message.content, message.header)
        else {
            return;
        };
        let number = self.exchanges.message_of(id);
        let exchange = number.and_then(|number| self.exchanges.get(number));
        let attempt = exchange.and_then(|exchange| exchange.attempt).filter(|attempt| attempt.id == id);
        let (Some(number), Some(Trying::Node { node, via })) = (number, attempt.map(|attempt| attempt.to)) else {
            tracing::trace!(source = %source.short(), "result of no open attempt, dropped");
            return;
        };
        if source == node {
            self.suspect_nodes.clear(&node);
            if code == ResultCode::SUBSCRIBER_GONE {
                self.give_up(number, node);
                self.attempt_failed(number, Fate::Gone, turn);
            } else {
                self.finish(number, code, data, turn);
            }
        } else if from == via && code == ResultCode::NO_SUBSCRIBER {
            self.unreached(id, node, turn);
        }
    }

    /// A client answered a delivery of our own exchange.
    pub(super) fn answered_here(&mut self, message: u64, code: ResultCode, data: Bytes, turn: &mut Turn<'_>) {
        if code == ResultCode::SUBSCRIBER_GONE {
            self.attempt_failed(message, Fate::Gone, turn);
        } else {
            self.finish(message, code, data, turn);
        }
    }

    /// An attempt did not get to its node.
    pub(super) fn unreached(&mut self, id: u64, node: NodeId, turn: &mut Turn<'_>) {
        let Some(message) = self.exchanges.message_of(id) else { return };
        let is_present = self.exchanges.get(message).and_then(|exchange| exchange.attempt);
        if is_present.is_some_and(|attempt| attempt.id == id) {
            self.give_up(message, node);
            self.attempt_failed(message, Fate::Unseen, turn);
        }
    }

    /// Ends the present attempt and makes the next one.
    pub(super) fn attempt_failed(&mut self, message: u64, fate: Fate, turn: &mut Turn<'_>) {
        let Some(to) = self.exchanges.get_mut(message).and_then(|exchange| exchange.end_attempt(fate)) else {
            return;
        };
        self.withdraw(to);
        self.attempt(message, turn);
    }

    /// The time of an attempt, or of the whole exchange, is over.
    pub(super) fn exchange_due(&mut self, message: u64, turn: &mut Turn<'_>) {
        let Some(exchange) = self.exchanges.get(message) else { return };
        match exchange.attempt.map(|attempt| attempt.to) {
            Some(Trying::Node { node, .. }) => self.suspect_nodes.note(node, turn.now),
            Some(Trying::Client { client, .. }) => self.suspect_clients.note(client, turn.now),
            None => {}
        }
        self.attempt_failed(message, Fate::Silent, turn);
    }

    /// Tries the next candidate, or replies that there is none left.
    fn attempt(&mut self, message: u64, turn: &mut Turn<'_>) {
        let Some(exchange) = self.exchanges.get(message) else { return };
        let in_time = exchange.deadline > turn.now && exchange.can_try();
        let Some(candidate) = in_time.then(|| self.choose(message, turn)).flatten() else {
            self.run_out(message, turn);
            return;
        };
        let Some(exchange) = self.exchanges.get(message) else { return };
        let patience = if self.is_last(exchange) { self.timeout } else { self.candidate_timeout };
        let ends = exchange.deadline.min(turn.now + patience);
        let (topic, data) = (exchange.topic.clone(), exchange.data.clone());
        match candidate {
            Candidate::Client(client) => {
                let delivery = self.deliveries.name();
                self.exchanges.begin(message, 0, ends, Trying::Client { client, delivery });
                self.deliveries.insert(delivery, Delivery { client, origin: Origin::Own { message } });
                if let Some(client) = self.subscriptions.client_mut(client) {
                    client.deliveries.insert(delivery);
                }
                turn.outbox.push(Self::deliver_output(client, delivery, Kind::Unicast, topic, data));
            }
            Candidate::Node(node) => self.attempt_at(message, node, topic, data, ends, turn),
            Candidate::Channel(node, channel) => {
                let address = names::address_of(&channel);
                if let Some(exchange) = self.exchanges.get_mut(message) {
                    exchange.tried_channels.push(channel);
                }
                self.attempt_at(message, node, address, data, ends, turn);
            }
        }
    }

    fn attempt_at(
        &mut self,
        message: u64,
        node: NodeId,
        topic: Topic,
        data: Bytes,
        ends: Instant,
        turn: &mut Turn<'_>,
    ) {
        let Some(via) = turn.routing.next_hop(&node) else {
            self.run_out(message, turn);
            return;
        };
        if !self.quotas.admit_outgoing(topic.as_str().len() + data.len(), turn.now) {
            self.over_limit(message, turn);
            return;
        }
        let Some(epoch) = turn.directory.epoch_of(&node) else {
            self.run_out(message, turn);
            return;
        };
        let number = turn.life.number();
        self.exchanges.begin(message, number, ends, Trying::Node { node, via });
        let header = turn.life.header((node, epoch), number, ends.saturating_duration_since(turn.now), turn.now);
        let content = Content::Publish { message, topic, data };
        turn.outbox.push(Output::SendBridge { to: via, message: Message { header, content } });
    }

    /// Whether nobody else could be tried: then there is no hurry.
    fn is_last(&self, exchange: &Exchange) -> bool {
        let tried = exchange.tried_clients.len() + exchange.tried_nodes.len();
        let subscribers = if names::is_private(&exchange.topic) {
            self.proofs.given(exchange.client, &exchange.topic).count()
        } else {
            let remote = self.subscriptions.remote(&exchange.topic).map_or(0, |remote| remote.total);
            remote + self.subscriptions.local(&exchange.topic).len()
        };
        subscribers.saturating_sub(tried) <= 1
    }

    /// Draws one of the subscribers, each with the same chance; falls back to a full look when the drawn one
    /// cannot be used.
    fn choose(&mut self, message: u64, turn: &Turn<'_>) -> Option<Candidate> {
        let exchange = self.exchanges.get(message)?;
        if names::is_private(&exchange.topic) {
            let proved = self.proofs.given(exchange.client, &exchange.topic).map(candidate);
            let usable = proved.filter_map(|candidate| self.ranked(exchange, candidate, turn)).collect();
            return self.draw_best(usable);
        }
        let local = self.subscriptions.local(&exchange.topic);
        let remote = self.subscriptions.remote(&exchange.topic);
        let total = local.len() + remote.map_or(0, |remote| remote.total);
        if total == 0 {
            return None;
        }
        let mut draw = self.rng.random_range(0..total);
        let drawn = if draw < local.len() {
            Candidate::Client(local[draw])
        } else {
            draw -= local.len();
            let mut nodes = remote.into_iter().flat_map(|remote| &remote.nodes);
            let hit = nodes.find(|&(_, &count)| {
                let hit = draw < count as usize;
                draw = draw.wrapping_sub(count as usize);
                hit
            });
            Candidate::Node(*hit?.0)
        };
        if self.rank(exchange, &drawn, turn).is_some_and(|(rank, _)| rank == Rank::Good) {
            return Some(drawn);
        }
        let clients = local.iter().map(|client| Candidate::Client(*client));
        let nodes = remote.into_iter().flat_map(|remote| remote.nodes.keys()).map(|node| Candidate::Node(*node));
        let usable = clients.chain(nodes).filter_map(|candidate| self.ranked(exchange, candidate, turn)).collect();
        self.draw_best(usable)
    }

    /// Draws one of the best candidates by their weights.
    fn draw_best(&mut self, usable: Vec<(Rank, usize, Candidate)>) -> Option<Candidate> {
        let best = usable.iter().map(|(rank, _, _)| *rank).min()?;
        let mut draw = {
            let total: usize = usable.iter().filter(|(rank, _, _)| *rank == best).map(|(_, weight, _)| weight).sum();
            self.rng.random_range(0..total)
        };
        let of_best = usable.into_iter().filter(|(rank, _, _)| *rank == best);
        for (_, weight, candidate) in of_best {
            if draw < weight {
                return Some(candidate);
            }
            draw -= weight;
        }
        None
    }

    fn ranked(&self, exchange: &Exchange, candidate: Candidate, turn: &Turn<'_>) -> Option<(Rank, usize, Candidate)> {
        self.rank(exchange, &candidate, turn).map(|(rank, weight)| (rank, weight, candidate))
    }

    /// How good a candidate is and for how many subscribers it stands; `None` if it cannot be tried (again).
    fn rank(&self, exchange: &Exchange, candidate: &Candidate, turn: &Turn<'_>) -> Option<(Rank, usize)> {
        match *candidate {
            Candidate::Client(client) if exchange.tried_clients.contains(&client) => None,
            Candidate::Client(client) if client == exchange.client => Some((Rank::Publisher, 1)),
            Candidate::Client(client) => Some((Rank::of(self.suspect_clients.contains(&client, turn.now)), 1)),
            Candidate::Channel(node, ref channel) => {
                let usable = !exchange.tried_channels.contains(channel) && turn.routing.is_reachable(&node);
                usable.then(|| (Rank::of(self.suspect_nodes.contains(&node, turn.now)), 1))
            }
            Candidate::Node(node) => {
                let count = *self.subscriptions.remote(&exchange.topic)?.nodes.get(&node)? as usize;
                let tried = exchange.tried_nodes.iter().filter(|tried| **tried == node).count();
                let usable = tried < count && !exchange.given_up.contains(&node) && turn.routing.is_reachable(&node);
                usable.then(|| (Rank::of(self.suspect_nodes.contains(&node, turn.now)), count - tried))
            }
        }
    }

    fn give_up(&mut self, message: u64, node: NodeId) {
        if let Some(exchange) = self.exchanges.get_mut(message) {
            exchange.given_up.push(node);
        }
    }

    fn run_out(&mut self, message: u64, turn: &mut Turn<'_>) {
        if let Some(code) = self.exchanges.get(message).map(Exchange::code) {
            self.finish(message, code, Bytes::new(), turn);
        }
    }

    /// A message that a subscriber may have seen keeps that as its result.
    fn over_limit(&mut self, message: u64, turn: &mut Turn<'_>) {
        if let Some(code) = self.exchanges.get(message).map(Exchange::code) {
            let code = if code == ResultCode::NO_SUBSCRIBER { ResultCode::OVER_LIMIT } else { code };
            self.finish(message, code, Bytes::new(), turn);
        }
    }

    fn finish(&mut self, message: u64, code: ResultCode, data: Bytes, turn: &mut Turn<'_>) {
        let Some(Exchange { client, seq, topic, .. }) = self.exchanges.remove(message) else { return };
        if let Some(client) = self.subscriptions.client_mut(client) {
            client.publishes.remove(&message);
        }
        turn.outbox.push(Output::Client(ClientOutput::Reply { client, seq, code, topic, data }));
    }
}

fn candidate(subscriber: &Subscriber) -> Candidate {
    match subscriber.holder {
        Holder::Here(client) => Candidate::Client(client),
        Holder::At(node) => Candidate::Channel(node, subscriber.channel.clone()),
    }
}

impl Rank {
    const fn of(suspect: bool) -> Self {
        if suspect { Self::Suspect } else { Self::Good }
    }
}
