//! What messages weigh on a link, in bytes, without TCP and IP: payload as `proto/` encodes it, yamux frame (12) and TLS
//! record (22). Certificate chains, which the simulator has none of, count 1,300 bytes: a leaf and an agency.

use nuncio_protocol::status_sync::Query;

const FRAME: u64 = 12 + 22;
const NODE_AND_VERSION: u64 = 66 + 10 + 4;
const SIGNATURE_AND_CHAIN: u64 = 66 + 1300;

/// A link stream says this every two seconds, each of two streams in each direction: a length of zero.
pub(super) const HEARTBEATS_PER_LINK_SECOND: u64 = 4 + FRAME;

/// One transmission of an announcement: node, version, beat and the gossip envelope around them.
pub(super) const ANNOUNCEMENT: u64 = NODE_AND_VERSION + 6 + 48 + FRAME;

/// A query, with the negotiation of its stream.
pub(super) fn query(wanted: &Query) -> u64 {
    let known = match wanted {
        Query::Nodes(nodes) => nodes.len() as u64 * NODE_AND_VERSION,
        Query::All { known } => known.len() as u64 * NODE_AND_VERSION,
        Query::Proofs { held } => held.len() as u64 * 66,
        Query::Revocations { held } => held.len() as u64 * 40,
    };
    known + 4 + 60 + FRAME
}

/// An answer with records of so many bytes, as the simulator signs them.
pub(super) const fn answer(records: u64, bytes: u64) -> u64 {
    bytes + records * SIGNATURE_AND_CHAIN + 4 + FRAME
}
