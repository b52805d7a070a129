//! Nodes of one process, over real TCP and TLS on loopback.

use std::{sync::Arc, time::Duration};

use nuncio_node::{Config, NodeHandle, PeerState, Snapshot, build};
use nuncio_pki::{Identity, SharedPolicy};
use nuncio_testkit::TestAuthority;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) handle: NodeHandle,
    pub(crate) address: String,
    pub(crate) policy: SharedPolicy,
    pub(crate) shutdown: CancellationToken,
    task: JoinHandle<()>,
    _data: TempDir,
}

impl Node {
    pub(crate) fn start(authority: &TestAuthority, name: &str, peers: &[&Self]) -> Self {
        Self::start_as(authority, authority.node(name), peers)
    }

    pub(crate) fn start_as(authority: &TestAuthority, identity: Identity, peers: &[&Self]) -> Self {
        Self::start_with(authority, identity, peers, |_| {})
    }

    /// A node that dials its configured peers only.
    pub(crate) fn start_aloof(authority: &TestAuthority, name: &str, peers: &[&Self]) -> Self {
        Self::start_with(authority, authority.node(name), peers, aloof)
    }

    pub(crate) fn start_with(
        authority: &TestAuthority,
        identity: Identity,
        peers: &[&Self],
        adapt: impl FnOnce(&mut Config),
    ) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let policy = authority.shared_policy();
        let mut config = Config::new(Arc::new(identity), policy.clone(), data.path().join("data"));
        config.listen = vec!["127.0.0.1:0".into()];
        config.peers = peers.iter().map(|peer| peer.address.clone()).collect();
        adapt(&mut config);
        let bound = build(config).expect("a node");
        let (handle, address) = (bound.handle(), bound.listen_addresses()[0].to_string());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(bound.run(shutdown.clone()));
        Self { handle, address, policy, shutdown, task, _data: data }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.expect("a node ends in order");
    }

    pub(crate) async fn sees(&self, what: &str, mut holds: impl FnMut(&Snapshot) -> bool) {
        let mut snapshots = self.handle.snapshots();
        let seen = snapshots.wait_for(|snapshot| holds(snapshot));
        tokio::time::timeout(DEADLINE, seen)
            .await
            .unwrap_or_else(|_| panic!("waited in vain for {what}"))
            .expect("the node runs");
    }

    pub(crate) async fn knows(&self, nodes: usize) {
        let what = format!("{nodes} nodes");
        self.sees(&what, |snapshot| {
            snapshot.nodes.iter().filter(|node| node.reachable && node.seq > 0).count() == nodes
        })
        .await;
    }
}

/// Dials configured peers only.
pub(crate) fn aloof(config: &mut Config) {
    config.overlay.target_degree = 0;
}

pub(crate) fn linked(snapshot: &Snapshot) -> usize {
    snapshot.peers.iter().filter(|peer| peer.state == PeerState::Linked).count()
}

/// `a — b — c`, nobody dials more than it was told.
pub(crate) async fn line(authority: &TestAuthority) -> [Node; 3] {
    let a = Node::start_aloof(authority, "a", &[]);
    let b = Node::start_aloof(authority, "b", &[&a]);
    let c = Node::start_aloof(authority, "c", &[&b]);
    for node in [&a, &b, &c] {
        node.knows(3).await;
    }
    [a, b, c]
}
