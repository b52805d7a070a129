//! Whether gossip still comes over a link that lives.
//!
//! A gossip stream can die alone: after a message over its limit, or after five attempts, gossipsub gives it up without a
//! word, and the link, which is heard on other streams, stays silent for gossip for good. So linked peers send each other
//! a pulse in each lane, which is not passed on; where none comes, the connection is made anew.

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

/// Longest pulse, in bytes: a node ID and a number.
pub(crate) const MAX_PULSE: usize = NodeId::LENGTH + 8;

/// How often one is sent.
const INTERVAL: Duration = Duration::from_secs(3);

/// How many may fail to come.
const MAX_MISSED: u32 = 4;

/// The pulses of linked peers. Bound: an entry for each link.
#[derive(Debug)]
pub(crate) struct GossipPulse {
    timer: Delay,
    number: u64,
    /// Pulses missed, by lane.
    missed: HashMap<NodeId, [u32; 2]>,
}

/// What is to be done when one is due.
#[derive(Debug)]
pub(crate) struct Beat {
    /// Sent in each lane; no two are the same, or gossipsub would drop them.
    pub(crate) pulse: Vec<u8>,
    /// Peers whose gossip is dead.
    pub(crate) dead: Vec<NodeId>,
}

impl Default for GossipPulse {
    fn default() -> Self {
        Self { timer: Delay::new(INTERVAL), number: 0, missed: HashMap::new() }
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
        self.number += 1;
        let pulse = [node.as_bytes().as_slice(), &self.number.to_be_bytes()].concat();
        Poll::Ready(Beat { pulse, dead: self.beat() })
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

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

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
