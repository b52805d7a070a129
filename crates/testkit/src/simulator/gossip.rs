//! Gossip: each node passes a message on when its core has judged it fresh, to those who take part and have not had it yet.

use std::time::Duration;

use nuncio_identity::NodeId;
use nuncio_protocol::{
    GossipInput,
    gossip::{GossipId, Judgement, Numbered, Stamp},
    status_sync::Version,
};

use super::{Simulator, bits::Bits, network::Event, wire_size};

/// Peers to which a node passes gossip on.
const MESH: usize = 6;

/// What an announcement says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announcement {
    pub(super) node: NodeId,
    pub(super) version: Version,
    pub(super) clock: Duration,
}

/// What gossip carries.
#[derive(Debug, Clone)]
enum Carried {
    Announcement(Announcement),
    /// An application's message; they are few.
    Message(Box<(Stamp, Numbered)>),
}

/// Where a message of gossip is on its way to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hop {
    pub(super) wave: Wave,
    pub(super) via: usize,
    pub(super) to: usize,
    /// Of the node it arrives at, when it was sent.
    pub(super) generation: u64,
}

/// A message of gossip on its way through the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wave(usize);

/// Gossip on its way.
///
/// Gossip brings each to a node once: a second copy is recognised, weighs on its link and does no more. So only first copies
/// are events; where the first is lost with its link, the second is the first.
#[derive(Debug, Default)]
pub(super) struct Waves {
    waves: Vec<Travelling>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Travelling {
    carried: Carried,
    /// Whom it has reached or is on its way to.
    reached: Bits,
    /// Who has passed it on.
    passed: Bits,
    /// How many are on their way, or wait for a judgement.
    open: usize,
}

impl Waves {
    fn begin(&mut self, carried: Carried) -> Wave {
        let wave = Travelling { carried, reached: Bits::default(), passed: Bits::default(), open: 1 };
        let Some(place) = self.free.pop() else {
            self.waves.push(wave);
            return Wave(self.waves.len() - 1);
        };
        self.waves[place] = wave;
        Wave(place)
    }

    fn carried(&self, Wave(place): Wave) -> &Carried {
        &self.waves[place].carried
    }

    /// Whether it comes to a node for the first time.
    fn reaches(&mut self, Wave(place): Wave, node: usize) -> bool {
        self.waves[place].reached.insert(node)
    }

    fn passes(&mut self, Wave(place): Wave, node: usize) {
        self.waves[place].passed.insert(node);
    }

    /// It is lost on its way to a node: who of these has sent it another copy, if anybody has.
    fn missed(&mut self, Wave(place): Wave, node: usize, others: &[usize]) -> Option<usize> {
        let wave = &mut self.waves[place];
        let other = others.iter().copied().find(|other| wave.passed.has(*other));
        if other.is_none() {
            wave.reached.remove(node);
        }
        other
    }

    fn hold(&mut self, Wave(place): Wave) {
        self.waves[place].open += 1;
    }

    fn release(&mut self, Wave(place): Wave) {
        self.waves[place].open -= 1;
        if self.waves[place].open == 0 {
            self.free.push(place);
        }
    }
}

impl Simulator {
    /// A node announces something, be it true or not.
    pub(super) fn announce(&mut self, origin: usize, announcement: Announcement) {
        self.begin_wave(origin, Carried::Announcement(announcement));
    }

    /// A message of a node's application goes by gossip, too.
    pub(super) fn gossip(&mut self, origin: usize, stamp: Stamp, numbered: Numbered) {
        self.begin_wave(origin, Carried::Message((stamp, numbered).into()));
    }

    fn begin_wave(&mut self, origin: usize, carried: Carried) {
        let wave = self.network.waves.begin(carried);
        self.network.waves.reaches(wave, origin);
        self.pass_on(origin, wave);
        self.network.waves.release(wave);
    }

    fn pass_on(&mut self, node: usize, wave: Wave) {
        self.network.waves.passes(wave, node);
        // To its mesh, but for the peer that it has it from.
        let copies = (self.network.degree(node).clamp(2, MESH) - 1) as u64;
        let (weight, topic) = match self.network.waves.carried(wave) {
            Carried::Announcement(_) => (wire_size::ANNOUNCEMENT, None),
            Carried::Message(message) => (wire_size::gossip(message.1.body.len()), message.1.topic.clone()),
        };
        self.observed.traffic.bytes += copies * weight;
        for to in self.network.neighbours(node) {
            let takes_part = topic.as_ref().is_none_or(|topic| self.nodes[to].takes_part.has(topic));
            let passes = takes_part && self.network.is_open(node, to) && !self.is_lost();
            if !passes || !self.network.waves.reaches(wave, to) {
                continue;
            }
            self.observed.traffic.announcements += 1;
            self.network.waves.hold(wave);
            let (at, generation) = (self.arrival(), self.network.generations[to]);
            self.network.schedule(at, Event::Announced(Hop { wave, via: node, to, generation }));
        }
    }

    /// Gossip arrives: its signature is checked if the core allows it, and the core judges it.
    pub(super) fn hear(&mut self, Hop { wave, via, to, generation }: Hop) {
        // Gossip goes over links only: not over connections that begin or end.
        if !self.network.is_linked(to, via) {
            return self.miss(wave, to, generation);
        }
        let (instant, via) = (self.instant(), self.network.ids[via]);
        let Self { nodes, network, .. } = self;
        let core = nodes[to].overlay.as_mut().filter(|_| network.generations[to] == generation);
        let Some(core) = core else { return network.waves.release(wave) };
        let may_check = match network.waves.carried(wave) {
            Carried::Announcement(Announcement { node, version, clock }) => {
                core.may_check_announcement(via, (*node, *version, *clock), instant)
            }
            Carried::Message(message) => core.may_check_gossip(via, &message.0, message.1.body.len(), instant),
        };
        if !may_check {
            network.waves.release(wave);
            return self.carry_out(to);
        }
        let id = nodes[to].judging.add(wave);
        let input = match network.waves.carried(wave) {
            Carried::Announcement(Announcement { node, version, clock }) => {
                GossipInput::Announced { id, via, node: *node, version: *version, clock: *clock }
            }
            Carried::Message(message) => {
                let (stamp, numbered) = (message.0, message.1.clone());
                GossipInput::Received { id, via, stamp, length: numbered.body.len(), numbered: Some(numbered) }
            }
        };
        self.input(to, input);
    }

    /// What was on its way over a link that has ended comes from another neighbour, if one had passed it on, or will.
    fn miss(&mut self, wave: Wave, to: usize, generation: u64) {
        let mut others = self.network.neighbours(to);
        others.retain(|other| self.network.is_open(*other, to) && self.network.is_linked(to, *other));
        match self.network.waves.missed(wave, to, &others) {
            Some(via) => {
                let at = self.arrival();
                self.network.schedule(at, Event::Announced(Hop { wave, via, to, generation }));
            }
            None => self.network.waves.release(wave),
        }
    }

    /// A core has judged a message of gossip.
    pub(super) fn conclude(&mut self, node: usize, id: GossipId, judgement: Judgement) {
        let Some(wave) = self.nodes[node].judging.remove(id) else { return };
        if judgement == Judgement::Fresh {
            self.pass_on(node, wave);
        }
        self.network.waves.release(wave);
    }

    /// A node has stopped: nothing is judged there any more.
    pub(super) fn judge_no_more(&mut self, node: usize) {
        for wave in std::mem::take(&mut self.nodes[node].judging).give_up() {
            self.network.waves.release(wave);
        }
    }
}
