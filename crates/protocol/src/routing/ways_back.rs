//! Over which of its peers this node answers.

use std::time::Instant;

use nuncio_identity::NodeId;

use super::{Routing, places::ME};

impl Routing {
    /// Over whom an answer goes back whose request came over `via`: over that one, who passes on what `source` sends. But
    /// whoever passes on in one direction may know another way in the other: so if answers to `source` were lost of late, it
    /// is a peer from which no way leads over whoever may have swallowed them, where there is one.
    pub(crate) fn way_back(&mut self, source: &NodeId, via: &NodeId, now: Instant) -> Option<NodeId> {
        self.lost.forget_ended(now);
        let is_lost = |peer: &NodeId| self.lost.contains(&(*source, *peer));
        let peers = self.edges.of(ME).iter().filter(|_| !self.lost.is_empty() && via != source);
        let tried: Vec<_> = peers.filter_map(|link| self.places.node(*link)).filter(is_lost).collect();
        if tried.is_empty() {
            return if self.is_linked(via) { Some(*via) } else { self.next_hop(source) };
        }
        let suspects: Vec<_> = tried.iter().flat_map(|peer| self.path_via(source, peer)).collect();
        self.least_exposed(source, &tried, &suspects, Some(via))
    }

    /// An answer to `source` that was sent over `first_hop` has not come: the request came again. Only what is sent to
    /// `source` itself takes other ways for that, so nobody gains by asking again.
    pub(crate) fn note_lost(&mut self, source: NodeId, first_hop: NodeId, now: Instant) {
        if first_hop != source {
            self.lost.note((source, first_hop), now);
        }
    }
}
