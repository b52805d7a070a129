//! What a gateway is told when it starts.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use nuncio_pki::tls::ChannelServerTls;

use crate::{Access, rpc::RpcHandler};

/// Where a gateway listens, as whom, and how much it lets in.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// The channel port; FISCO BCOS nodes use 20200 and up. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The TLS side of the port.
    pub tls: ChannelServerTls,
    /// Whether a client must be of the node's own agency: the issuer of its certificate that of the node's own certificate
    /// of the same kind, on an elliptic curve or RSA. A kind that the node has none of is not compared. On by default, as
    /// FISCO's `check_cert_issuer` is.
    pub same_agency: bool,
    /// Which of the clients that TLS admits may come in; can be replaced, see [`crate::Renewal::set_access`].
    pub access: Access,
    /// How the node presents itself to clients.
    pub version: Version,
    /// How much it lets in.
    pub limits: Limits,
    /// How long it waits.
    pub timeouts: Timeouts,
    /// Answers RPC calls before the gateway does; `None` leaves the built-in methods alone.
    pub rpc: Option<Arc<dyn RpcHandler>>,
}

/// What `getClientVersion` and the handshake say.
///
/// SDKs compare the two version numbers with what they support, and the Go SDK the chain id with its own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// `Supported Version` and the handshake's `nodeVersion`: the compatibility level.
    pub supported: String,
    /// `FISCO-BCOS Version`.
    pub fisco_bcos: String,
    /// `Chain Id`.
    pub chain_id: String,
    /// `Build Time`, as `20260131 10:20:30`.
    pub build_time: String,
    /// `Build Type`, as `Linux/g++/Release`.
    pub build_type: String,
    /// `Git Branch`.
    pub git_branch: String,
    /// `Git Commit Hash`.
    pub git_commit: String,
}

/// How much a gateway lets in. Whatever is over a limit is refused, dropped or made to wait as its field says, and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Sessions in all; further connections are closed at once.
    pub connections: usize,
    /// Sessions from one address; further ones are closed at once. Three quarters of all by default: no single host
    /// takes the last quarter.
    pub connections_per_address: usize,
    /// Who may stand at the port while its handshake is not done.
    pub door: nuncio_door::Limits,
    /// Topics of one session; a longer list is ignored as a whole and the former one kept.
    pub topics: usize,
    /// Messages queued for one session; see [`Limits::queue_bytes`].
    pub queue_frames: usize,
    /// Bytes queued for one session. When full, a unicast is given back to the core and a multicast is dropped; one
    /// message is always taken when the queue is empty.
    pub queue_bytes: usize,
    /// Messages of one session that wait for their answer; its socket is not read while there are as many.
    pub window_frames: usize,
    /// Bytes of such messages and of their queued answers; its socket is not read while there are as many.
    pub window_bytes: usize,
    /// RPC calls of all sessions in a second, and as many at once; further ones are answered with the error −40011.
    pub calls_per_second: Option<u32>,
    /// Body of a frame that is not an AMOP message, in bytes; longer ones are skipped.
    pub control_body: usize,
}

/// How long a gateway waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// From the TCP connection to the end of the TLS handshake, whatever arrives in between.
    pub handshake: Duration,
    /// Without a byte read or written, before a session is closed.
    pub idle: Duration,
    /// For the socket to take the next 16 KiB, or all there is when that is less, before a session is closed.
    pub write: Duration,
    /// How long an acknowledgement is waited for; later ones are dropped. Longer than the core's whole AMOP budget.
    pub acknowledge: Duration,
    /// At shutdown, for messages in flight to be answered and answers to be written.
    pub drain: Duration,
}

impl Config {
    /// A gateway with every default.
    pub fn new(listen: SocketAddr, tls: ChannelServerTls) -> Self {
        Self {
            listen,
            tls,
            same_agency: true,
            access: Access::default(),
            version: Version::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            rpc: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("same_agency", &self.same_agency)
            .field("version", &self.version)
            .field("limits", &self.limits)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// FISCO BCOS 2.9.1 on chain 1: what every SDK of the 2.x line takes.
impl Default for Version {
    fn default() -> Self {
        Self {
            supported: "2.9.1".into(),
            fisco_bcos: "2.9.1".into(),
            chain_id: "1".into(),
            build_time: String::new(),
            build_type: concat!("nuncio ", env!("CARGO_PKG_VERSION")).into(),
            git_branch: String::new(),
            git_commit: String::new(),
        }
    }
}

/// 2,048 sessions, 1,536 from one address; 1,024 handshakes of strangers at once and 16 connections per second of each
/// source, 1,024 saved up; 512 topics; queue 4,096 messages or
/// 8 MiB; window 256 messages or 32 MiB; calls unlimited;
/// control bodies of 1 MiB.
impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2048,
            connections_per_address: 1536,
            door: nuncio_door::Limits::new(1024, 16, 1024),
            topics: 512,
            queue_frames: 4096,
            queue_bytes: 8 << 20,
            window_frames: 256,
            window_bytes: 32 << 20,
            calls_per_second: None,
            control_body: 1 << 20,
        }
    }
}

/// Handshake 5 s; idle 60 s; write 10 s; acknowledgement 5 s; drain 2 s.
impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(10),
            acknowledge: Duration::from_secs(5),
            drain: Duration::from_secs(2),
        }
    }
}
