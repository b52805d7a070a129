use std::time::Instant;

use nuncio_identity::NodeId;
use rand::{RngExt, rngs::SmallRng};

use super::{
    super::{
        ClientId,
        deliveries::Deliveries,
        private::{Holder, Private, Subscriber, names},
        subscriptions::Subscriptions,
    },
    attempt::Candidate,
    exchange::Exchange,
};
use crate::{routing::Routing, suspects::Suspects};

/// In which order candidates are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Good,
    /// Silent of late.
    Suspect,
    /// The publisher's own session.
    Publisher,
}

/// What a choice among the subscribers of a message looks at.
pub(super) struct Choice<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) subscriptions: &'a Subscriptions,
    pub(super) private: &'a Private,
    pub(super) deliveries: &'a Deliveries,
    pub(super) routing: &'a Routing,
    pub(super) silent: &'a Suspects<NodeId>,
    pub(super) now: Instant,
}

impl Choice<'_> {
    /// Draws one of the subscribers, each with the same chance; falls back to a full look when the drawn one cannot be used.
    pub(super) fn draw(&self, rng: &mut SmallRng) -> Option<Candidate> {
        let (client, topic) = (self.exchange.client, &self.exchange.topic);
        if !self.exchange.can_try(self.now) {
            return None;
        }
        if names::is_private(topic) {
            let proved = self.private.proved(client, topic).map(candidate);
            return draw_best(proved.filter_map(|candidate| self.ranked(candidate)).collect(), rng);
        }
        if names::is_channel(topic) {
            let asked = self.private.challenged(client, topic).map(candidate);
            return asked.filter(|candidate| self.rank(candidate).is_some());
        }
        let local = self.subscriptions.local(topic);
        let total = local.len() + self.subscriptions.count_elsewhere(topic);
        if total == 0 {
            return None;
        }
        let mut draw = rng.random_range(0..total);
        let drawn = if draw < local.len() {
            Candidate::Client(local[draw])
        } else {
            draw -= local.len();
            let hit = self.subscriptions.nodes(topic).find(|&(_, count)| {
                let hit = draw < count;
                draw = draw.wrapping_sub(count);
                hit
            });
            Candidate::Node(hit?.0)
        };
        if self.rank(&drawn).is_some_and(|(rank, _)| rank == Rank::Good) {
            return Some(drawn);
        }
        let clients = local.iter().map(|client| Candidate::Client(*client));
        let nodes = self.subscriptions.nodes(topic).map(|(node, _)| Candidate::Node(node));
        draw_best(clients.chain(nodes).filter_map(|candidate| self.ranked(candidate)).collect(), rng)
    }

    fn ranked(&self, candidate: Candidate) -> Option<(Rank, usize, Candidate)> {
        self.rank(&candidate).map(|(rank, weight)| (rank, weight, candidate))
    }

    /// How good a candidate is and for how many subscribers it stands; `None` if it cannot be tried (again).
    fn rank(&self, candidate: &Candidate) -> Option<(Rank, usize)> {
        let Self { exchange, .. } = self;
        match *candidate {
            Candidate::Client(client) => (!exchange.has_tried(client)).then(|| (self.rank_of(client), 1)),
            Candidate::Session(node, ref session) => {
                let usable = !exchange.has_tried_session(session) && self.can_reach(&node);
                usable.then(|| (Rank::of(self.silent.contains(&node)), 1))
            }
            Candidate::Node(node) => {
                let (count, tried) = (self.subscriptions.count_at(&exchange.topic, &node), exchange.times_tried(&node));
                let usable = tried < count && self.can_reach(&node);
                usable.then(|| (Rank::of(self.silent.contains(&node)), count - tried))
            }
        }
    }

    fn rank_of(&self, client: ClientId) -> Rank {
        if client == self.exchange.client { Rank::Publisher } else { Rank::of(self.deliveries.is_silent(client)) }
    }

    fn can_reach(&self, node: &NodeId) -> bool {
        !self.exchange.given_up.contains(node) && self.routing.is_reachable(node)
    }
}

/// Draws one of the best candidates by their weights.
fn draw_best(usable: Vec<(Rank, usize, Candidate)>, rng: &mut SmallRng) -> Option<Candidate> {
    let best = usable.iter().map(|(rank, ..)| *rank).min()?;
    let of_best = || usable.iter().filter(|(rank, ..)| *rank == best);
    let mut draw = rng.random_range(0..of_best().map(|(_, weight, _)| weight).sum());
    for (_, weight, candidate) in of_best() {
        if draw < *weight {
            return Some(*candidate);
        }
        draw -= weight;
    }
    None
}

const fn candidate(subscriber: Subscriber) -> Candidate {
    match subscriber.holder {
        Holder::Here(client) => Candidate::Client(client),
        Holder::At { node, .. } => Candidate::Session(node, subscriber),
    }
}

impl Rank {
    const fn of(is_silent: bool) -> Self {
        if is_silent { Self::Suspect } else { Self::Good }
    }
}
