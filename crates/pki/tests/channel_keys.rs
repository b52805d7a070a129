//! Keys of every kind that `openssl verify` takes and TLS can sign with, in handshakes with OpenSSL and with our client.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use nuncio_pki::{
    Certificate, Identity, IdentityPaths, KeyKind, Role,
    tls::{
        ChannelPaths, ChannelServerTls, Handshake, OperatorServerTls, Refused, channel_client_config,
        channel_server_config, operator_client_config, operator_server_config,
    },
};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, ServerConnection, Stream};
use rustls_pki_types::ServerName;

#[path = "support/openssl.rs"]
mod openssl;
use openssl::{build_agency, build_leaf, build_root, build_rsa, openssl, try_openssl};

const PATIENCE: Duration = Duration::from_secs(30);

/// What `openssl genpkey` makes them of.
const GOOD: [(&str, &str); 5] = [
    ("P-256", "EC -pkeyopt ec_paramgen_curve:P-256"),
    ("P-384", "EC -pkeyopt ec_paramgen_curve:P-384"),
    ("P-521", "EC -pkeyopt ec_paramgen_curve:P-521"),
    ("Ed25519", "ED25519"),
    ("RSA-3072", "RSA -pkeyopt rsa_keygen_bits:3072"),
];

/// Good for PSS alone: rustls asks for it in TLS 1.3, and cannot in 1.2.
const PSS: (&str, &str) = ("RSA-2048", "RSA-PSS -pkeyopt rsa_keygen_bits:2048");

/// OpenSSL verifies their certificates; what they sign in a handshake nothing here can check.
const UNUSABLE: [(&str, &str); 4] = [
    (
        "RSA-2048 with a public exponent of more than 33 bits",
        "RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:1099511627777",
    ),
    ("RSA-1024", "RSA -pkeyopt rsa_keygen_bits:1024"),
    ("brainpoolP256r1", "EC -pkeyopt ec_paramgen_curve:brainpoolP256r1"),
    ("P-224", "EC -pkeyopt ec_paramgen_curve:secp224r1"),
];

/// What a server here saw of one connection: the client's key and the version, or its words against him.
type Seen = Result<(Option<KeyKind>, ProtocolVersion), String>;

enum Door {
    Channel(ChannelServerTls),
    Admin(OperatorServerTls),
}

impl Door {
    fn handshake(&self) -> Handshake {
        match self {
            Self::Channel(tls) => tls.handshake(false).unwrap(),
            Self::Admin(tls) => tls.handshake().unwrap(),
        }
    }

    fn serve(self) -> (SocketAddr, mpsc::Receiver<Seen>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, seen) = mpsc::channel();
        thread::spawn(move || {
            for socket in listener.incoming() {
                let socket = socket.unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                if sender.send(self.greet(socket)).is_err() {
                    return;
                }
            }
        });
        (address, seen)
    }

    fn greet(&self, mut socket: TcpStream) -> Seen {
        let handshake = self.handshake();
        let mut connection = ServerConnection::new(handshake.config()).unwrap();
        while connection.is_handshaking() {
            if let Err(error) = connection.complete_io(&mut socket) {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
                return Err(inner.map_or(error.to_string(), |inner| handshake.refused(inner.clone()).to_string()));
            }
        }
        let client = match self {
            Self::Channel(tls) => Some(tls.client_of(&connection).map_err(|error: Refused| error.to_string())?.key),
            // Who shows none comes in too, and is nobody yet.
            Self::Admin(_) => connection
                .peer_certificates()
                .map(|shown| Certificate::from_der(shown[0].clone().into_owned()).unwrap().key_kind()),
        };
        let version = connection.protocol_version().unwrap();
        std::io::Write::write_all(&mut Stream::new(&mut connection, &mut socket), b"welcome\n").unwrap();
        connection.send_close_notify();
        connection.complete_io(&mut socket).unwrap();
        // Leaving at once would reset the connection under a client that has not read yet.
        let _ = std::io::copy(&mut socket, &mut std::io::sink());
        Ok((client, version))
    }
}

/// A leaf below `issuer` with a key of this kind, in a folder under the names of the role; `None` where this `openssl` makes
/// no such key.
fn leaf(directory: &Path, issuer: &str, role: Role, kind: (&str, &str)) -> Option<PathBuf> {
    let name = kind.0.replace(' ', "-");
    let folder = directory.join(format!("{role}-{issuer}-{name}-{}", kind.1.split(' ').next().unwrap()));
    fs::create_dir(&folder).unwrap();
    let [key, request, certificate] = ["key", "csr", "crt"].map(|end| folder.join(format!("{role}.{end}")));
    let [key, request, certificate] = [&key, &request, &certificate].map(|path| path.display());
    if !try_openssl(directory, &format!("genpkey -out {key} -algorithm {}", kind.1)).0 {
        return None;
    }
    let usage = role.usage();
    let section = format!("[role]\nbasicConstraints = CA:FALSE\nextendedKeyUsage = clientAuth, {usage}\n");
    fs::write(directory.join("role.cnf"), section).unwrap();
    openssl(
        directory,
        &format!("req -new -config cert.cnf -subj /CN=a/O=fisco-bcos/OU={role} -key {key} -out {request}"),
    );
    openssl(
        directory,
        &format!(
            "x509 -req -days 30 -sha256 -CA {issuer}.crt -CAkey {issuer}.key -CAcreateserial -in {request} -out {certificate} \
             -extensions role -extfile role.cnf"
        ),
    );
    let (root, untrusted) = if issuer == "agency" { ("ca.crt", " -untrusted agency.crt") } else { ("rsa-ca.crt", "") };
    openssl(directory, &format!("verify -CAfile {root}{untrusted} {certificate}"));
    fs::copy(directory.join(root), folder.join("ca.crt")).unwrap();
    let path = folder.join(format!("{role}.crt"));
    let bundle =
        [fs::read_to_string(&path).unwrap(), fs::read_to_string(directory.join(format!("{issuer}.crt"))).unwrap()];
    fs::write(path, bundle.concat()).unwrap();
    Some(folder)
}

/// `ca`, `agency` and a node on secp256k1, and an RSA authority with a node below it.
fn network() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    build_root(path);
    build_agency(path);
    build_leaf(path, "node", "node");
    build_rsa(path, &["rsa-node"]);
    directory
}

fn channel(path: &Path, name: &str, ca: &str) -> Door {
    let [key, cert, ca] = [format!("{name}.key"), format!("{name}.crt"), ca.to_owned()].map(|file| path.join(file));
    Door::Channel(channel_server_config(&ChannelPaths { key, cert, ca, ..ChannelPaths::in_directory(path) }).unwrap())
}

fn s_client(address: SocketAddr, sdk: &Path, version: &str) -> String {
    let directory = sdk.display();
    let arguments = format!(
        "s_client -connect {address} -quiet -CAfile {directory}/ca.crt -cert {directory}/sdk.crt -cert_chain \
         {directory}/sdk.crt -key {directory}/sdk.key -groups X25519:P-256:P-384:P-521:secp256k1 {version}"
    );
    let output = Command::new("openssl").args(arguments.split_whitespace()).stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn our_client(address: SocketAddr, config: ClientConfig) -> Result<String, String> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), ServerName::from(address.ip())).unwrap();
    let mut text = String::new();
    let mut stream = Stream::new(&mut connection, &mut socket);
    std::io::Read::read_to_string(&mut stream, &mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn next(seen: &mpsc::Receiver<Seen>) -> Seen {
    seen.recv_timeout(PATIENCE).expect("a connection comes")
}

#[test]
fn an_sdks_key_may_be_of_any_kind_that_tls_signs_with() {
    let network = network();
    let path = network.path();
    let (address, seen) = channel(path, "node", "ca.crt").serve();
    let (rsa_address, rsa_seen) = channel(path, "rsa-node", "rsa-ca.crt").serve();
    for kind in GOOD {
        let sdk = leaf(path, "agency", Role::Sdk, kind).expect("every OpenSSL makes such a key");
        let text = s_client(address, &sdk, "");
        assert!(text.contains("welcome"), "{kind:?}: {text} {:?}", next(&seen));
        let (key, version) = next(&seen).unwrap();
        assert_eq!((key.unwrap().to_string().as_str(), version), (kind.0, ProtocolVersion::TLSv1_2), "{kind:?}");
        assert_eq!(our_client(address, channel_client_config(&sdk).unwrap()).unwrap(), "welcome\n", "{kind:?}");
        assert_eq!(next(&seen).unwrap().0.unwrap().to_string(), kind.0);
        // Where no certificate is on secp256k1, TLS 1.3 is spoken too, which binds curves to code points.
        let sdk = leaf(path, "rsa-ca", Role::Sdk, kind).unwrap();
        for (option, version) in [("-tls1_2", ProtocolVersion::TLSv1_2), ("-tls1_3", ProtocolVersion::TLSv1_3)] {
            let text = s_client(rsa_address, &sdk, option);
            assert!(text.contains("welcome"), "{kind:?} {option}: {text} {:?}", next(&rsa_seen));
            let (key, spoken) = next(&rsa_seen).unwrap();
            assert_eq!((key.unwrap().to_string().as_str(), spoken), (kind.0, version), "{kind:?}");
        }
    }
}

#[test]
fn an_rsa_key_that_is_good_for_pss_alone_comes_in_where_tls_1_3_is_spoken() {
    let network = network();
    let path = network.path();
    let (address, seen) = channel(path, "rsa-node", "rsa-ca.crt").serve();
    let sdk = leaf(path, "rsa-ca", Role::Sdk, PSS).expect("every OpenSSL makes such a key");
    let text = s_client(address, &sdk, "-tls1_3");
    assert!(text.contains("welcome"), "{text} {:?}", next(&seen));
    let (key, version) = next(&seen).unwrap();
    assert_eq!((key.unwrap().to_string().as_str(), version), (PSS.0, ProtocolVersion::TLSv1_3));
    assert!(!s_client(address, &sdk, "-tls1_2").contains("welcome"));
    assert!(next(&seen).unwrap_err().contains("sent no certificates"));
    let refused = channel_client_config(&sdk).unwrap_err().to_string();
    assert!(refused.contains("the private key cannot be used here: it is a key of kind"), "{refused}");
}

#[test]
fn a_key_that_tls_cannot_use_here_is_refused_in_words() {
    let network = network();
    let path = network.path();
    let (address, seen) = channel(path, "node", "ca.crt").serve();
    let mut tried = 0;
    for kind in UNUSABLE {
        let Some(sdk) = leaf(path, "agency", Role::Sdk, kind) else { continue };
        let text = s_client(address, &sdk, "-cipher DEFAULT@SECLEVEL=0");
        assert!(!text.contains("welcome"), "{kind:?}: {text}");
        let refused = next(&seen).unwrap_err();
        let words = format!("has a key of kind {}, by which nobody can prove here in TLS that it is his", kind.0);
        assert!(refused.contains(&words) && refused.contains("Ed25519 and RSA of 2048"), "{kind:?}: {refused}");
        tried += 1;
    }
    assert!(tried > 0);
    // What the server does not offer, OpenSSL does not even show.
    let sdk = leaf(path, "agency", Role::Sdk, ("Ed448", "ED448")).expect("every OpenSSL makes such a key");
    assert!(!s_client(address, &sdk, "").contains("welcome"));
    assert!(next(&seen).unwrap_err().contains("sent no certificates"));
}

#[test]
fn an_operators_key_may_be_of_any_kind_that_tls_signs_with() {
    let network = network();
    let path = network.path();
    let (identity, policy) = Identity::load(&IdentityPaths::in_directory(path)).unwrap();
    let policy = Arc::new(arc_swap::ArcSwap::from_pointee(policy));
    let (address, seen) = Door::Admin(operator_server_config(&identity, policy).unwrap()).serve();
    for kind in &GOOD {
        let operator = leaf(path, "agency", Role::Operator, *kind).unwrap();
        let config = operator_client_config(&operator).unwrap();
        assert_eq!(our_client(address, config).unwrap(), "welcome\n", "{kind:?}");
        assert_eq!(next(&seen).unwrap().0.map(|key| key.to_string()).as_deref(), Some(kind.0));
    }
}
