//! Gossip: each node passes an announcement on when its core has judged it fresh, to those who have not had it yet.

use std::time::Duration;

use nuncio_identity::NodeId;
use nuncio_protocol::{
    GossipInput,
    gossip::{GossipId, Judgement},
    status_sync::Version,
};

use super::{Simulator, network::Event, wire_size};

/// Peers to which a node passes gossip on.
const MESH: usize = 6;

/// What an announcement says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announcement {
    pub(super) node: NodeId,
    pub(super) version: Version,
    pub(super) clock: Duration,
}

/// Where an announcement is on its way to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hop {
    pub(super) wave: Wave,
    pub(super) via: usize,
    pub(super) to: usize,
    /// Of the node it arrives at, when it was sent.
    pub(super) generation: u64,
}

/// An announcement on its way through the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wave(usize);

/// Announcements on their way.
///
/// Gossip brings each to a node once: a second copy is recognised, weighs on its link and does no more. So only first copies
/// are events.
#[derive(Debug, Default)]
pub(super) struct Waves {
    waves: Vec<Travelling>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Travelling {
    announcement: Announcement,
    /// Whom it has reached or is on its way to, a bit for each.
    reached: Vec<u64>,
    /// How many are on their way, or wait for a judgement.
    open: usize,
}

/// Announcements that a node's core has not judged yet.
#[derive(Debug, Default)]
pub(super) struct Judging {
    last: u64,
    pending: std::collections::BTreeMap<GossipId, Wave>,
}

impl Waves {
    fn begin(&mut self, announcement: Announcement) -> Wave {
        let wave = Travelling { announcement, reached: Vec::new(), open: 1 };
        let Some(place) = self.free.pop() else {
            self.waves.push(wave);
            return Wave(self.waves.len() - 1);
        };
        self.waves[place] = wave;
        Wave(place)
    }

    fn announcement(&self, Wave(place): Wave) -> Announcement {
        self.waves[place].announcement
    }

    /// Whether it comes to a node for the first time.
    fn reaches(&mut self, Wave(place): Wave, node: usize) -> bool {
        let (reached, word, bit) = (&mut self.waves[place].reached, node / 64, 1 << (node % 64));
        if word >= reached.len() {
            reached.resize(word + 1, 0);
        }
        let is_first = reached[word] & bit == 0;
        reached[word] |= bit;
        is_first
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
        let wave = self.network.waves.begin(announcement);
        self.network.waves.reaches(wave, origin);
        self.pass_on(origin, wave);
        self.network.waves.release(wave);
    }

    fn pass_on(&mut self, node: usize, wave: Wave) {
        // To its mesh, but for the peer that it has it from.
        let copies = (self.network.degree(node).clamp(2, MESH) - 1) as u64;
        self.observed.traffic.bytes += copies * wire_size::ANNOUNCEMENT;
        for to in self.network.neighbours(node) {
            if !self.network.is_open(node, to) || self.is_lost() || !self.network.waves.reaches(wave, to) {
                continue;
            }
            self.observed.traffic.announcements += 1;
            self.network.waves.hold(wave);
            let (at, generation) = (self.arrival(), self.network.generations[to]);
            self.network.schedule(at, Event::Announced(Hop { wave, via: node, to, generation }));
        }
    }

    /// An announcement arrives: its signature is checked if the core allows it, and the core judges it.
    pub(super) fn hear(&mut self, Hop { wave, via, to, generation }: Hop) {
        let Announcement { node, version, clock } = self.network.waves.announcement(wave);
        let (instant, via) = (self.instant(), self.network.ids[via]);
        let core = self.nodes[to].overlay.as_mut().filter(|_| self.network.generations[to] == generation);
        let Some(core) = core else { return self.network.waves.release(wave) };
        if core.may_check_announcement(via, node, instant) {
            let id = self.nodes[to].judging.add(wave);
            self.input(to, GossipInput::Announced { id, via, node, version, clock });
        } else {
            self.network.waves.release(wave);
            self.carry_out(to);
        }
    }

    /// A core has judged an announcement.
    pub(super) fn conclude(&mut self, node: usize, id: GossipId, judgement: Judgement) {
        let Some(wave) = self.nodes[node].judging.pending.remove(&id) else { return };
        if judgement == Judgement::Fresh {
            self.pass_on(node, wave);
        }
        self.network.waves.release(wave);
    }

    /// A node has stopped: nothing is judged there any more.
    pub(super) fn judge_no_more(&mut self, node: usize) {
        for wave in std::mem::take(&mut self.nodes[node].judging).pending.into_values() {
            self.network.waves.release(wave);
        }
    }
}

impl Judging {
    fn add(&mut self, wave: Wave) -> GossipId {
        self.last += 1;
        self.pending.insert(GossipId(self.last), wave);
        GossipId(self.last)
    }
}
