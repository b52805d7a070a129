use std::{fmt, path::PathBuf, sync::Arc};

use nuncio_audit::Audit;
use nuncio_door::Limits;
use nuncio_metrics::Metrics;
use nuncio_pki::{Certificate, Identity, SharedPolicy};
use nuncio_protocol::amop::ClientPort;
use nuncio_rights::Rights;
use tokio::sync::watch;

use crate::service;

/// What a node needs to run.
#[non_exhaustive]
pub struct Config {
    /// Key and certificate chain.
    pub identity: Arc<Identity>,
    /// Certificates of agencies that signed revocation lists in force and may stand in no peer's chain any more. They
    /// are not trusted for being here.
    pub agencies: Vec<Certificate>,
    /// Told whenever revocation lists of the network were adopted, with the certificates of the agencies that signed
    /// lists in force, so that both can be kept for the next start. The shared policy holds the lists already.
    pub adoptions: Option<watch::Sender<Vec<Certificate>>>,
    /// Who is admitted; may be swapped while the node runs, see [`crate::NodeHandle::policy_changed`].
    pub policy: SharedPolicy,
    /// What other nodes and applications here may do with topics; can be replaced, see [`crate::NodeHandle::set_rights`].
    pub rights: Arc<Rights>,
    /// The network's name. Nodes of different networks never link.
    pub network: String,
    /// Where to listen: `ip:port`, `[ipv6]:port`; port 0 takes a free one.
    pub listen: Vec<String>,
    /// Where others can dial this node, when that differs from where it listens (NAT, containers): `host:port`, or a multiaddr
    /// of a host and a TCP port; at most [`MAX_EXTERNAL`](crate::MAX_EXTERNAL).
    pub external: Vec<String>,
    /// Configured peers: `host:port`, `ip:port`, `[ipv6]:port` or a multiaddr.
    pub peers: Vec<String>,
    /// Where the epoch is kept; made when it does not exist.
    pub data_dir: PathBuf,
    /// Name and version of the software, for the status record.
    pub software: String,
    /// The core's knobs.
    pub overlay: nuncio_protocol::Config,
    /// Who may stand at the p2p port while its handshake is not done.
    pub door: Limits,
    /// Dials under way at most.
    pub max_pending_dials: u32,
    /// Established connections at most.
    pub max_links: u32,
    /// Bytes of messages that one listener may be behind, of one source half of them; at least two messages of the greatest
    /// length of one source, and one of another.
    pub listener_queue: usize,
    /// Where judgements are told; by default they are logged.
    pub audit: Audit,
    /// Where everything is counted. One node each.
    pub metrics: Metrics,
    /// Where requests to the node itself go.
    pub service: Option<service::Port>,
    /// Whether its status says that it renews certificates of its agency.
    pub issues: bool,
    /// The gateway's clients, if there is a gateway.
    pub clients: Option<Arc<dyn ClientPort>>,
}

impl Config {
    /// The default of [`Config::listener_queue`].
    pub const LISTENER_QUEUE: usize = 32 << 20;

    /// The defaults of a node with this identity: network `nuncio`, no listener, no peers, 256 handshakes of strangers
    /// at once and 16 connections per second of each source, 128 saved up; 64 pending dials, 512 links, 24 MiB
    /// for each listener.
    pub fn new(identity: Arc<Identity>, policy: SharedPolicy, data_dir: PathBuf) -> Self {
        Self {
            identity,
            policy,
            rights: Arc::default(),
            network: "nuncio".into(),
            listen: Vec::new(),
            external: Vec::new(),
            peers: Vec::new(),
            data_dir,
            software: concat!("nuncio ", env!("CARGO_PKG_VERSION")).into(),
            overlay: nuncio_protocol::Config::default(),
            door: Limits::new(256, 16, 128),
            max_pending_dials: 64,
            max_links: 512,
            listener_queue: Self::LISTENER_QUEUE,
            audit: Audit::default(),
            metrics: Metrics::new(),
            service: None,
            issues: false,
            clients: None,
            agencies: Vec::new(),
            adoptions: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("node", &self.identity.key.node_id())
            .field("network", &self.network)
            .field("listen", &self.listen)
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}
