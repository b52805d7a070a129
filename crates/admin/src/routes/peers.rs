use std::collections::HashMap;

use axum::{Extension, Json, extract::State};
use nuncio_audit::Act;
use nuncio_node::{Direction, PeerSnapshot, Snapshot};

use crate::{
    api::{Failure, Peer, PeerAddress},
    resolve,
};

use super::{Context, JsonBody};

pub(super) async fn list(State(context): State<Context>) -> Json<Vec<Peer>> {
    Json(peers_of(&context, &context.node.snapshot()))
}

pub(super) fn peers_of(context: &Context, snapshot: &Snapshot) -> Vec<Peer> {
    let counted: HashMap<Vec<String>, f64> = context.node.metrics().links.peer_bytes.rows().into_iter().collect();
    let bytes = |peer: &PeerSnapshot, direction: &str| {
        counted.get(&[peer.node_id?.short(), direction.to_owned()][..]).map(|bytes| *bytes as u64)
    };
    let peer = |peer: &PeerSnapshot| Peer {
        node_id: peer.node_id.map(|node| node.to_string()),
        address: peer.address.clone(),
        direction: peer.direction.map(|direction| direction_name(direction).to_owned()),
        state: peer.state.as_str().to_owned(),
        connected_for_s: peer.connected_since.map(|since| since.elapsed().as_secs()),
        rtt_ms: peer.rtt_us.map(|us| us as f64 / 1000.0),
        agency: peer.agency.clone(),
        name: peer.name.clone(),
        configured: peer.configured,
        last_error: peer.last_error.clone(),
        bytes_received: bytes(peer, "received"),
        bytes_sent: bytes(peer, "sent"),
    };
    snapshot.peers.iter().map(peer).collect()
}

pub(super) async fn add(
    State(context): State<Context>,
    JsonBody(peer): JsonBody<PeerAddress>,
) -> Result<(Extension<Act>, Json<PeerAddress>), Failure> {
    let address = peer.address.trim().to_owned();
    context.operator.add_peer(address.clone()).await?;
    Ok((Extension(Act::AddPeer { address: (&address).into() }), Json(PeerAddress { address })))
}

pub(super) async fn remove(
    State(context): State<Context>,
    JsonBody(peer): JsonBody<PeerAddress>,
) -> Result<(Extension<Act>, Json<PeerAddress>), Failure> {
    let text = peer.address.trim();
    let address = if resolve::is_prefix(text) {
        resolve::node(text, &context.node.snapshot())?.to_string()
    } else {
        text.to_owned()
    };
    context.operator.remove_peer(address.clone()).await?;
    Ok((Extension(Act::RemovePeer { peer: (&address).into() }), Json(PeerAddress { address })))
}

const fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}
