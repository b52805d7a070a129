//! Private topics: a publisher's session has each subscriber's session prove itself before it sends it anything.
//!
//! The names are FISCO BCOS's (its nodes' `TopicInfo.h`, its SDKs' topic managers); what is kept is stricter. A proof is
//! between one publishing session and one subscribing session, local sessions prove themselves too, and a session whose
//! channel a second one subscribes as well is trusted by nobody. Between nodes a message goes to a subscriber's address,
//! which only nodes can write to.

pub(super) mod names;
mod proofs;

use std::collections::BTreeMap;

use bytes::Bytes;
use nuncio_identity::NodeId;
use rand::RngExt;

use super::{ChallengeId, ClientId, ClientOutput, Destination, Kind, Post, PublishSeq, machine::Amop, multicast::post};
use crate::{Output, Topic, turn::Turn};
pub(super) use proofs::{Holder, Proofs, Subscriber};

/// Bytes of the subscriber's node in a [`ChallengeId`]; the rest is drawn.
const NODE_IN_CHALLENGE: usize = 48;

impl Amop {
    /// Challenges who has come and forgets who is gone, if anything changed since the last time.
    pub(crate) fn review_private(&mut self, turn: &mut Turn<'_>) {
        if !std::mem::replace(&mut self.private_due, false) {
            return;
        }
        let mut found: BTreeMap<Topic, Vec<Subscriber>> = BTreeMap::new();
        let publishers = self.subscriptions.private_publishers();
        for (_, topic) in &publishers {
            if !found.contains_key(topic) {
                let is_reachable = |node: &NodeId| turn.routing.is_reachable(node);
                found.insert(topic.clone(), self.subscriptions.private_subscribers(topic, is_reachable));
            }
        }
        self.proofs.review(&publishers, &found);
        self.challenge(turn);
    }

    /// A publisher's client has said whether a subscriber proved itself.
    pub(super) fn proof_judged(
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

    pub(super) fn proofs_due(&mut self, turn: &mut Turn<'_>) {
        if self.proofs.handle_timeout(turn.now) {
            self.challenge(turn);
        }
    }

    /// Sends a multicast to every subscriber that has proved itself to this session.
    pub(super) fn multicast_privately(
        &mut self,
        subscribers: Vec<Subscriber>,
        seq: PublishSeq,
        data: &Bytes,
        turn: &mut Turn<'_>,
    ) {
        for Subscriber { holder, channel } in subscribers {
            let address = names::address_of(&channel);
            match holder {
                Holder::Here(_) => self.deliver_to_all(seq, &address, data, turn),
                Holder::At(node) => {
                    let message = Post { seq, topic: address, data: data.clone() };
                    post(vec![Destination::open(node)], message, turn);
                }
            }
        }
    }

    fn challenge(&mut self, turn: &mut Turn<'_>) {
        while let Some((client, topic, subscriber)) = self.proofs.next_wanted() {
            let node = match subscriber.holder {
                Holder::Here(_) => self.me,
                Holder::At(node) => node,
            };
            let challenge = self.challenge_of(&node);
            let channel = subscriber.channel.clone();
            self.proofs.ask(client, topic.clone(), subscriber, challenge, turn.now);
            turn.outbox.push(Output::Client(ClientOutput::Challenge { client, challenge, topic, channel }));
        }
    }

    /// It looks like the node's ID, as SDKs expect, and is used once.
    fn challenge_of(&mut self, node: &NodeId) -> ChallengeId {
        let mut id = *node.as_bytes();
        self.rng.fill(&mut id[NODE_IN_CHALLENGE..]);
        ChallengeId(id)
    }

    /// A private message's kind of delivery: under the private topic's own name.
    pub(super) fn deliver_as(
        client: ClientId,
        delivery: super::DeliveryId,
        kind: Kind,
        topic: &Topic,
        data: Bytes,
    ) -> Output {
        let private = names::channel_at(topic).as_ref().and_then(names::private_of_channel);
        Self::deliver_output(client, delivery, kind, private.unwrap_or_else(|| topic.clone()), data)
    }
}
