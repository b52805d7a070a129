//! Answers to status queries on their way to peers.

use std::collections::HashMap;

use libp2p::request_response::InboundRequestId;
use nuncio_bounds::{Bound, SharedBytes};
use nuncio_identity::NodeId;

/// Most bytes of answers that peers have not read.
const MAX_BYTES: usize = 64 << 20;

/// Answers that peers have not read.
///
/// Bound: [`MAX_BYTES`], of which a peer has at most as many as are free; what does not fit is not answered, and asked for
/// again.
#[derive(Debug)]
pub(crate) struct Answering {
    bytes: SharedBytes,
    open: HashMap<InboundRequestId, (NodeId, usize)>,
}

impl Default for Answering {
    fn default() -> Self {
        Self { bytes: SharedBytes::new(MAX_BYTES), open: HashMap::new() }
    }
}

impl Answering {
    pub(crate) const BOUND: Bound = Bound::of_bytes(
        "answers to status queries, on their way",
        MAX_BYTES,
        "a query is not answered, and asked again",
    );

    /// Whether there is room for an answer.
    pub(crate) fn begin(&mut self, query: InboundRequestId, peer: NodeId, bytes: usize) -> bool {
        let own = self.open.values().filter(|(node, _)| *node == peer).map(|(_, bytes)| bytes).sum();
        let has_room = self.bytes.take(own, bytes);
        if has_room {
            self.open.insert(query, (peer, bytes));
        }
        has_room
    }

    /// It has been read, or never will be.
    pub(crate) fn end(&mut self, query: InboundRequestId) {
        if let Some((_, bytes)) = self.open.remove(&query) {
            self.bytes.give_back(bytes);
        }
    }
}
