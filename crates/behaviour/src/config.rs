use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use libp2p::swarm::DialError;
use nuncio_identity::Signer;
use nuncio_metrics::Metrics;
use nuncio_protocol::amop::ClientPort;

use crate::access::Certifier;

/// Turns a failed dial into one line for operators.
pub type DescribeDialError = Arc<dyn Fn(&DialError) -> String + Send + Sync>;

/// What a [`crate::Behaviour`] needs to know.
pub struct Config {
    /// The node's key: it signs status records, announcements and multicasts.
    pub key: Signer,
    /// The node's certificate chain in DER, its own first, without the root. Goes into its status record.
    pub chain: Vec<Bytes>,
    /// The common name in the node's certificate.
    pub name: String,
    /// The common name of its issuer.
    pub agency: String,
    /// Name and version of the software, for the status record.
    pub software: String,
    /// The network's name; signatures are bound to it.
    pub network: String,
    /// Greater than at every earlier start of this node: else others do not hear it. [`crate::EpochStore`] keeps it on disk.
    pub epoch: u64,
    /// Whether the node renews certificates of its agency: others learn it from its status record.
    pub issues: bool,
    /// Feeds jitter and random choice; from the operating system.
    pub seed: u64,
    /// The core's knobs.
    pub overlay: nuncio_protocol::Config,
    /// Judges the certificate chains behind other nodes' records.
    pub certifier: Arc<dyn Certifier>,
    /// Words for failed dials; [`DialError`]'s own by default.
    pub describe_dial_error: DescribeDialError,
    /// Where messages for AMOP clients go; without it they come as [`crate::Event::Client`].
    pub clients: Option<Arc<dyn ClientPort>>,
    /// Where everything is counted; nowhere to be seen by default.
    pub metrics: Metrics,
    /// Dials under way at most. 64.
    pub max_pending_dials: u32,
    /// Established connections at most. 512.
    pub max_connections: u32,
    /// Bytes that wait for one connection and protocol at the most, of this node and of each that brings some; then
    /// [`Refusal::Busy`] or the next AMOP candidate. 32 MiB.
    ///
    /// [`Refusal::Busy`]: nuncio_protocol::unicast::Refusal::Busy
    pub link_queue: usize,
    /// Bytes that wait for all connections together; whoever brings some may have as many as that leaves free. 256 MiB.
    pub link_queues: usize,
    /// A link that wrote nothing for so long says that it lives; so it is heard at least every second time. 1 s.
    pub heartbeat: Duration,
    /// A link on which nothing is heard for so long is closed. 7 s.
    pub silence: Duration,
}

impl Config {
    /// The default of [`Config::link_queues`].
    pub const LINK_QUEUES: usize = 256 << 20;

    /// The defaults of a node with this key, in this epoch.
    pub fn new(
        key: impl Into<Signer>,
        chain: Vec<Bytes>,
        network: &str,
        certifier: Arc<dyn Certifier>,
        epoch: u64,
    ) -> Self {
        Self {
            key: key.into(),
            chain,
            name: String::new(),
            agency: String::new(),
            software: concat!("nuncio ", env!("CARGO_PKG_VERSION")).to_owned(),
            network: network.to_owned(),
            epoch,
            issues: false,
            seed: 0,
            overlay: nuncio_protocol::Config::default(),
            certifier,
            describe_dial_error: Arc::new(ToString::to_string),
            clients: None,
            metrics: Metrics::new(),
            max_pending_dials: 64,
            max_connections: 512,
            link_queue: 32 << 20,
            link_queues: Self::LINK_QUEUES,
            heartbeat: Duration::from_secs(1),
            silence: Duration::from_secs(7),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("key", &self.key)
            .field("network", &self.network)
            .field("epoch", &self.epoch)
            .field("overlay", &self.overlay)
            .finish_non_exhaustive()
    }
}
