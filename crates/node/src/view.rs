//! The snapshot, made of what the core, the admissions and the configuration know.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;
use nuncio_pki::Credential;
use nuncio_protocol::{NodeView, Overlay, peering};
use nuncio_transport::Admissions;

use crate::snapshot::{Direction, NodeSnapshot, PeerSnapshot, PeerState, Snapshot};

/// What does not change while a node runs.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) certificate: Credential,
    pub(crate) software: String,
    pub(crate) started: Instant,
    pub(crate) listen: Vec<String>,
}

pub(crate) fn snapshot(
    facts: &Facts,
    overlay: &Overlay,
    admissions: &Admissions,
    round_trips: &HashMap<NodeId, Duration>,
    [duplicate_identities, missed, lost, denied, over_quota]: [u64; 5],
) -> Snapshot {
    let pending = overlay.pending_peers();
    let ready = pending.iter().all(|peer| peer.last_error.is_some());
    let links = overlay.links().into_iter().map(|link| linked(link, admissions, round_trips));
    let bans = overlay.bans();
    let is_banned =
        |peer: &peering::PendingPeerView| peer.node.is_some_and(|node| bans.iter().any(|ban| ban.peer == node));
    let pending = pending.into_iter().filter(|peer| !is_banned(peer)).map(|peer| waiting(peer, admissions));
    let peers = links.chain(pending).chain(bans.iter().map(|ban| banned(ban, admissions))).collect();
    Snapshot {
        node_id: overlay.node(),
        name: facts.certificate.name.clone(),
        agency: facts.certificate.agency.clone(),
        epoch: overlay.version().epoch,
        seq: overlay.version().seq,
        version: facts.software.clone(),
        started: facts.started,
        listen: facts.listen.clone(),
        peers,
        nodes: overlay.nodes().into_iter().map(|view| node(view, admissions)).collect(),
        certificate_not_after: facts.certificate.not_after.as_secs(),
        ready,
        duplicate_identities,
        missed,
        lost,
        denied,
        over_quota,
        strikes: overlay.strikes().iter().map(|(strike, count)| (strike.name(), *count)).collect(),
    }
}

fn linked(link: peering::LinkView, admissions: &Admissions, round_trips: &HashMap<NodeId, Duration>) -> PeerSnapshot {
    let admission = admissions.get(&link.peer);
    PeerSnapshot {
        node_id: Some(link.peer),
        configured: !link.configured.is_empty(),
        configured_at: link.configured.iter().map(ToString::to_string).collect(),
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
        node_id: peer.node,
        address: peer.address.to_string(),
        direction: None,
        state: if peer.dialing { PeerState::Dialing } else { PeerState::Waiting },
        connected_since: None,
        rtt_us: None,
        agency: admission.as_ref().map(|admission| admission.certificate.agency.clone()),
        name: admission.as_ref().map(|admission| admission.certificate.name.clone()),
        configured: true,
        configured_at: vec![peer.address.to_string()],
        last_error: peer.last_error.map(|error| error.to_string()),
    }
}

fn banned(ban: &peering::BanView, admissions: &Admissions) -> PeerSnapshot {
    let admission = admissions.get(&ban.peer);
    let seconds = ban.until.saturating_duration_since(Instant::now()).as_secs();
    PeerSnapshot {
        node_id: Some(ban.peer),
        address: String::new(),
        direction: None,
        state: PeerState::Banned,
        connected_since: None,
        rtt_us: None,
        agency: admission.as_ref().map(|admission| admission.certificate.agency.clone()),
        name: admission.as_ref().map(|admission| admission.certificate.name.clone()),
        configured: false,
        configured_at: Vec::new(),
        last_error: Some(format!("banned for {seconds} s: {}", ban.reason)),
    }
}

/// No more than names and numbers is copied: a record may hold a thousand topics.
fn node(view: NodeView, admissions: &Admissions) -> NodeSnapshot {
    let admission = view.record.is_none().then(|| admissions.get(&view.node)).flatten();
    let linked = admission.as_ref().map(|admission| &admission.certificate);
    let status = view.record.as_ref().map(|record| &record.status);
    NodeSnapshot {
        node_id: view.node,
        seq: status.map_or(0, |status| status.version.seq),
        epoch: status.map_or(0, |status| status.version.epoch),
        reachable: view.reachable,
        hops: view.hops,
        next_hop: view.next_hop,
        name: status.map(|status| &status.name).or(linked.map(|linked| &linked.name)).cloned().unwrap_or_default(),
        agency: status
            .map(|status| &status.agency)
            .or(linked.map(|linked| &linked.agency))
            .cloned()
            .unwrap_or_default(),
        linked_under: linked.map(Credential::agency_path),
        equivocates: view.equivocates,
        record: view.record,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nuncio_testkit::{
        TestAuthority,
        simulator::{Lone, node_id},
    };

    use super::*;

    #[test]
    fn a_snapshot_shares_the_records_and_topics_are_put_together_where_they_are_read() {
        let config = nuncio_protocol::Config { target_degree: 0, ..nuncio_protocol::Config::default() };
        let mut lone = Lone::new(0, config);
        let names: Vec<String> = (0..1000).map(|i| format!("company/instrument/{i:03}")).collect();
        let topics: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 2)).collect();
        for n in 1..=100 {
            lone.link(n, &[0], &topics[n..]);
        }
        lone.advance(Duration::from_secs(2));
        let facts = Facts {
            certificate: TestAuthority::new().node("0").certificate,
            software: String::new(),
            started: Instant::now(),
            listen: Vec::new(),
        };
        let snapshot = snapshot(&facts, &lone.overlay, &Admissions::default(), &HashMap::new(), [0; 5]);
        for node in snapshot.nodes.iter().filter(|node| node.hops != Some(0)) {
            let held = lone.overlay.record(&node.node_id).unwrap();
            assert!(Arc::ptr_eq(node.record.as_ref().unwrap(), held));
        }
        assert_eq!(snapshot.nodes.len(), 101);
        for node in &snapshot.nodes {
            assert_eq!(snapshot.node(node.node_id).map(|found| found.node_id), Some(node.node_id));
        }
        assert!(snapshot.node(node_id(101)).is_none());
        let topics = snapshot.topics();
        assert!(topics.is_sorted_by_key(|topic| &topic.topic));
        assert_eq!(topics.len(), 999, "the first is nobody's");
        let second = &topics[1];
        let mut nodes = [node_id(1), node_id(2)];
        nodes.sort_unstable();
        assert_eq!((&second.nodes[..], second.subscribers), (&nodes[..], 4));
    }
}
