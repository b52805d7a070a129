//! Node directories, and nodes that run from them.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use nuncio_admin::{Address, Client};
use nuncio_daemon::{Bound, Daemon, Reloader, RunError, Shutdown, Source, StartError};
use nuncio_identity::NodeId;
use nuncio_node::{NodeHandle, PeerState, Snapshot};
use nuncio_testkit::TestAuthority;
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A node directory with `nuncio.toml` and `conf/`.
pub(crate) struct Home {
    pub(crate) dir: TempDir,
    pub(crate) id: NodeId,
}

impl Home {
    pub(crate) fn new(authority: &TestAuthority, name: &str, toml: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let id = authority.write_node_directory(&dir.path().join("conf"), name);
        let home = Self { dir, id };
        home.write(toml);
        home
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("nuncio.toml")
    }

    /// Writes the file with free ports in front; `toml` may go on in `[p2p]`.
    pub(crate) fn write(&self, toml: &str) {
        let text = format!("[gateway]\nlisten = \"127.0.0.1:0\"\n[p2p]\nlisten = \"127.0.0.1:0\"\n{toml}");
        fs::write(self.file(), text).unwrap();
    }

    pub(crate) fn daemon(&self) -> Daemon {
        Daemon::from_source(Source::File(self.file())).unwrap()
    }

    pub(crate) async fn start(&self) -> Running {
        Running::new(self.daemon().build().await.unwrap())
    }

    pub(crate) async fn refusal(&self) -> StartError {
        self.daemon().build().await.unwrap_err()
    }
}

pub(crate) struct Running {
    pub(crate) client: Client,
    pub(crate) node: NodeHandle,
    pub(crate) p2p: SocketAddr,
    pub(crate) gateway: Option<SocketAddr>,
    pub(crate) web: Option<SocketAddr>,
    pub(crate) reloader: Reloader,
    pub(crate) shutdown: Shutdown,
    pub(crate) work: JoinHandle<Result<(), RunError>>,
}

impl Running {
    pub(crate) fn new(bound: Bound) -> Self {
        let client = Client::new(Address::Unix(bound.admin_socket().unwrap().to_owned()));
        let (p2p, gateway, reloader) = (bound.p2p_addresses()[0], bound.gateway_address(), bound.reloader());
        let web = bound.web_address();
        let (node, shutdown) = (bound.handle(), Shutdown::new());
        let work = tokio::spawn(bound.run(shutdown.clone()));
        Self { client, node, p2p, gateway, web, reloader, shutdown, work }
    }

    pub(crate) async fn stop(self) -> Duration {
        let asked = Instant::now();
        self.shutdown.drain.cancel();
        timeout(DEADLINE, self.work).await.expect("stops in time").unwrap().unwrap();
        asked.elapsed()
    }

    /// Waits until the number of links is as wanted.
    pub(crate) async fn links(&self, wanted: usize) {
        let linked = |now: &Snapshot| now.peers.iter().filter(|peer| peer.state == PeerState::Linked).count();
        let mut snapshots = self.node.snapshots();
        let reached = timeout(DEADLINE, snapshots.wait_for(|now| linked(now) == wanted)).await;
        reached.unwrap_or_else(|_| panic!("not {wanted} links in time")).unwrap();
    }

    pub(crate) async fn configured(&self) -> Vec<String> {
        let peers = self.client.peers().await.unwrap();
        peers.into_iter().filter(|peer| peer.configured).map(|peer| peer.address).collect()
    }
}

pub(crate) fn peers(addresses: &[SocketAddr]) -> String {
    format!("peers = {:?}\n", addresses.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// Two running nodes with a link, the second one configured to dial the first.
pub(crate) async fn linked_pair(authority: &TestAuthority) -> ([Home; 2], [Running; 2]) {
    let homes = [Home::new(authority, "one", ""), Home::new(authority, "two", "")];
    let first = homes[0].start().await;
    homes[1].write(&peers(&[first.p2p]));
    let second = homes[1].start().await;
    first.links(1).await;
    second.links(1).await;
    (homes, [first, second])
}
