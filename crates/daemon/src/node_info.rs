use std::{any::Any, net::SocketAddr, sync::Arc};

use nuncio_gateway::{NodeFacts, NodeInfo};
use nuncio_node::{NodeHandle, NodeSnapshot, PeerState, Snapshot};

use crate::config::Peer;

/// The node's snapshot, as RPC answers show it.
pub(crate) struct SnapshotInfo {
    node: NodeHandle,
}

impl SnapshotInfo {
    pub(crate) const fn new(node: NodeHandle) -> Self {
        Self { node }
    }
}

impl NodeInfo for SnapshotInfo {
    fn own(&self) -> NodeFacts {
        let snapshot = self.node.snapshot();
        let node = snapshot.node(snapshot.node_id);
        NodeFacts {
            node_id: self.node.node_id(),
            address: snapshot.listen.first().map(|address| ip_and_port(address)).unwrap_or_default(),
            agency: snapshot.agency.clone(),
            agency_path: node.map(NodeSnapshot::agency_path).unwrap_or_default(),
            name: snapshot.name.clone(),
            topics: topics_of(node),
        }
    }

    fn peers(&self) -> Vec<NodeFacts> {
        let snapshot = self.node.snapshot();
        let linked = snapshot.peers.iter().filter(|peer| peer.state == PeerState::Linked);
        linked
            .filter_map(|peer| {
                let id = peer.node_id?;
                let node = snapshot.node(id);
                Some(NodeFacts {
                    node_id: id,
                    address: ip_and_port(&peer.address),
                    agency: peer.agency.clone().unwrap_or_default(),
                    agency_path: node.map(NodeSnapshot::agency_path).unwrap_or_default(),
                    name: peer.name.clone().unwrap_or_default(),
                    topics: topics_of(node),
                })
            })
            .collect()
    }

    fn reachable(&self) -> Vec<NodeFacts> {
        let snapshot: Arc<Snapshot> = self.node.snapshot();
        let others = snapshot.nodes.iter().filter(|node| node.reachable && node.node_id != snapshot.node_id);
        others
            .map(|node| NodeFacts {
                node_id: node.node_id,
                address: String::new(),
                agency: node.agency.clone(),
                agency_path: node.agency_path(),
                name: node.name.clone(),
                topics: Vec::new(),
            })
            .collect()
    }

    fn state(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(self.node.snapshot())
    }
}

fn topics_of(node: Option<&NodeSnapshot>) -> Vec<String> {
    node.map(NodeSnapshot::topics).unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// SDKs expect `ip:port`; a multiaddr is written so.
fn ip_and_port(address: &str) -> String {
    if address.parse::<SocketAddr>().is_ok() {
        return address.to_owned();
    }
    match address.parse::<Peer>().ok().as_ref().and_then(Peer::host_and_port) {
        Some((host, port)) if host.contains(':') => format!("[{host}]:{port}"),
        Some((host, port)) => format!("{host}:{port}"),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_sdks_know_them() {
        assert_eq!(ip_and_port("127.0.0.1:30300"), "127.0.0.1:30300");
        assert_eq!(ip_and_port("/ip4/127.0.0.1/tcp/30300"), "127.0.0.1:30300");
        assert_eq!(ip_and_port("/ip6/::1/tcp/30300"), "[::1]:30300");
        assert_eq!(ip_and_port("?"), "?");
    }
}
