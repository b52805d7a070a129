//! Private topics: a publisher's session has each subscriber's session prove itself before it sends it anything.
//!
//! The names are FISCO BCOS's (its nodes' `TopicInfo.h`, its SDKs' topic managers); what is kept is stricter. A proof is
//! between one publishing session and one subscribing session, and local sessions prove themselves too. A channel belongs
//! to the session that listed it first. A challenge goes to the session it was asked for and nowhere else, and a client
//! can hand one on only to the subscribers that its node asked it about. Between nodes a message goes to the address of a
//! session, which only nodes can write to.
//!
//! What remains: what SDKs sign names neither the publisher nor the channel. Who poses as a publisher of the topic at one
//! node and as a subscriber at another can have the one sign what the other was asked, as long as no node sees both; and a
//! member of the network can hand on a challenge that it should only carry. Only clients that sign a form of their own are
//! safe from that.

mod carried;
mod doubtful;
mod due;
pub(super) mod names;
mod proofs;
mod questions;
mod turns;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

pub(super) use self::carried::Bringer;
use self::{carried::Carried, due::Due, proofs::Proofs, questions::Question};
use super::{ChallengeId, ClientId, ClientOutput, subscriptions::Subscriptions};
use crate::{Output, Topic, timers::earliest, turn::Turn};

/// Bytes of the subscriber's node in a [`ChallengeId`]; the rest is drawn.
const NODE_IN_CHALLENGE: usize = 48;

/// How long a client may take to say what came of a challenge; SDKs wait 5 s for the subscriber.
const VERDICT: Duration = Duration::from_secs(10);

/// A session that subscribes a private topic: it is what proves itself, whatever its channel is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Subscriber {
    pub(super) holder: Holder,
    /// The number by which its node knows it.
    pub(super) session: u32,
}

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Holder {
    Here(ClientId),
    At { node: NodeId, epoch: u64 },
}

/// Who has proved itself to whom, and the challenges for that.
#[derive(Debug)]
pub(super) struct Private {
    proofs: Proofs,
    carried: Carried,
    /// What changed since the last review.
    due: Due,
    rng: SmallRng,
}

impl Private {
    pub(super) const BOUNDS: [Bound; 2] = [Proofs::BOUND, Carried::BOUND];

    pub(super) fn new(seed: u64) -> Self {
        let (proofs, carried) = (Proofs::default(), Carried::new(VERDICT));
        Self { proofs, carried, due: Due::default(), rng: SmallRng::seed_from_u64(seed) }
    }

    /// Somebody has come to these private topics, or gone.
    pub(super) fn handle_changed(&mut self, topics: BTreeSet<Topic>) {
        self.due.add(topics);
    }

    /// Whoever subscribes anything elsewhere may have come or gone.
    pub(super) fn handle_all_changed(&mut self) {
        self.due = Due::All;
    }

    /// Challenges who has come and forgets who is gone, if anything changed since the last time.
    pub(super) fn review(&mut self, subscriptions: &Subscriptions, turn: &mut Turn<'_>) {
        if self.due.is_nothing() {
            return;
        }
        let topics = match std::mem::take(&mut self.due) {
            Due::Of(topics) => topics,
            Due::All => self.proofs.topics().cloned().chain(subscriptions.privately_published()).collect(),
        };
        for topic in &topics {
            let publishers = subscriptions.private_publishers(topic);
            let is_reachable = |node: &NodeId| turn.routing.is_reachable(node);
            let found =
                if publishers.is_empty() { Vec::new() } else { subscriptions.private_subscribers(topic, is_reachable) };
            self.proofs.review(topic, &publishers, &found);
        }
        self.proofs.end_questions();
        self.challenge(turn);
    }

    /// A publisher's client has said whether a subscriber proved itself.
    pub(super) fn handle_judged(
        &mut self,
        client: ClientId,
        challenge: ChallengeId,
        topic: &Topic,
        accepted: bool,
        turn: &mut Turn<'_>,
    ) {
        if self.proofs.judge(client, challenge, topic, accepted, turn.now) {
            self.challenge(turn);
        } else {
            tracing::trace!(?client, topic = %topic, "verdict on no open challenge, dropped");
        }
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        self.carried.forget(turn.now);
        if self.proofs.handle_timeout(turn.now) {
            self.challenge(turn);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.proofs.next(), self.carried.next())
    }

    /// Who may get what this client publishes to a private topic.
    pub(super) fn proved(&self, client: ClientId, topic: &Topic) -> impl Iterator<Item = Subscriber> {
        self.proofs.proved(client, topic)
    }

    /// Whom a challenge of this client at a channel is for: the subscriber it was asked about. `None` when it was asked
    /// about none.
    pub(super) fn challenged(&self, client: ClientId, channel: &Topic) -> Option<Subscriber> {
        self.proofs.asked_about(client, &names::private_of_channel(channel)?, channel)
    }

    /// Whether a challenge may go to a channel: the same words were not carried to another one of late, so they are not
    /// somebody else's challenge that is handed on, and there is room to remember them.
    pub(super) fn may_carry(
        &mut self,
        channel: &Topic,
        challenge: &Bytes,
        bringer: (Bringer, &str),
        now: Instant,
    ) -> bool {
        let may = self.carried.note(channel, challenge, bringer, now);
        if !may {
            tracing::debug!(channel = %channel, "a challenge was handed on to another channel, or there are too many: refused");
        }
        may
    }

    fn challenge(&mut self, turn: &mut Turn<'_>) {
        let (Self { proofs, rng, .. }, me) = (self, turn.life.node);
        let draw = |holder: &Holder| match holder {
            Holder::Here(_) => challenge_of(&me, rng),
            Holder::At { node, .. } => challenge_of(node, rng),
        };
        for Question { client, challenge, topic, channel } in proofs.ask(turn.now + VERDICT, draw) {
            turn.outbox.push(Output::Client(ClientOutput::Challenge { client, challenge, topic, channel }));
        }
    }
}

/// It looks like the node's ID, as SDKs expect, and is used once.
fn challenge_of(node: &NodeId, rng: &mut SmallRng) -> ChallengeId {
    let mut id = *node.as_bytes();
    rng.fill(&mut id[NODE_IN_CHALLENGE..]);
    ChallengeId(id)
}
