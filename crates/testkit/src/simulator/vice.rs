//! Nodes that follow the protocol badly: an honest core runs in each, and its edge spoils what it sends.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Account, BridgeInput, Header, Input, MulticastInput, Output, SealEnd, Topic, UnicastInput,
    amop::{self, Destination, Multicast, Post, PublishSeq, ResultCode},
    status_sync::{Query, Record, Status, Version},
    unicast::{Content, Message, Refusal},
};
use serde::{Deserialize, Serialize};

use super::{
    Simulator,
    gossip::Announcement,
    names::{node_id, sign},
    network::Event,
};

/// How a hostile node misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vice {
    /// With all that it sends go messages in the names of others, and of nodes that do not exist.
    Forger,
    /// Sends everything again and again.
    Replayer,
    /// Has true links and drops what it is to pass on.
    BlackHole,
    /// Claims links to all nodes, and subscribers of a topic that it has none of.
    Liar,
    /// Announces nodes that do not exist, five hundred a second to each peer.
    Flooder,
    /// Tells different nodes different things under one version.
    Equivocator,
    /// Answers no query.
    Mute,
    /// Has its peers copy multicasts to sixteen nodes, others each time, and asks them for all records, ten times a
    /// second.
    Amplifier,
    /// Says, in its own name and over others, that requests and publishes of which it only guesses the numbers went no further.
    Naysayer,
}

/// A vice and what it needs.
#[derive(Debug)]
pub(super) struct Hostile {
    vice: Vice,
    turn: u64,
    /// What is sent again. Bound: [`LOOT`]; the oldest goes first.
    loot: VecDeque<(NodeId, Input)>,
}

/// How often a vice acts of its own accord, and the most it does then to each peer.
const PAUSE: Duration = Duration::from_millis(100);
const ANNOUNCEMENTS: u64 = 50;
const LOOT: usize = 32;

/// To how many nodes a naysayer speaks at a time, and of how many of their numbers, which all nodes count from one.
const DENIED: usize = 8;
const NUMBERS: u64 = 16;

/// Nodes that a multicast of an amplifier is for: as many in a large network as in a small one.
const COPIES: usize = 16;

/// The body of what was forged: the simulator has no seals, so this is how an edge knows that one would not hold.
const FORGED: &[u8] = b"forged";

impl Vice {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Forger,
        Self::Replayer,
        Self::BlackHole,
        Self::Liar,
        Self::Flooder,
        Self::Equivocator,
        Self::Mute,
        Self::Amplifier,
        Self::Naysayer,
    ];
}

impl Simulator {
    /// Makes a node hostile, for good.
    pub fn corrupt(&mut self, node: usize, vice: Vice) {
        self.nodes[node].hostile = Some(Hostile { vice, turn: 0, loot: VecDeque::new() });
        self.network.schedule(self.now, Event::Mischief { node });
    }

    /// Whether a node follows the protocol.
    pub fn is_honest(&self, node: usize) -> bool {
        self.nodes[node].hostile.is_none()
    }

    /// What an edge does with what arrives before its core sees it: it opens seals, and checks no more signatures than its
    /// core allows.
    pub(super) fn open(&mut self, node: usize, input: Input) -> Option<Input> {
        let me = self.network.ids[node];
        let overlay = self.nodes[node].overlay.as_mut()?;
        match input {
            Input::Unicast(UnicastInput::Received { from, mut message })
                if message.header.target == me && is_forged(&message.content) =>
            {
                // A seal is only opened with the key in its source's record.
                let is_certified = overlay.is_certified(&message.header.source);
                message.content = Content::Sealed { asks: true, bytes: Bytes::from_static(FORGED) };
                (!is_certified).then(|| UnicastInput::Received { from, message }.into())
            }
            other => Some(other),
        }
    }

    /// What a node does in place of what its core decided.
    pub(super) fn spoil(&mut self, node: usize, output: Output) -> Option<Output> {
        let me = self.network.ids[node];
        let Some(hostile) = &mut self.nodes[node].hostile else { return Some(output) };
        match (hostile.vice, output) {
            (Vice::BlackHole, output) => (!passes_on(me, &output)).then_some(output),
            (Vice::Mute, Output::Answer { .. } | Output::AnswerRevocations { .. }) => None,
            (Vice::Replayer, output) => {
                if let Some(sent) = sent(me, &output) {
                    hostile.loot.push_back(sent);
                    if hostile.loot.len() > LOOT {
                        hostile.loot.pop_front();
                    }
                }
                Some(output)
            }
            (Vice::Forger, output) => {
                if let Output::SendUnicast { to, message, .. } = &output {
                    self.forge(node, *to, &message.header);
                }
                Some(output)
            }
            (vice @ (Vice::Liar | Vice::Equivocator), Output::Answer { query, records, proofs, more }) => {
                let (own, mut records): (Vec<_>, Vec<_>) =
                    records.into_iter().partition(|record| record.status.node == me);
                for record in own {
                    let other = if vice == Vice::Liar { self.boast(&record) } else { other_face(&record) };
                    self.signed.entry((me, other.status.version)).or_default().push(other.bytes.clone());
                    // Of three queries, one gets the own record, one another record of the same version, and one both.
                    records.extend((vice == Vice::Equivocator && query.0 % 3 != 1).then_some(record));
                    records.extend((vice == Vice::Liar || query.0 % 3 != 0).then_some(other));
                }
                Some(Output::Answer { query, records, proofs, more })
            }
            (_, output) => Some(output),
        }
    }

    /// What a hostile node does when nobody asked it to.
    pub(super) fn mischief(&mut self, node: usize) {
        self.network.schedule(self.now + PAUSE, Event::Mischief { node });
        let peers = self.network.neighbours(node);
        let super::Node { hostile: Some(hostile), overlay: Some(_), .. } = &mut self.nodes[node] else { return };
        hostile.turn += 1;
        let turn = hostile.turn;
        match hostile.vice {
            Vice::Replayer => {
                for (to, input) in hostile.loot.clone() {
                    self.send(node, to, input);
                }
            }
            Vice::Flooder => {
                for n in 0..ANNOUNCEMENTS {
                    let invented = node_id(self.nodes.len() + ((turn * ANNOUNCEMENTS + n) % 512) as usize);
                    let (version, clock) = (Version { epoch: 1 << 40, seq: turn }, Duration::ZERO);
                    self.announce(node, Announcement { node: invented, version, clock });
                }
            }
            Vice::Amplifier => {
                for to in peers {
                    let (peer, multicast) = (self.network.ids[to], self.multicast_to_many(node, turn));
                    self.perform(node, Output::SendMulticast { to: peer, account: Account::Own, multicast });
                    self.perform(node, Output::Query { peer, wanted: Query::All { known: Vec::new() } });
                }
            }
            Vice::Naysayer => {
                for at in 0..DENIED.min(self.nodes.len()) {
                    let target = (turn as usize * DENIED + at) % self.nodes.len();
                    let others: Vec<_> = peers.iter().filter(|peer| **peer != target).collect();
                    if let Some(over) = others.get(turn as usize % others.len().max(1)).filter(|_| target != node) {
                        self.deny(node, self.network.ids[**over], target);
                    }
                }
            }
            Vice::Forger | Vice::BlackHole | Vice::Liar | Vice::Equivocator | Vice::Mute => {}
        }
    }

    /// Two requests of which no seal holds: of the next in line, and of nobody.
    fn forge(&mut self, node: usize, to: NodeId, header: &Header) {
        let other = self.network.ids[(node + 1) % self.nodes.len()];
        let nobody = node_id(self.nodes.len() + (header.number % 512) as usize);
        for source in [other, nobody] {
            let header = Header { source, ..*header };
            let message = Message { header, content: Content::Request { body: Bytes::from_static(FORGED) } };
            self.send(node, to, UnicastInput::Received { from: self.network.ids[node], message });
        }
    }

    /// What a node says over a peer to another node that has asked it nothing.
    fn deny(&mut self, node: usize, over: NodeId, target: usize) {
        let (from, epoch, target_epoch) = (self.network.ids[node], self.nodes[node].epoch, self.nodes[target].epoch);
        let asked = Header {
            source: from,
            source_epoch: epoch,
            target: self.network.ids[target],
            target_epoch,
            number: 0,
            sent: self.overlay(node).map_or(Duration::ZERO, |overlay| overlay.clock(self.instant())),
            lifetime: Duration::from_secs(10),
            hops_left: 15,
            hops: 1,
            seal: SealEnd::default(),
            trace: Default::default(),
            priority: Default::default(),
        };
        for number in 1..=NUMBERS {
            let header = Header { number, ..asked };
            let content = Content::Failure { refusal: Refusal::NoRoute };
            self.send(node, over, UnicastInput::Received { from, message: Message { header, content } });
            let (code, data) = (ResultCode::NO_SUBSCRIBER, Bytes::new());
            let message = amop::Message { header, content: amop::Content::Result { code, data } };
            self.send(node, over, BridgeInput::Received { from, message });
        }
    }

    fn boast(&self, record: &Record) -> Arc<Record> {
        let mut status = record.status.clone();
        status.neighbours.extend(self.network.ids.iter().filter(|id| **id != status.node));
        status.topics.insert(Topic::new("t").expect("a valid topic"), 1000);
        sign(status)
    }

    fn multicast_to_many(&self, node: usize, turn: u64) -> Multicast {
        let all = &self.network.ids;
        let first = turn as usize * COPIES % all.len();
        let ids = all.iter().cycle().skip(first).take(COPIES.min(all.len())).filter(|id| **id != all[node]);
        let post = Post {
            seq: PublishSeq([turn as u8; 32]),
            topic: Topic::new("t").expect("a valid topic"),
            tenant: None,
            data: Bytes::from_static(&[0; 64 << 10]),
        };
        Multicast {
            source: self.network.ids[node],
            epoch: self.nodes[node].epoch,
            number: 1_000_000 + turn,
            sent: self.overlay(node).map_or(Duration::ZERO, |overlay| overlay.clock(self.instant())),
            lifetime: Duration::from_secs(30),
            hops_left: 15,
            destinations: ids.map(|id| Destination { node: *id, key: Bytes::new() }).collect(),
            priority: Default::default(),
            post: Some(post),
            sealed: None,
        }
    }
}

fn other_face(record: &Record) -> Arc<Record> {
    sign(Status { application: Bytes::from_static(b"the other face"), ..record.status.clone() })
}

fn is_forged(content: &Content) -> bool {
    matches!(content, Content::Request { body } if body == FORGED)
}

/// Whether this is a message of another node.
fn passes_on(me: NodeId, output: &Output) -> bool {
    match output {
        Output::SendUnicast { message, .. } => message.header.source != me,
        Output::SendBridge { message, .. } => message.header.source != me,
        Output::SendMulticast { multicast, .. } => multicast.source != me,
        Output::SendBatch { leg, .. } => leg.batch.origin != me,
        Output::SendWanted { wanted, .. } => wanted.asker != me,
        _ => false,
    }
}

/// As it arrives at a peer.
fn sent(from: NodeId, output: &Output) -> Option<(NodeId, Input)> {
    match output {
        Output::SendUnicast { to, message, .. } => {
            Some((*to, UnicastInput::Received { from, message: message.clone() }.into()))
        }
        Output::SendBridge { to, message, .. } => {
            Some((*to, BridgeInput::Received { from, message: message.clone() }.into()))
        }
        Output::SendBatch { to, leg, .. } => Some((*to, MulticastInput::Received { from, leg: leg.clone() }.into())),
        _ => None,
    }
}
