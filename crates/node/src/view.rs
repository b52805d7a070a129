//! The snapshot, made of what the core, the admissions and the configuration know.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;
use nuncio_pki::NodeCertificate;
use nuncio_protocol::{NodeView, Overlay, TopicView, peering};
use nuncio_transport::Admissions;

use crate::snapshot::{Direction, NodeSnapshot, PeerSnapshot, PeerState, Snapshot, TopicSnapshot};

/// What does not change while a node runs.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) certificate: NodeCertificate,
    pub(crate) software: String,
    pub(crate) started: Instant,
    pub(crate) listen: Vec<String>,
}

pub(crate) fn snapshot(
    facts: &Facts,
    overlay: &Overlay,
    admissions: &Admissions,
    round_trips: &HashMap<NodeId, Duration>,
    duplicate_identities: u64,
) -> Snapshot {
    let pending = overlay.pending_peers();
    let ready = pending.iter().all(|peer| peer.last_error.is_some());
    let links = overlay.links().into_iter().map(|link| linked(link, admissions, round_trips));
    let peers = links.chain(pending.into_iter().map(|peer| waiting(peer, admissions))).collect();
    Snapshot {
        node_id: overlay.node().to_string(),
        name: facts.certificate.name.clone(),
        agency: facts.certificate.agency.clone(),
        epoch: overlay.version().epoch,
        seq: overlay.version().seq,
        version: facts.software.clone(),
        started: facts.started,
        listen: facts.listen.clone(),
        peers,
        nodes: overlay.nodes().into_iter().map(node).collect(),
        topics: overlay.topics().into_iter().map(topic).collect(),
        certificate_not_after: facts.certificate.not_after.as_secs(),
        ready,
        duplicate_identities,
    }
}

fn linked(link: peering::LinkView, admissions: &Admissions, round_trips: &HashMap<NodeId, Duration>) -> PeerSnapshot {
    let admission = admissions.get(&link.peer);
    PeerSnapshot {
        node_id: Some(link.peer.to_string()),
        configured: link.configured.is_some(),
        address: link.address.to_string(),
        direction: Some(match link.direction {
            peering::Direction::Inbound => Direction::Inbound,
            peering::Direction::Outbound => Direction::Outbound,
        }),
        state: PeerState::Linked,
        connected_since: Some(link.since),
        rtt_us: round_trips.get(&link.peer).map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
        agency: admission.as_ref().map(|admission| admission.certificate.agency.clone()),
        name: admission.as_ref().map(|admission| admission.certificate.name.clone()),
        last_error: None,
    }
}

fn waiting(peer: peering::PendingPeerView, admissions: &Admissions) -> PeerSnapshot {
    let admission = peer.node.and_then(|node| admissions.get(&node));
    PeerSnapshot {
        node_id: peer.node.map(|node| node.to_string()),
        address: peer.address.to_string(),
        direction: None,
        state: if peer.dialing { PeerState::Dialing } else { PeerState::Waiting },
        connected_since: None,
        rtt_us: None,
        agency: admission.as_ref().map(|admission| admission.certificate.agency.clone()),
        name: admission.as_ref().map(|admission| admission.certificate.name.clone()),
        configured: true,
        last_error: peer.last_error.map(|error| error.to_string()),
    }
}

fn node(view: NodeView) -> NodeSnapshot {
    let status = view.record.as_ref().map(|record| &record.status);
    NodeSnapshot {
        node_id: view.node.to_string(),
        seq: status.map_or(0, |status| status.version.seq),
        epoch: status.map_or(0, |status| status.version.epoch),
        reachable: view.reachable,
        hops: view.hops,
        next_hop: view.next_hop.map(|node| node.to_string()),
        topics: status.map_or_else(Vec::new, |status| status.topics.keys().map(ToString::to_string).collect()),
        name: status.map_or_else(String::new, |status| status.name.clone()),
        agency: status.map_or_else(String::new, |status| status.agency.clone()),
        application: status.map_or_else(String::new, |status| hex::encode(&status.application)),
        revocations: status.map_or_else(BTreeMap::new, |status| {
            status.revocations.iter().map(|(issuer, number)| (hex::encode(issuer.0), *number)).collect()
        }),
        addresses: status.map_or_else(Vec::new, |status| status.addresses.iter().map(ToString::to_string).collect()),
    }
}

fn topic(view: TopicView) -> TopicSnapshot {
    TopicSnapshot {
        topic: view.topic.to_string(),
        subscribers: view.nodes.values().sum(),
        nodes: view.nodes.into_keys().map(|node| node.to_string()).collect(),
    }
}
