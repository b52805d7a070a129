//! What a gateway is told when it starts.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use nuncio_audit::Audit;
use nuncio_pki::tls::ChannelServerTls;
use nuncio_rights::{Party, Rights};

use crate::{Access, Priorities, rpc::RpcHandler};

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
    /// What clients may do with topics, and how much; can be replaced, see [`crate::Renewal::set_rights`].
    pub rights: Arc<Rights>,
    /// How urgent what they publish is; can be replaced, see [`crate::Renewal::set_priorities`].
    pub priorities: Priorities,
    /// The node behind the gateway, as rules name it: a client is in a namespace only where its node is. `None` where that
    /// is not asked.
    pub node: Option<Party>,
    /// How the node presents itself to clients.
    pub version: Version,
    /// How much it lets in.
    pub limits: Limits,
    /// How long it waits.
    pub timeouts: Timeouts,
    /// Where judgements are told; by default they are logged.
    pub audit: Audit,
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
    /// Sessions in all. For a further one, one of whoever has most of them ends; it is closed when nobody has more than it.
    pub connections: usize,
    /// Sessions from one address, or IPv6 /64; further ones are closed at once. Three quarters of all by default: no single host
    /// takes the last quarter.
    pub connections_per_address: usize,
    /// Sessions with one certificate, at whichever door; further ones are refused after their handshake. As many as there are
    /// by default: one of whoever has most makes room.
    pub connections_per_certificate: usize,
    /// Who may stand at the port while its handshake is not done.
    pub door: nuncio_door::Limits,
    /// Bytes of all sessions' topics. A name counts with 16 bytes more than it has. A list over this limit, or one of the
    /// next two, is refused as a whole and the former one kept.
    pub topic_bytes: usize,
    /// Bytes of the topics of all sessions with one certificate.
    pub topic_bytes_per_certificate: usize,
    /// Bytes of one session's topics.
    pub topic_bytes_per_session: usize,
    /// Bytes of frames that all sessions have begun to read, each counted with its whole length from its beginning on; those
    /// for which there is no room wait unread, first come, first served. Frames under 16 KiB are not counted.
    pub intake_bytes: usize,
    /// The same for all sessions with one certificate.
    pub intake_bytes_per_certificate: usize,
    /// Messages queued for one session; see [`Limits::queue_bytes`].
    pub queue_frames: usize,
    /// Bytes queued for one session. When full, a unicast is given back to the core and a multicast is dropped; two
    /// messages are always taken, whatever their length, when the two following limits allow it.
    pub queue_bytes: usize,
    /// Bytes queued for all sessions; a message that many of them wait for counts once. When full, as above.
    pub queue_bytes_of_all: usize,
    /// Bytes queued for all sessions with one certificate, counted so too.
    pub queue_bytes_per_certificate: usize,
    /// Messages of one session that wait for their answer; its socket is not read while there are as many.
    pub window_frames: usize,
    /// Bytes of such messages and of their queued answers; its socket is not read while there are as many.
    pub window_bytes: usize,
    /// Such bytes of all sessions; no session's socket is read while there are as many.
    pub in_flight_bytes: usize,
    /// Such bytes of all sessions with one certificate; no socket of theirs is read while there are as many.
    pub in_flight_bytes_per_certificate: usize,
    /// RPC calls of all sessions in a second, and as many at once; further ones are answered with the error −40011. A certificate
    /// has no more than leaves as many free as it has had. Whatever stands here, each has 4 MiB of answers of the node itself in a
    /// second, and 16 MiB at once.
    pub calls_per_second: Option<u32>,
    /// Body of a frame that is not an AMOP message, in bytes; longer ones are skipped.
    pub control_body: usize,
}

/// How long a gateway waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// From the TCP connection to the end of the TLS handshake, whatever arrives in between.
    pub handshake: Duration,
    /// Without a byte read from the client, while the gateway would read, before a session is closed.
    pub idle: Duration,
    /// For a sixteenth of a frame to come while other frames wait for its room, before its session is closed.
    pub intake: Duration,
    /// For the socket to take the next 16 KiB, or all there is when that is less, and for the client's host to acknowledge
    /// what was sent, before a session is closed.
    pub write: Duration,
    /// How long an acknowledgement is waited for from when its delivery was written; later ones are dropped. Longer than
    /// the core's whole AMOP budget.
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
            rights: Arc::default(),
            priorities: Priorities::default(),
            node: None,
            version: Version::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            audit: Audit::default(),
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

impl Limits {
    /// 2,048 connections, as many with one certificate, 1,536 from one address; 1,024 handshakes of strangers at once and 16
    /// connections per second of each source, 1,024 saved up; topics of 16 MiB, 4 MiB for one certificate, 1 MiB for one session; unfinished frames of 256 MiB, 32 MiB for one certificate; queue 4,096 messages or 24 MiB,
    /// 512 MiB for all, 96 MiB for one certificate; window 256 messages or 32 MiB;
    /// in flight 256 MiB, 64 MiB for one certificate; calls unlimited;
    /// control bodies of 1 MiB.
    pub const DEFAULT: Self = Self {
        connections: 2048,
        connections_per_address: 1536,
        connections_per_certificate: 2048,
        door: nuncio_door::Limits::new(1024, 16, 1024),
        topic_bytes: 16 << 20,
        topic_bytes_per_certificate: 4 << 20,
        topic_bytes_per_session: 1 << 20,
        intake_bytes: 256 << 20,
        intake_bytes_per_certificate: 32 << 20,
        queue_frames: 4096,
        queue_bytes: 24 << 20,
        queue_bytes_of_all: 512 << 20,
        queue_bytes_per_certificate: 96 << 20,
        window_frames: 256,
        window_bytes: 32 << 20,
        in_flight_bytes: 256 << 20,
        in_flight_bytes_per_certificate: 64 << 20,
        calls_per_second: None,
        control_body: 1 << 20,
    };
}

/// [`Limits::DEFAULT`].
impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Handshake 5 s; idle 60 s; unfinished frames and write 10 s; acknowledgement 5 s; drain 2 s.
impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            intake: Duration::from_secs(10),
            write: Duration::from_secs(10),
            acknowledge: Duration::from_secs(5),
            drain: Duration::from_secs(2),
        }
    }
}
