use std::{net::SocketAddr, path::PathBuf, time::Duration};

use nuncio_pki::{CrlPolicy, RoleRule};

use super::{
    section::section,
    value::{Interval, LogFormat, Node, Peer, Sdk, Size},
};

section! {
    /// `[identity]`: who the node is, and whom it trusts.
    Identity {
        /// The node's secp256k1 key, PKCS#8 or SEC1 PEM; readable by its owner only. Default: conf/node.key.
        key: PathBuf = "conf/node.key".into(),
        /// Its certificate and the intermediate ones behind it. Default: conf/node.crt.
        cert: PathBuf = "conf/node.crt".into(),
        /// The authorities whose nodes are admitted. Default: conf/ca.crt.
        ca: PathBuf = "conf/ca.crt".into(),
        /// Certificate revocation lists of these authorities, of agencies below them and of the authorities of SDKs: PEM or
        /// DER, one or more in a file. Default: none.
        crl: Vec<PathBuf> = Vec::new(),
        /// Whether a certificate must state the role of whoever shows it, node or SDK: "required", or "any" for a network
        /// whose certificates do not tell them apart; then an SDK's certificate makes a node. Default: required.
        roles: RoleRule = RoleRule::Required,
        /// What it means that an authority has no list here, or one past its nextUpdate. soft: nothing. hard: nobody of that
        /// authority is admitted, no node and no SDK; who is in stays. Default: soft.
        crl_policy: CrlPolicy = CrlPolicy::Soft,
    }
}

section! {
    /// `[p2p]`: links to other nodes.
    P2p {
        /// Where other nodes connect, ip:port or `[ipv6]:port`. Default: 0.0.0.0:30300.
        listen: SocketAddr = SocketAddr::from(([0, 0, 0, 0], 30300)),
        /// Peers to keep linked: host:port, ip:port, `[ipv6]:port` or a multiaddr. One is enough to join. Default: none.
        peers: Vec<Peer> = Vec::new(),
        /// Addresses under which others reach this node, where `listen` does not say it (NAT, containers), as peers
        /// are written. Default: none, the addresses of this machine are told.
        external: Vec<Peer> = Vec::new(),
        /// The network's name; nodes of another name are refused. Default: nuncio.
        network: String = "nuncio".to_owned(),
        /// Links wanted in all; nodes learnt from others are dialled until there are so many. Default: 8.
        target_degree: usize = 8,
        /// Most links; further ones are refused. Default: 128.
        max_links: u32 = 128,
        /// Most connections of strangers that are still shaking hands; half of it for one address (IPv6: /64), three
        /// quarters for one network (/24, IPv6: /48). When all are taken, the oldest of the most crowded address makes
        /// room. A quarter more is kept for configured peers and addresses admitted lately. Default: 256.
        max_pending_handshakes: usize = 256,
        /// Connections per second of one address (IPv6: /64) in the long run, eight times as many at once; further ones
        /// are closed before TLS. Default: 16.
        connections_per_second: u32 = 16,
        /// First pause between dials of an address that does not answer. Default: 250ms.
        redial_first: Interval = Interval(Duration::from_millis(250)),
        /// Longest such pause. Default: 15s.
        redial_longest: Interval = Interval(Duration::from_secs(15)),
        /// How long a node that cannot be reached stays known. Default: 10m.
        forget_after: Interval = Interval(Duration::from_secs(600)),
    }
}

section! {
    /// `[gateway]`: the port for FISCO BCOS 2.x SDKs.
    Gateway {
        /// Whether SDKs are served at all. Default: true.
        enabled: bool = true,
        /// Where SDKs connect (the channel port), ip:port or `[ipv6]:port`. Default: 0.0.0.0:20200.
        listen: SocketAddr = SocketAddr::from(([0, 0, 0, 0], 20200)),
        /// The key of the channel port. key, cert and ca are set together or not at all. Default: the node's own, with
        /// those in channel_cert/ beside the node's certificate as rsa_key and rsa_cert when that directory is there.
        /// Example: "conf/channel_cert/node.key"
        key: Option<PathBuf> = None,
        /// The certificate of the channel port; see key.
        /// Example: "conf/channel_cert/node.crt"
        cert: Option<PathBuf> = None,
        /// The authorities whose SDKs are admitted; see key.
        /// Example: "conf/channel_cert/ca.crt"
        ca: Option<PathBuf> = None,
        /// The key of a second certificate, RSA, shown to SDKs that cannot use secp256k1 (JDK 16 and later); set together
        /// with rsa_cert. Default: see key.
        /// Example: "conf/channel_cert/node.key"
        rsa_key: Option<PathBuf> = None,
        /// That certificate; its authority must be in ca, and the node's in the ca.crt of SDKs that know secp256k1.
        /// Default: see key.
        /// Example: "conf/channel_cert/node.crt"
        rsa_cert: Option<PathBuf> = None,
        /// Whether an SDK must be of the node's own agency, by the node's certificate of the same kind. Default: true.
        same_agency: bool = true,
        /// SDKs by key (128 hexadecimal digits or key:HASH), by certificate (SERIAL@ISSUER) or by its SHA-256 fingerprint, as
        /// `nuncio cert inspect` shows them; as soon as one is here, all others are refused. Default: none, everyone.
        allow: Vec<Sdk> = Vec::new(),
        /// SDKs that are refused whatever else is said. Default: none.
        deny: Vec<Sdk> = Vec::new(),
        /// SDKs, named as in allow, that may add, erase and query peers by JSON-RPC (addPeers, erasePeers, queryPeers).
        /// Default: none.
        operators: Vec<Sdk> = Vec::new(),
        /// Most SDK connections; further ones are closed. Default: 2048.
        max_clients: usize = 2048,
        /// Most SDK connections that are still shaking hands; see the same setting of `[p2p]`. Default: 1024.
        max_pending_handshakes: usize = 1024,
        /// Connections per second of one address (IPv6: /64) in the long run, 64 times as many at once; further ones are
        /// closed before TLS. Default: 16.
        connections_per_second: u32 = 16,
        /// Bytes queued for one SDK; when full, unicasts go to another subscriber and multicasts are dropped. Two
        /// messages are taken whatever their length. Default: 24MiB.
        client_queue: Size = Size(24 << 20),
        /// Bytes queued for all SDKs with one certificate; a message that many of them wait for counts once.
        /// Default: 96MiB.
        certificate_queue: Size = Size(96 << 20),
        /// Bytes queued for all SDKs. Default: 512MiB.
        total_queue: Size = Size(512 << 20),
        /// Bytes of the messages over 16 KiB that SDKs with one certificate have begun to send; others wait unread.
        /// Default: 32MiB.
        certificate_intake: Size = Size(32 << 20),
        /// The same of all SDKs. Default: 256MiB.
        total_intake: Size = Size(256 << 20),
        /// Bytes that SDKs with one certificate have published or asked for and not been answered; none of them is read
        /// while there are as many. Default: 64MiB.
        certificate_in_flight: Size = Size(64 << 20),
        /// The same of all SDKs. Default: 256MiB.
        total_in_flight: Size = Size(256 << 20),
        /// Bytes of one SDK's topic names, each counted with 16 bytes more than it has; a list over it, or over one of the
        /// next two, is refused and the former one stays. Default: 1MiB.
        client_topics: Size = Size(1 << 20),
        /// The same of all SDKs with one certificate. Default: 4MiB.
        certificate_topics: Size = Size(4 << 20),
        /// The same of all SDKs. Default: 16MiB.
        total_topics: Size = Size(16 << 20),
        /// An SDK that says nothing for so long is disconnected. Default: 60s.
        client_idle: Interval = Interval(Duration::from_secs(60)),
        /// Bytes per second of publishes that leave for other nodes (a multicast counts once for each node with
        /// subscribers); publishers over it get code 103. Default: no limit.
        /// Example: "256KiB"
        outgoing_limit: Option<Size> = None,
        /// Bytes per second that one SDK publishes; over it, code 103. Default: no limit.
        /// Example: "1MiB"
        client_limit: Option<Size> = None,
        /// Bytes per second that this node's SDKs publish to one topic; over it, code 103. Default: no limit.
        /// Example: "1MiB"
        topic_limit: Option<Size> = None,
        /// JSON-RPC calls of all SDKs in a second; further ones get the error -40011. Default: no limit.
        /// Example: 1000
        calls_per_second: Option<u32> = None,
        /// How long one subscriber may take to answer before the next one is tried. Default: 2s.
        candidate_timeout: Interval = Interval(Duration::from_secs(2)),
        /// How long a publish may take in all; SDKs give up at 5 s. Default: 4s.
        publish_timeout: Interval = Interval(Duration::from_secs(4)),
        /// The chain ID that SDKs are told. Default: "1".
        chain_id: String = "1".to_owned(),
        /// The FISCO BCOS version that SDKs are told. Default: "2.9.1".
        supported_version: String = "2.9.1".to_owned(),
    }
}

section! {
    /// `[admin]`: the operator's API.
    Admin {
        /// The unix socket, made with mode 0600: whoever may open it has all authority over the node.
        /// Default: admin.sock in data_dir.
        /// Example: "data/admin.sock"
        socket: Option<PathBuf> = None,
        /// A TCP address besides, plain HTTP: every program that can open it has all authority over the node.
        /// Default: none.
        /// Example: "127.0.0.1:8545"
        listen: Option<SocketAddr> = None,
        /// Take a listen address that is not loopback; only where something else keeps strangers out. Default: false.
        allow_remote: bool = false,
    }
}

section! {
    /// `[access]`: which certified nodes are welcome. `nuncio access` changes it at run time.
    Access {
        /// Node IDs, 128 hexadecimal digits; as soon as one is here, all others are refused. Default: none, everyone.
        allow: Vec<Node> = Vec::new(),
        /// Node IDs that are refused whatever else is said. Default: none.
        deny: Vec<Node> = Vec::new(),
    }
}

section! {
    /// `[log]`: what is written to standard error.
    Log {
        /// error, warn, info, debug, trace or off; also per part, as warn,nuncio_node=debug. Default: info.
        filter: String = "info".to_owned(),
        /// human or json. Default: human.
        format: LogFormat = LogFormat::Human,
    }
}
