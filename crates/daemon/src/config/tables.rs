use std::{net::SocketAddr, path::PathBuf, time::Duration};

use nuncio_audit::Scope;
use nuncio_pki::{CrlPolicy, RoleRule};

use super::{
    listen::Listen,
    peer::Peer,
    section::section,
    value::{Interval, LogFormat, Mode, Node, Sdk, Size},
};

section! {
    /// `[identity]`: who the node is, and whom it trusts.
    Identity {
        /// The node's secp256k1 key, PKCS#8 or SEC1 PEM, or the PKCS#11 URI (pkcs11:…) of one in a token; readable by its owner
        /// only. Default: conf/node.key.
        live key: PathBuf = "conf/node.key".into(),
        /// Its certificate and the intermediate ones behind it. Default: conf/node.crt.
        live cert: PathBuf = "conf/node.crt".into(),
        /// The authorities whose nodes are admitted. Default: conf/ca.crt.
        live ca: PathBuf = "conf/ca.crt".into(),
        /// Certificate revocation lists of these authorities, of agencies below them and of the authorities of SDKs: PEM or
        /// DER, one or more in a file. Default: none.
        live crl: Vec<PathBuf> = Vec::new(),
        /// Whether a certificate must state the role of whoever shows it, node or SDK: "required", or "any" for a network
        /// whose certificates do not tell them apart; then an SDK's certificate makes a node. Default: required.
        live roles: RoleRule = RoleRule::Required,
        /// What it means that an authority has no list here, or one past its nextUpdate. soft: nothing. hard: nobody of that
        /// authority is admitted, no node and no SDK; who is in stays. Default: soft.
        live crl_policy: CrlPolicy = CrlPolicy::Soft,
    }
}

section! {
    /// `[p2p]`: links to other nodes.
    P2p {
        /// Where other nodes connect, ip:port or `[ipv6]:port`, or a list of them; `[::]` is IPv4 and IPv6.
        /// Default: 0.0.0.0:30300.
        restart listen: Listen = SocketAddr::from(([0, 0, 0, 0], 30300)).into(),
        /// Peers to keep linked: host:port, ip:port, `[ipv6]:port` or a multiaddr. One is enough to join. Default: none.
        live peers: Vec<Peer> = Vec::new(),
        /// Addresses under which others reach this node, where `listen` does not say it (NAT, containers), as peers
        /// are written; at most 8. Default: none, the addresses of this machine are told.
        restart external: Vec<Peer> = Vec::new(),
        /// The network's name; nodes of another name are refused. Default: nuncio.
        restart network: String = "nuncio".to_owned(),
        /// Links wanted in all; nodes learnt from others are dialled until there are so many. Default: 8.
        restart target_degree: usize = 8,
        /// Most links; further ones are refused. Default: 128.
        restart max_links: u32 = 128,
        /// Most connections of strangers that are still shaking hands; half of it for one address (IPv6: /64), three
        /// quarters for one network (/24, IPv6: /48). When all are taken, the oldest of the most crowded address makes
        /// room. A quarter more is kept for configured peers and addresses admitted lately. Default: 256.
        restart max_pending_handshakes: usize = 256,
        /// Connections per second of one address (IPv6: /64) in the long run, eight times as many at once; further ones
        /// are closed before TLS. Default: 16.
        restart connections_per_second: u32 = 16,
        /// First pause between dials of an address that does not answer. Default: 250ms.
        restart redial_first: Interval = Interval(Duration::from_millis(250)),
        /// Longest such pause. Default: 15s.
        restart redial_longest: Interval = Interval(Duration::from_secs(15)),
        /// How long a node that cannot be reached stays known. Default: 10m.
        restart forget_after: Interval = Interval(Duration::from_secs(600)),
    }
}

section! {
    /// `[gateway]`: the port for FISCO BCOS 2.x SDKs.
    Gateway {
        /// Whether SDKs are served at all. Default: true.
        restart enabled: bool = true,
        /// Where SDKs connect (the channel port), ip:port or `[ipv6]:port`. Default: 0.0.0.0:20200.
        restart listen: SocketAddr = SocketAddr::from(([0, 0, 0, 0], 20200)),
        /// The key of the channel port. key, cert and ca are set together or not at all. Default: the node's own, with
        /// those in channel_cert/ beside the node's certificate as rsa_key and rsa_cert when that directory is there.
        /// Example: "conf/channel_cert/node.key"
        live key: Option<PathBuf> = None,
        /// The certificate of the channel port; see key.
        /// Example: "conf/channel_cert/node.crt"
        live cert: Option<PathBuf> = None,
        /// The authorities whose SDKs are admitted; see key.
        /// Example: "conf/channel_cert/ca.crt"
        live ca: Option<PathBuf> = None,
        /// The key of a second certificate, RSA, shown to SDKs that cannot use secp256k1 (JDK 16 and later); set together
        /// with rsa_cert. Default: see key.
        /// Example: "conf/channel_cert/node.key"
        live rsa_key: Option<PathBuf> = None,
        /// That certificate; its authority must be in ca, and the node's in the ca.crt of SDKs that know secp256k1.
        /// Default: see key.
        /// Example: "conf/channel_cert/node.crt"
        live rsa_cert: Option<PathBuf> = None,
        /// Whether an SDK must be of the node's own agency, by the node's certificate of the same kind. Default: true.
        restart same_agency: bool = true,
        /// SDKs by key (128 hexadecimal digits or key:HASH), by certificate (SERIAL@ISSUER) or by its SHA-256 fingerprint, as
        /// `nuncio cert inspect` shows them; as soon as one is here, all others are refused. Default: none, everyone.
        live allow: Vec<Sdk> = Vec::new(),
        /// SDKs that are refused whatever else is said. Default: none.
        live deny: Vec<Sdk> = Vec::new(),
        /// SDKs, named as in allow, that may add, erase and query peers by JSON-RPC (addPeers, erasePeers, queryPeers).
        /// Default: none.
        live operators: Vec<Sdk> = Vec::new(),
        /// Most SDK connections, of which one address (IPv6: /64) has three quarters at the most. When all are taken, one of
        /// whoever has most ends for one who has fewer. Default: 2048.
        restart max_clients: usize = 2048,
        /// Most SDK connections that are still shaking hands; see the same setting of `[p2p]`. Default: 1024.
        restart max_pending_handshakes: usize = 1024,
        /// Connections per second of one address (IPv6: /64) in the long run, 64 times as many at once; further ones are
        /// closed before TLS. Default: 16.
        restart connections_per_second: u32 = 16,
        /// Bytes queued for one SDK; when full, unicasts go to another subscriber and multicasts are dropped. Two
        /// messages are taken whatever their length. Default: 24MiB.
        restart client_queue: Size = Size(24 << 20),
        /// Bytes queued for all SDKs with one certificate; a message that many of them wait for counts once.
        /// Default: 96MiB.
        restart certificate_queue: Size = Size(96 << 20),
        /// Bytes queued for all SDKs. Default: 512MiB.
        restart total_queue: Size = Size(512 << 20),
        /// Bytes of the messages over 16 KiB that SDKs with one certificate have begun to send; others wait unread.
        /// Default: 32MiB.
        restart certificate_intake: Size = Size(32 << 20),
        /// The same of all SDKs. Default: 256MiB.
        restart total_intake: Size = Size(256 << 20),
        /// Bytes that SDKs with one certificate have published or asked for and not been answered; none of them is read
        /// while there are as many. Default: 64MiB.
        restart certificate_in_flight: Size = Size(64 << 20),
        /// The same of all SDKs. Default: 256MiB.
        restart total_in_flight: Size = Size(256 << 20),
        /// Bytes of one SDK's topic names, each counted with 16 bytes more than it has; a list over it, or over one of the
        /// next two, is refused and the former one stays. More than 1MiB counts as 1MiB. Default: 1MiB.
        restart client_topics: Size = Size(1 << 20),
        /// The same of all SDKs with one certificate. Default: 4MiB.
        restart certificate_topics: Size = Size(4 << 20),
        /// The same of all SDKs. More than 16MiB counts as 16MiB. Default: 16MiB.
        restart total_topics: Size = Size(16 << 20),
        /// An SDK that says nothing for so long is disconnected. Default: 60s.
        restart client_idle: Interval = Interval(Duration::from_secs(60)),
        /// Bytes per second of publishes that leave for other nodes (a multicast counts once for each node with
        /// subscribers); publishers over it get code 103. Default: no limit.
        /// Example: "256KiB"
        restart outgoing_limit: Option<Size> = None,
        /// Bytes per second that one SDK publishes; over it, code 103. Default: no limit.
        /// Example: "1MiB"
        restart client_limit: Option<Size> = None,
        /// Bytes per second that this node's SDKs publish to one topic; over it, code 103. Default: no limit.
        /// Example: "1MiB"
        restart topic_limit: Option<Size> = None,
        /// JSON-RPC calls of all SDKs in a second, of which a certificate has no more than leaves as many free as it has had: one alone
        /// half. Further ones get the error -40011. Default: no limit.
        /// Example: 1000
        restart calls_per_second: Option<u32> = None,
        /// How long one subscriber may take to answer before the next one is tried. Default: 2s.
        restart candidate_timeout: Interval = Interval(Duration::from_secs(2)),
        /// How long a publish may take in all; SDKs give up at 5 s. Default: 4s.
        restart publish_timeout: Interval = Interval(Duration::from_secs(4)),
        /// The chain ID that SDKs are told. Default: "1".
        restart chain_id: String = "1".to_owned(),
        /// The FISCO BCOS version that SDKs are told. Default: "2.9.1".
        restart supported_version: String = "2.9.1".to_owned(),
    }
}

section! {
    /// `[web]`: the door for every language.
    Web {
        /// Whether WebSockets are served, to clients with SDKs' certificates or tokens, within the budgets, lists and rights of SDKs;
        /// needs `[gateway]` enabled, whose key, certificates and authorities it has. Default: false.
        restart enabled: bool = false,
        /// Where, ip:port or `[ipv6]:port`. Default: 0.0.0.0:20300.
        restart listen: SocketAddr = SocketAddr::from(([0, 0, 0, 0], 20300)),
        /// The origins whose pages may come in by a browser, as `["https://shop.example"]`. Default: none; programs, which
        /// name no origin, come in anyway.
        restart origins: Vec<String> = Vec::new(),
        /// Whether clients without a certificate may come in by a token (`nuncio token make NAME --scope client`), as SDKs of
        /// the node's own agency; what is changed in the file of `[admin]` tokens counts at once. Default: false.
        restart tokens: bool = false,
        /// TLS there. Without it messages and tokens can be read on their way, and nobody can show a certificate: for a
        /// loopback address only, behind something that speaks TLS with browsers. Default: true.
        restart tls: bool = true,
        /// Most connections; more than three quarters from one address (IPv6: /64) are closed. When all are taken, one of whoever
        /// has most ends for one who has fewer. Default: 512.
        restart max_clients: usize = 512,
        /// Handshakes of strangers at once; see `[gateway]` max_pending_handshakes. Default: 256.
        restart max_pending_handshakes: usize = 256,
        /// Connections per second from one address; see `[gateway]` connections_per_second. Default: 16.
        restart connections_per_second: u32 = 16,
    }
}

section! {
    /// `[admin]`: the operator's API.
    Admin {
        /// The unix socket. The kernel says who connects, and the audit log names the user.
        /// Default: admin.sock in data_dir.
        /// Example: "data/admin.sock"
        restart socket: Option<PathBuf> = None,
        /// The mode of the socket: who may open it. For others than its owner, put the socket outside data_dir, which is closed
        /// to them. Default: 0600, the user that runs the node, and root.
        restart socket_mode: Mode = Mode(0o600),
        /// Users, by number, who may change anything over the socket; others that can open it may only look. Default: none,
        /// which means everybody who can open it.
        /// Example: [1000, 1001]
        restart full_users: Vec<u32> = Vec::new(),
        /// A TCP address besides. Whoever asks there shows a token (`nuncio token`) or, with tls, an operator's
        /// certificate; nobody is answered without. Default: none.
        /// Example: "127.0.0.1:8545"
        restart listen: Option<SocketAddr> = None,
        /// TLS at that address, with the node's certificate; clients may show an operator's
        /// (`nuncio cert issue --kind operator`). Default: false, plain HTTP for tokens on this machine.
        restart tls: bool = false,
        /// What the holders of operators' certificates may: full or read. Default: full.
        restart certificate_scope: Scope = Scope::Full,
        /// Operators by the names in their certificates who may only look, whatever certificate_scope says. Default: none.
        /// Example: ["auditor"]
        restart read_only: Vec<String> = Vec::new(),
        /// Whether operators who show certificates must be of the node's own agency, or of an authority above it.
        /// Default: true: every agency of the network can certify operators.
        restart same_agency: bool = true,
        /// Without tls, take a listen address that is not loopback: tokens cross the network readable; only where something
        /// else keeps strangers out. Default: false.
        restart allow_remote: bool = false,
        /// The file of the tokens, readable by its owner only; what `nuncio token` changes in it counts at once.
        /// Default: tokens.toml in data_dir.
        /// Example: "data/tokens.toml"
        restart tokens: Option<PathBuf> = None,
        /// A TCP address that answers GET /metrics to anybody, under any host name, and nothing else. Default: none.
        /// Example: "0.0.0.0:9545"
        restart metrics_listen: Option<SocketAddr> = None,
    }
}

section! {
    /// `[audit]`: what the node judged and operators did, line by line, each with the hash of the one before, signed.
    Audit {
        /// Whether it is written. Default: true.
        restart enabled: bool = true,
        /// Where its files are. Default: audit in data_dir.
        /// Example: "data/audit"
        restart directory: Option<PathBuf> = None,
        /// Bytes at which the next file begins. Default: 16MiB.
        restart max_file: Size = Size(16 << 20),
        /// Files kept, 2 at least; when there are more, the oldest is removed, and the log says so. Default: 32.
        restart keep_files: usize = 32,
    }
}

section! {
    /// `[issuer]`: this node renews the certificates of its agency's nodes.
    Issuer {
        /// The directory of the agency, with agency.key and agency.crt: its nodes ask here for their next certificates. Whoever
        /// reads this node's memory can issue then. Default: none, and nothing is issued.
        /// Example: "../bankA"
        restart ca: Option<PathBuf> = None,
        /// How long a certificate is valid that is issued here; never longer than the agency. Default: 24h.
        restart lifetime: Interval = Interval(Duration::from_secs(86_400)),
        /// The nodes that are renewed, by node ID or by the name in their certificates. Default: none, which means every node
        /// that shows a valid certificate of this very agency.
        /// Example: ["node1", "node2"]
        restart only: Vec<String> = Vec::new(),
        /// Where newcomers with a join token (`nuncio join`) get their first certificate, ip:port or `[ipv6]:port`. Default: none.
        /// Example: "0.0.0.0:30400"
        restart listen: Option<SocketAddr> = None,
        /// How often one node may ask in an hour; more is refused. Default: 12.
        restart per_hour: u32 = 12,
    }
}

section! {
    /// `[renewal]`: this node asks for its next certificate by itself.
    Renewal {
        /// Whether it does, at two thirds of the life of its certificate, where a node of its agency has `[issuer]` ca. The key
        /// stays, and `[identity]` cert is replaced once the new one is proved. Default: true.
        restart enabled: bool = true,
    }
}

section! {
    /// `[access]`: which certified nodes are welcome. `nuncio access` changes it at run time.
    Access {
        /// Node IDs, 128 hexadecimal digits; as soon as one is here, all others are refused. Default: none, everyone.
        live allow: Vec<Node> = Vec::new(),
        /// Node IDs that are refused whatever else is said. Default: none.
        live deny: Vec<Node> = Vec::new(),
    }
}

section! {
    /// `[files]`: files that other nodes send to this one (`nuncio send-file`).
    Files {
        /// The directory that they come into, made if absent: within it each sender has one that is called as its node ID, and
        /// nothing is ever replaced there. Default: none, and no file is taken.
        /// Example: "data/files"
        restart directory: Option<PathBuf> = None,
        /// Nodes that may send files, by ID. Default: none; where agencies is empty, too, every admitted node may.
        live nodes: Vec<Node> = Vec::new(),
        /// Agencies whose nodes may send files. Default: none.
        /// Example: ["bankA"]
        live agencies: Vec<String> = Vec::new(),
        /// Bytes in the directory, those that open transfers have still to bring included; each file counts 4 KiB at the
        /// least. What is over it is refused; what is taken out of the directory makes room. Default: 16GiB.
        restart max_total: Size = Size(16 << 30),
        /// The same of one sender. Default: 4GiB.
        restart max_per_node: Size = Size(4 << 30),
        /// Files in the directory. Default: 10000.
        restart max_files: usize = 10_000,
        /// Files that come at a time, half of them of one sender; others come later. Default: 8.
        restart max_open: usize = 8,
        /// How long what has come of a file waits for the rest. Default: 168h.
        restart keep_parts: Interval = Interval(Duration::from_secs(168 * 3600)),
    }
}

section! {
    /// `[log]`: what is written to standard error.
    Log {
        /// error, warn, info, debug, trace or off; also per part, as warn,nuncio_node=debug. Default: info.
        live filter: String = "info".to_owned(),
        /// human or json. Default: human.
        restart format: LogFormat = LogFormat::Human,
    }
}
