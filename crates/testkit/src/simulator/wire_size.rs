//! What messages weigh on a link, in bytes, without TCP and IP: payload as `proto/` encodes it, the head of a frame of its stream (8) and TLS
//! record (22). Certificate chains, which the simulator has none of, count 1,300 bytes: a leaf and an agency.

use nuncio_protocol::{
    BridgeInput, GossipInput, Input, MulticastInput, Output, StatusInput, UnicastInput, amop, status_sync::Query,
    unicast,
};

pub(super) const FRAME: u64 = 8 + 22;

/// Bytes that a node sends for each that a peer brings, at the most: of every kind but multicasts, whose copies are charged one
/// by one, and what peers ask for by name, which has a budget in bytes (a first sync, repairs).
pub const MOST_OUT: u64 = 4;

const NODE_AND_VERSION: u64 = 66 + 10 + 4;
const SIGNATURE_AND_CHAIN: u64 = 66 + 1300;

/// A link stream says this every two seconds, each of two streams in each direction: a length of zero.
pub(super) const HEARTBEATS_PER_LINK_SECOND: u64 = 4 + FRAME;

/// One transmission of an announcement: node, version, beat and the gossip envelope around them.
pub(super) const ANNOUNCEMENT: u64 = NODE_AND_VERSION + 6 + 48 + FRAME;

/// One transmission of an application's message by gossip: its stamp and the envelope around it.
pub(super) const fn gossip(body: usize) -> u64 {
    ANNOUNCEMENT + body as u64
}

/// A query, with the negotiation of its stream.
pub(super) fn query(wanted: &Query) -> u64 {
    let known = match wanted {
        Query::Nodes(nodes) => nodes.len() as u64 * NODE_AND_VERSION,
        Query::All { known } => known.len() as u64 * NODE_AND_VERSION,
        Query::Proofs { held } => held.len() as u64 * 66,
        Query::Same { .. } => 18,
        Query::Revocations { held } => held.len() as u64 * 40,
    };
    known + 4 + 60 + FRAME
}

/// An answer with records of so many bytes, as the simulator signs them.
pub(super) const fn answer(records: u64, bytes: u64) -> u64 {
    bytes + records * SIGNATURE_AND_CHAIN + 4 + FRAME
}

/// The header of a message, its seal, and a topic or the words of a refusal.
const LETTER: u64 = 2 * 66 + 40 + 48 + 32 + FRAME;

/// A question for missing multicasts.
pub(super) const WANTED: u64 = 2 * 66 + 40 + 32 + FRAME;

pub(super) const fn unicast(message: &unicast::Message) -> u64 {
    LETTER + message.content.length() as u64
}

pub(super) const fn bridge(message: &amop::Message) -> u64 {
    LETTER + message.content.length() as u64
}

/// What a peer sent that its node takes as this; `None` of what comes of no peer, and of what each copy is charged for:
/// multicasts.
pub fn brought(input: &Input) -> Option<u64> {
    Some(match input {
        Input::Unicast(UnicastInput::Received { message, .. }) => unicast(message),
        Input::Bridge(BridgeInput::Received { message, .. }) => bridge(message),
        Input::Multicast(MulticastInput::Wanted { .. }) => WANTED,
        Input::Gossip(GossipInput::Announced { .. }) => ANNOUNCEMENT,
        Input::Status(StatusInput::Queried { wanted, .. }) => query(wanted),
        Input::Status(StatusInput::Answered { answer, .. }) => {
            self::answer(answer.records.len() as u64, answer.records.iter().map(|one| one.bytes.len() as u64).sum())
        }
        _ => return None,
    })
}

/// What leaves when a core wants this; `None` where nothing does, and of multicasts.
pub fn sent(output: &Output) -> Option<u64> {
    Some(match output {
        Output::SendUnicast { message, .. } => unicast(message),
        Output::SendBridge { message, .. } => bridge(message),
        Output::SendWanted { .. } => WANTED,
        Output::Query { wanted, .. } => query(wanted),
        Output::Answer { records, .. } => {
            answer(records.len() as u64, records.iter().map(|one| one.bytes.len() as u64).sum())
        }
        _ => return None,
    })
}
