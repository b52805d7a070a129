use axum::{Json, extract::State};
use nuncio_node::{PeerState, Snapshot};

use crate::api::{Info, Node, Status, Topic};

use super::{Context, health};

pub(super) async fn status(State(context): State<Context>) -> Json<Status> {
    let snapshot = context.node.snapshot();
    let ready = health::readiness(&snapshot, &*context.operator).iter().all(|check| check.ok);
    Json(Status {
        node_id: snapshot.node_id.clone(),
        seq: snapshot.seq,
        epoch: snapshot.epoch,
        version: snapshot.version.clone(),
        uptime_s: snapshot.started.elapsed().as_secs(),
        peers: links(&snapshot),
        nodes: snapshot.nodes.len(),
        topics: snapshot.topics.len(),
        ready,
        name: snapshot.name.clone(),
        agency: snapshot.agency.clone(),
        listen: snapshot.listen.clone(),
        gateway: context.operator.info().gateway,
        certificate_not_after: snapshot.certificate_not_after,
    })
}

pub(super) async fn nodes(State(context): State<Context>) -> Json<Vec<Node>> {
    let snapshot = context.node.snapshot();
    Json(
        snapshot
            .nodes
            .iter()
            .map(|node| Node {
                node_id: node.node_id.clone(),
                seq: node.seq,
                epoch: node.epoch,
                reachable: node.reachable,
                hops: node.hops,
                next_hop: node.next_hop.clone(),
                topics: node.topics.clone(),
                name: node.name.clone(),
                agency: node.agency.clone(),
                addresses: node.addresses.clone(),
            })
            .collect(),
    )
}

pub(super) async fn topics(State(context): State<Context>) -> Json<Vec<Topic>> {
    let snapshot = context.node.snapshot();
    Json(
        snapshot
            .topics
            .iter()
            .map(|topic| Topic {
                topic: topic.topic.clone(),
                nodes: topic.nodes.clone(),
                subscribers: topic.subscribers,
            })
            .collect(),
    )
}

pub(super) async fn info(State(context): State<Context>) -> Json<Info> {
    Json(context.operator.info())
}

pub(super) fn links(snapshot: &Snapshot) -> usize {
    snapshot.peers.iter().filter(|peer| peer.state == PeerState::Linked).count()
}
