//! Whether gossip still comes over a link that lives.
//!
//! A gossip stream can die alone: after a message over its limit, or after five attempts, gossipsub gives it up without a
//! word, and the link, which is heard on other streams, stays silent for gossip for good. So linked peers send each other
//! a pulse in each lane, which is not passed on; where none comes, the connection is made anew.
//!
//! A pulse counts only for the peer whose ID it begins with, and what follows nobody can guess: gossipsub takes nothing of
//! its node's own that it has seen before, so whoever knew the next pulse and published it first would silence its node.

use std::{
    collections::HashMap,
    task::{Context, Poll},
    time::Duration,
};

use futures::FutureExt;
use futures_timer::Delay;
use nuncio_identity::NodeId;

use crate::gossip::Lane;

/// The gossipsub topic of pulses.
pub(crate) const TOPIC: &str = "nuncio/pulse";

/// What makes a pulse unlike any other, in bytes. Releases before counted in it, and look at no more of it than its length.
const NONCE: usize = 8;

/// Longest pulse, in bytes: a node ID and a nonce.
const MAX_PULSE: usize = NodeId::LENGTH + NONCE;

/// How often one is sent.
const INTERVAL: Duration = Duration::from_secs(3);

/// How many may fail to come.
const MAX_MISSED: u32 = 4;

/// The pulses of linked peers. Bound: an entry for each link.
#[derive(Debug)]
pub(crate) struct GossipPulse {
    timer: Delay,
    /// Pulses missed, by lane.
    missed: HashMap<NodeId, [u32; 2]>,
}

/// What is to be done when one is due.
#[derive(Debug)]
pub(crate) struct Beat {
    /// Sent in each lane.
    pub(crate) pulse: Vec<u8>,
    /// Peers whose gossip is dead.
    pub(crate) dead: Vec<NodeId>,
}

impl Default for GossipPulse {
    fn default() -> Self {
        Self { timer: Delay::new(INTERVAL), missed: HashMap::new() }
    }
}

impl GossipPulse {
    /// A peer is linked, or over another connection.
    pub(crate) fn watch(&mut self, peer: NodeId) {
        self.missed.insert(peer, [0; 2]);
    }

    pub(crate) fn forget(&mut self, peer: &NodeId) {
        self.missed.remove(peer);
    }

    /// A pulse of a peer came.
    pub(crate) fn heard(&mut self, peer: &NodeId, lane: Lane) {
        if let Some(missed) = self.missed.get_mut(peer) {
            missed[lane as usize] = 0;
        }
    }

    pub(crate) fn poll(&mut self, node: NodeId, cx: &mut Context<'_>) -> Poll<Beat> {
        if self.timer.poll_unpin(cx).is_pending() {
            return Poll::Pending;
        }
        self.timer.reset(INTERVAL);
        Poll::Ready(Beat { pulse: pulse_of(node), dead: self.beat() })
    }

    fn beat(&mut self) -> Vec<NodeId> {
        let mut dead = Vec::new();
        for (peer, missed) in &mut self.missed {
            missed.iter_mut().for_each(|missed| *missed += 1);
            if missed.iter().any(|missed| *missed > MAX_MISSED) {
                dead.push(*peer);
            }
        }
        dead
    }
}

fn pulse_of(node: NodeId) -> Vec<u8> {
    let nonce: [u8; NONCE] = rand::random();
    [node.as_bytes().as_slice(), &nonce].concat()
}

/// Whether it is a pulse of this peer: nobody passes on those of others.
pub(crate) fn is_of(peer: &NodeId, pulse: &[u8]) -> bool {
    pulse.starts_with(peer.as_bytes()) && pulse.len() <= MAX_PULSE
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    #[test]
    fn a_pulse_is_of_the_node_that_it_begins_with_and_nobody_can_tell_the_next_one() {
        let [node, other] = [(); 2].map(|()| NodeKey::generate().node_id());
        let pulses = [(); 8].map(|()| pulse_of(node));
        assert!(pulses.iter().all(|pulse| pulse.len() == 72 && is_of(&node, pulse) && !is_of(&other, pulse)));
        let nonce = |pulse: &[u8]| u64::from_be_bytes(*pulse.last_chunk().expect("eight bytes"));
        let follow = |pair: &[Vec<u8>]| nonce(&pair[0]).abs_diff(nonce(&pair[1])) < 1 << 20;
        assert!(!pulses.windows(2).any(follow));
        let counted = [node.as_bytes().as_slice(), &7_u64.to_be_bytes()].concat();
        assert!(is_of(&node, &counted), "as releases before made them");
        assert!(!is_of(&node, &[&counted[..], b"x"].concat()) && !is_of(&node, &counted[..63]));
    }

    #[test]
    fn a_peer_whose_pulse_stays_away_in_one_lane_is_dead() {
        let (mut pulse, good, deaf) =
            (GossipPulse::default(), NodeKey::generate().node_id(), NodeKey::generate().node_id());
        pulse.watch(good);
        pulse.watch(deaf);
        for _ in 0..MAX_MISSED {
            assert_eq!(pulse.beat(), []);
            pulse.heard(&good, Lane::Short);
            pulse.heard(&good, Lane::Long);
            pulse.heard(&deaf, Lane::Short);
        }
        assert_eq!(pulse.beat(), [deaf]);
        pulse.watch(deaf);
        assert_eq!(pulse.beat(), []);
    }
}
