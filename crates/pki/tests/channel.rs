//! The channel port over real loopback sockets: OpenSSL, Python and rustls as clients.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
    time::Duration,
};

use nuncio_pki::{
    Credential, Role, RoleRule, Stated,
    authority::{Issuer, Kind, Validity},
    tls::{
        ChannelPaths, ChannelServerTls, SECP256K1_GROUP, TlsConfigError, channel_client_config, channel_server_config,
    },
};
use rustls::{NamedGroup, ProtocolVersion};
use rustls_pki_types::{ServerName, UnixTime};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[path = "support/openssl.rs"]
mod openssl;
use openssl::{build_agency, build_leaf, build_root, build_rsa};

const DEADLINE: Duration = Duration::from_secs(30);
const GREETING: &[u8] = b"welcome to the channel\n";

/// What the server saw of one connection.
struct Accepted {
    client: Credential,
    version: ProtocolVersion,
    group: NamedGroup,
}

struct Server {
    address: SocketAddr,
    accepted: mpsc::UnboundedReceiver<Result<Accepted, String>>,
}

impl Server {
    async fn start(paths: &ChannelPaths) -> Self {
        let tls = channel_server_config(paths).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, accepted) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                if sender.send(greet(&tls, socket).await).is_err() {
                    break;
                }
            }
        });
        Self { address, accepted }
    }

    async fn next(&mut self) -> Result<Accepted, String> {
        timeout(DEADLINE, self.accepted.recv()).await.expect("a connection in time").expect("the server runs")
    }
}

async fn greet(tls: &ChannelServerTls, socket: TcpStream) -> Result<Accepted, String> {
    let handshake = tls.handshake(false).unwrap();
    let accepted = TlsAcceptor::from(handshake.config()).accept(socket).await;
    let mut stream = accepted.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(inner) => handshake.refused(rustls::Error::clone(inner)).to_string(),
        None => error.to_string(),
    })?;
    let (_, connection) = stream.get_ref();
    let accepted = Accepted {
        client: tls.client_of(connection).expect("a certificate is mandatory"),
        version: connection.protocol_version().unwrap(),
        group: connection.negotiated_key_exchange_group().unwrap().name(),
    };
    stream.write_all(GREETING).await.map_err(|error| error.to_string())?;
    stream.shutdown().await.map_err(|error| error.to_string())?;
    // Leaving at once would reset the connection under a client that has not read yet.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut Vec::new())).await;
    Ok(accepted)
}

async fn run(program: &str, arguments: &[&str]) -> Output {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    timeout(DEADLINE, child.wait_with_output()).await.expect("the client ends in time").unwrap()
}

async fn s_client(address: SocketAddr, sdk: &Path, options: &str) -> String {
    let directory = sdk.display();
    let arguments = format!(
        "s_client -connect {address} -quiet -verify_return_error -CAfile {directory}/ca.crt -cert {directory}/sdk.crt \
         -cert_chain {directory}/sdk.crt -key {directory}/sdk.key {options}"
    );
    let output = run("openssl", &arguments.split_whitespace().collect::<Vec<_>>()).await;
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

async fn rust_client(address: SocketAddr, directory: &Path) -> Result<Vec<u8>, String> {
    let config = channel_client_config(directory).map_err(|error| error.to_string())?;
    let socket = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let exchange = async {
        let mut stream = connector.connect(ServerName::from(address.ip()), socket).await?;
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await?;
        stream.shutdown().await?;
        Ok(read)
    };
    timeout(DEADLINE, exchange).await.expect("an answer in time").map_err(|error: std::io::Error| error.to_string())
}

/// Directories as FISCO BCOS's tool makes them: `node/`, `sdk/`, `rsa-node/`, `rsa-sdk/`.
struct Fisco {
    directory: tempfile::TempDir,
}

impl Fisco {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        build_root(path);
        build_agency(path);
        build_leaf(path, "node0", "node");
        build_leaf(path, "sdk0", "sdk");
        build_rsa(path, &["rsa-node0", "rsa-sdk0"]);
        for (folder, from, to, ca) in [
            ("node", "node0", "node", "ca.crt"),
            ("sdk", "sdk0", "sdk", "ca.crt"),
            ("rsa-node", "rsa-node0", "node", "rsa-ca.crt"),
            ("rsa-sdk", "rsa-sdk0", "sdk", "rsa-ca.crt"),
        ] {
            let folder = path.join(folder);
            fs::create_dir(&folder).unwrap();
            for ending in ["key", "crt"] {
                fs::copy(path.join(format!("{from}.{ending}")), folder.join(format!("{to}.{ending}"))).unwrap();
            }
            fs::copy(path.join(ca), folder.join("ca.crt")).unwrap();
        }
        Self { directory }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn server(&self, name: &str) -> Server {
        Server::start(&ChannelPaths::in_directory(self.folder(name))).await
    }
}

fn greeted(text: &str) -> bool {
    text.contains("welcome to the channel")
}

#[tokio::test]
async fn openssl_connects_with_secp256k1_alone() {
    let fisco = Fisco::new();
    let mut server = fisco.server("node").await;
    let text = s_client(server.address, &fisco.folder("sdk"), "-tls1_2 -curves secp256k1").await;
    assert!(greeted(&text), "{text}");
    let accepted = server.next().await.unwrap();
    assert_eq!((accepted.version, accepted.group), (ProtocolVersion::TLSv1_2, SECP256K1_GROUP));
    assert_eq!(accepted.client.name, "sdk0");
    assert_eq!(accepted.client.issuer, "OU=agency,O=fisco-bcos,CN=agency");
    assert!(accepted.client.node_id.is_some());

    // A client that could do more gets a usual group, and one that offers TLS 1.3 is held to 1.2.
    let text = s_client(server.address, &fisco.folder("sdk"), "-curves X25519:secp256k1").await;
    assert!(greeted(&text), "{text}");
    let accepted = server.next().await.unwrap();
    assert_eq!((accepted.version, accepted.group), (ProtocolVersion::TLSv1_2, NamedGroup::X25519));
}

/// JDK 11 cannot sign with a secp256k1 key and SHA-256; it takes SHA-1 where SHA-224 is not on offer.
#[tokio::test]
async fn a_client_may_sign_with_sha1_in_tls_1_2_on_secp256k1() {
    let fisco = Fisco::new();
    let mut server = fisco.server("node").await;
    let options = "-tls1_2 -curves secp256k1 -cipher DEFAULT@SECLEVEL=0 -client_sigalgs ECDSA+SHA1";
    let text = s_client(server.address, &fisco.folder("sdk"), options).await;
    assert!(greeted(&text), "{text}");
    server.next().await.unwrap();

    let mut rsa = fisco.server("rsa-node").await;
    let options = "-tls1_2 -cipher DEFAULT@SECLEVEL=0 -client_sigalgs RSA+SHA1";
    let text = s_client(rsa.address, &fisco.folder("rsa-sdk"), options).await;
    assert!(!greeted(&text), "{text}");
    assert!(rsa.next().await.is_err());
}

#[tokio::test]
async fn an_ip_address_as_server_name_is_not_refused() {
    let fisco = Fisco::new();
    let mut server = fisco.server("node").await;
    let options = "-tls1_2 -curves secp256k1 -servername 127.0.0.1";
    let text = s_client(server.address, &fisco.folder("sdk"), options).await;
    assert!(greeted(&text), "{text}");
    server.next().await.unwrap();
}

#[tokio::test]
async fn rsa_version_1_certificates_work_in_both_versions() {
    let fisco = Fisco::new();
    let mut server = fisco.server("rsa-node").await;
    for (options, version, group) in [
        ("-tls1_2 -curves secp256k1", ProtocolVersion::TLSv1_2, SECP256K1_GROUP),
        ("-tls1_2 -curves P-256", ProtocolVersion::TLSv1_2, NamedGroup::secp256r1),
        ("-tls1_3 -curves X25519", ProtocolVersion::TLSv1_3, NamedGroup::X25519),
        ("", ProtocolVersion::TLSv1_3, NamedGroup::X25519),
    ] {
        let text = s_client(server.address, &fisco.folder("rsa-sdk"), options).await;
        assert!(greeted(&text), "{options}: {text}");
        let accepted = server.next().await.unwrap();
        assert_eq!((accepted.version, accepted.group), (version, group), "{options}");
        assert_eq!(accepted.client.node_id, None);
        assert_eq!(accepted.client.name, "FISCO-BCOS");
    }
}

#[tokio::test]
async fn python_connects_as_the_python_sdk_does() {
    const SCRIPT: &str = "\
import socket, ssl, sys
host, port, directory = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.SSLContext(ssl.PROTOCOL_TLSv1_2)
context.check_hostname = False
context.load_verify_locations(directory + '/ca.crt')
context.load_cert_chain(directory + '/sdk.crt', directory + '/sdk.key')
context.set_ecdh_curve('secp256k1')
context.verify_mode = ssl.CERT_REQUIRED
with context.wrap_socket(socket.create_connection((host, port), 20)) as connection:
    data = b''
    while not data.endswith(b'\\n'):
        data += connection.recv(1024)
    print(connection.cipher()[0], data.decode())
";
    if run_quietly("python3", &["--version"]).await.is_none() {
        eprintln!("SKIPPED: python3 is missing, so Python's ssl module was not tried");
        return;
    }
    let fisco = Fisco::new();
    for (node, sdk, cipher) in [("node", "sdk", "ECDHE-ECDSA-"), ("rsa-node", "rsa-sdk", "ECDHE-RSA-")] {
        let mut server = fisco.server(node).await;
        let (port, directory) = (server.address.port().to_string(), fisco.folder(sdk));
        let output = run("python3", &["-c", SCRIPT, "127.0.0.1", &port, directory.to_str().unwrap()]).await;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(greeted(&text) && text.contains(cipher), "{text}");
        let accepted = server.next().await.unwrap();
        assert_eq!((accepted.version, accepted.group), (ProtocolVersion::TLSv1_2, SECP256K1_GROUP));
    }
}

async fn run_quietly(program: &str, arguments: &[&str]) -> Option<()> {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.await.ok().filter(std::process::ExitStatus::success).map(drop)
}

#[tokio::test]
async fn our_client_connects_with_both_kinds() {
    let fisco = Fisco::new();
    for (node, sdk, version, group) in [
        ("node", "sdk", ProtocolVersion::TLSv1_2, NamedGroup::X25519),
        ("rsa-node", "rsa-sdk", ProtocolVersion::TLSv1_3, NamedGroup::X25519MLKEM768),
    ] {
        let mut server = fisco.server(node).await;
        assert_eq!(rust_client(server.address, &fisco.folder(sdk)).await.unwrap(), GREETING);
        let accepted = server.next().await.unwrap();
        assert_eq!((accepted.version, accepted.group), (version, group));
        // Never resumed: each connection shows its certificate again.
        assert_eq!(rust_client(server.address, &fisco.folder(sdk)).await.unwrap(), GREETING);
        server.next().await.unwrap();
    }
}

#[tokio::test]
async fn a_client_without_the_hybrid_group_connects_on_x25519() {
    let fisco = Fisco::new();
    for version in ["-tls1_3", "-tls1_2"] {
        let mut server = fisco.server("rsa-node").await;
        let text = s_client(server.address, &fisco.folder("rsa-sdk"), &format!("{version} -groups X25519")).await;
        assert!(greeted(&text), "{version}: {text}");
        assert_eq!(server.next().await.unwrap().group, NamedGroup::X25519);
    }
}

#[tokio::test]
async fn openssl_serves_our_client() {
    let fisco = Fisco::new();
    for (node, sdk, options) in [
        ("node", "sdk", "-tls1_2 -named_curve secp256k1 -curves secp256k1"),
        ("rsa-node", "rsa-sdk", "-tls1_2"),
        ("rsa-node", "rsa-sdk", "-tls1_3"),
    ] {
        let directory = fisco.folder(node);
        let directory = directory.display();
        let port = free_port().await;
        let arguments = format!(
            "s_server -accept 127.0.0.1:{port} -naccept 1 -Verify 3 -verify_return_error -CAfile {directory}/ca.crt \
             -cert {directory}/node.crt -cert_chain {directory}/node.crt -key {directory}/node.key -rev {options}"
        );
        let mut child = Command::new("openssl")
            .args(arguments.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // It prints ACCEPT when it listens.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().expect("it starts") != "ACCEPT" {}
        let config = channel_client_config(&fisco.folder(sdk)).unwrap();
        let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let name = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
        let connect = TlsConnector::from(Arc::new(config)).connect(name, socket);
        let mut stream = timeout(DEADLINE, connect).await.unwrap().unwrap_or_else(|error| panic!("{options}: {error}"));
        stream.write_all(b"abc\n").await.unwrap();
        let mut reversed = [0; 4];
        timeout(DEADLINE, stream.read_exact(&mut reversed)).await.unwrap().unwrap();
        assert_eq!(&reversed, b"cba\n", "{options}");
    }
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn clients_without_a_good_certificate_are_refused() {
    let fisco = Fisco::new();
    let mut server = fisco.server("node").await;
    let ca = fisco.folder("sdk").join("ca.crt");
    let bare =
        format!("s_client -connect {} -quiet -tls1_2 -curves secp256k1 -CAfile {}", server.address, ca.display());
    let output = run("openssl", &bare.split_whitespace().collect::<Vec<_>>()).await;
    assert!(!greeted(&String::from_utf8_lossy(&output.stdout)));
    assert!(server.next().await.is_err_and(|error| error.contains("no certificates")));

    // Another consortium: same names, other keys.
    let foreign = Fisco::new();
    fs::copy(&ca, foreign.folder("sdk").join("ca.crt")).unwrap();
    let text = s_client(server.address, &foreign.folder("sdk"), "-tls1_2 -curves secp256k1").await;
    assert!(!greeted(&text) && text.contains("unknown ca"), "{text}");
    assert!(server.next().await.is_err_and(|error| error.contains("with another key signed it")));

    // RSA clients of another agency's authority, version 1.
    let mut rsa = fisco.server("rsa-node").await;
    fs::copy(fisco.folder("rsa-sdk").join("ca.crt"), foreign.folder("rsa-sdk").join("ca.crt")).unwrap();
    let text = s_client(rsa.address, &foreign.folder("rsa-sdk"), "-tls1_2").await;
    assert!(!greeted(&text) && text.contains("unknown ca"), "{text}");
    assert!(rsa.next().await.is_err_and(|error| error.contains("another key signed it")));
}

#[tokio::test]
async fn dates_are_checked_for_versions_1_and_3() {
    let directory = tempfile::tempdir().unwrap();
    let good = Validity::days(30);
    let week = Duration::from_secs(7 * 24 * 3600);
    let now = Duration::from_secs(UnixTime::now().as_secs());
    let past = Validity {
        not_before: UnixTime::since_unix_epoch(now - 2 * week),
        not_after: UnixTime::since_unix_epoch(now - week),
    };
    let agency = Issuer::root("chain", good).unwrap().agency("agencyA", good).unwrap();
    let rsa = Issuer::rsa_root("agencyA", good, true).unwrap();
    let old_rsa = Issuer::rsa_root("agencyB", past, true).unwrap();
    let folder = |name: &str| directory.path().join(name);
    agency.issue(Kind::Node, "node0", good).unwrap().write(&folder("node"), Kind::Node).unwrap();
    agency.issue(Kind::Sdk, "sdk", past).unwrap().write(&folder("old-sdk"), Kind::Sdk).unwrap();
    rsa.issue_v1(Kind::NodeRsa, "node0", good).unwrap().write(&folder("rsa-node"), Kind::NodeRsa).unwrap();
    rsa.issue_v1(Kind::SdkRsa, "sdk", past).unwrap().write(&folder("old-rsa-sdk"), Kind::SdkRsa).unwrap();
    old_rsa.issue_v1(Kind::NodeRsa, "node0", good).unwrap().write(&folder("old-root"), Kind::NodeRsa).unwrap();
    old_rsa.issue_v1(Kind::SdkRsa, "sdk", good).unwrap().write(&folder("sdk-of-old-root"), Kind::SdkRsa).unwrap();

    for (node, sdk) in [("node", "old-sdk"), ("rsa-node", "old-rsa-sdk")] {
        let mut server = Server::start(&ChannelPaths::in_directory(folder(node))).await;
        let refused = rust_client(server.address, &folder(sdk)).await.unwrap_err();
        assert!(refused.contains("CertificateExpired"), "{refused}");
        assert!(server.next().await.is_err_and(|error| error.contains("expired on")));
    }
    // The root itself has ended: our client refuses the server before the server sees anything.
    let server = Server::start(&ChannelPaths::in_directory(folder("old-root"))).await;
    let refused = rust_client(server.address, &folder("sdk-of-old-root")).await.unwrap_err();
    assert!(refused.contains("Expired"), "{refused}");
}

/// The port takes SDKs, and our client takes nodes; FISCO BCOS's RSA certificates are either.
#[tokio::test]
async fn each_end_demands_the_role_of_the_other() {
    let fisco = Fisco::new();
    let mut server = fisco.server("node").await;
    let refused = rust_client(server.address, &fisco.folder("node")).await.unwrap_err();
    assert!(refused.contains("AccessDenied"), "{refused}");
    let words = "has role node, and this door takes role sdk only";
    assert!(server.next().await.is_err_and(|error| error.contains(words)));

    let paths = ChannelPaths { roles: RoleRule::Any, ..ChannelPaths::in_directory(fisco.folder("node")) };
    let mut lenient = Server::start(&paths).await;
    assert_eq!(rust_client(lenient.address, &fisco.folder("node")).await.unwrap(), GREETING);
    let client = lenient.next().await.unwrap().client;
    assert_eq!((client.role, client.stated), (Role::Sdk, Stated::ByUnit(vec![Role::Node])));

    for (sdk, is_told) in [("sdk", true), ("rsa-sdk", false)] {
        let server = Server::start(&ChannelPaths::of_sdk(fisco.folder(sdk))).await;
        let answer = rust_client(server.address, &fisco.folder(sdk)).await;
        assert_eq!(answer.is_err_and(|error| error.contains("ApplicationVerificationFailure")), is_told, "{sdk}");
    }
}

#[tokio::test]
async fn our_client_refuses_a_foreign_server() {
    let (fisco, foreign) = (Fisco::new(), Fisco::new());
    for (node, sdk) in [("node", "sdk"), ("rsa-node", "rsa-sdk")] {
        let server = foreign.server(node).await;
        let refused = rust_client(server.address, &fisco.folder(sdk)).await.unwrap_err();
        assert!(refused.contains("UnknownIssuer"), "{refused}");
    }
}

#[test]
fn version_1_never_stands_in_the_middle() {
    let good = Validity::days(30);
    let directory = tempfile::tempdir().unwrap();
    let root = Issuer::rsa_root("agencyA", good, true).unwrap();
    let leaf = root.issue_v1(Kind::SdkRsa, "sdk", good).unwrap();
    // The holder of a version 1 certificate plays authority, for a version 1 and for a version 3 leaf.
    let rogue = Issuer::from_parts(leaf.key, leaf.chain);
    for (index, issued) in
        [rogue.issue_v1(Kind::SdkRsa, "x", good), rogue.issue(Kind::SdkRsa, "x", good)].into_iter().enumerate()
    {
        let folder = directory.path().join(index.to_string());
        let issued = issued.unwrap();
        issued.write(&folder, Kind::SdkRsa).unwrap();
        let bundle: String = issued.chain.iter().map(nuncio_pki::Certificate::to_pem).collect();
        fs::write(folder.join("bundle.crt"), bundle).unwrap();
        let summary = nuncio_pki::inspect(&folder.join("bundle.crt"), None, None, UnixTime::now()).unwrap();
        assert!(!summary[0].chain_valid, "{summary:?}");
        assert!(summary[1].chain_valid, "its own certificate is good: {summary:?}");
    }
}

#[test]
fn unusable_directories_are_explained() {
    use std::os::unix::fs::PermissionsExt;
    let good = Validity::days(30);
    let agency = Issuer::root("chain", good).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let sdk = directory.path().join("sdk");
    agency.issue(Kind::Sdk, "sdk", good).unwrap().write(&sdk, Kind::Sdk).unwrap();
    let other = directory.path().join("other");
    agency.issue(Kind::Sdk, "sdk", good).unwrap().write(&other, Kind::Sdk).unwrap();

    let explain = |error: TlsConfigError| format!("{error} | {}", error.hint());
    let exposed = fs::Permissions::from_mode(0o644);
    fs::set_permissions(sdk.join("sdk.key"), exposed).unwrap();
    let text = explain(channel_client_config(&sdk).unwrap_err());
    assert!(text.contains("can be read by others") && text.contains("chmod 600"), "{text}");
    fs::set_permissions(sdk.join("sdk.key"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::copy(other.join("sdk.key"), sdk.join("sdk.key")).unwrap();
    let text = explain(channel_client_config(&sdk).unwrap_err());
    assert!(text.contains("does not belong to"), "{text}");
    fs::write(sdk.join("sdk.key"), "nothing").unwrap();
    let text = explain(channel_client_config(&sdk).unwrap_err());
    assert!(text.contains("no private key in it"), "{text}");
    let text = explain(channel_client_config(&directory.path().join("none")).unwrap_err());
    assert!(text.contains("cannot read") && text.contains("sdk.key"), "{text}");
}
