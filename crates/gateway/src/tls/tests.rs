use std::{path::Path, sync::Arc};

use nuncio_pki::tls::{ChannelPaths, channel_client_config, channel_server_config};
use nuncio_testkit::TestAuthority;
use rustls::{ClientConfig, crypto::CryptoProvider};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;

use super::*;

struct Door {
    authority: TestAuthority,
    directory: TempDir,
    side: TlsSide,
}

impl Door {
    fn new() -> Self {
        let authority = TestAuthority::new();
        let directory = tempfile::tempdir().unwrap();
        authority.write_node_directory(&directory.path().join("node"), "node0");
        authority.write_sdk_directory(&directory.path().join("sdk"), false);
        let paths = ChannelPaths::in_directory(directory.path().join("node"));
        let side = TlsSide::new(&channel_server_config(&paths).unwrap(), true);
        Self { authority, directory, side }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    async fn outcome(&self, client: impl AsyncFnOnce(TcpStream)) -> Result<Admitted, Refusal> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        tokio::join!(self.side.accept(accepted), client(socket)).0
    }

    /// What becomes of a TLS client with this configuration: the reason and the hint of its refusal.
    async fn refusal_of(&self, config: ClientConfig) -> (String, String) {
        let refusal = self
            .outcome(async |socket| {
                let name = rustls_pki_types::ServerName::try_from("node").unwrap();
                if let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(name, socket).await {
                    let _ = stream.read(&mut [0]).await;
                }
            })
            .await
            .unwrap_err();
        (refusal.to_string(), refusal.hint().unwrap_or_default().into_owned())
    }
}

fn with_certificates(directory: &Path) -> ClientConfig {
    channel_client_config(directory).unwrap()
}

#[tokio::test]
async fn plain_text_is_recognised_by_its_first_bytes() {
    let door = Door::new();
    let openings: [(&[u8], Opening); 4] = [
        (b"\x13/multistream/1.0.0\n", Opening::Peer),
        (b"POST / HTTP/1.1\r\n", Opening::Http),
        (b"\x00\x00\x00\x69\x00\x14", Opening::PlainFrame),
        (b"\x80\x2e\x01", Opening::Unknown),
    ];
    for (bytes, expected) in openings {
        let refused = door.outcome(async |mut socket| socket.write_all(bytes).await.unwrap()).await;
        let Err(Refusal::NotTls(opening)) = refused else { panic!("{refused:?}") };
        assert_eq!(opening, expected);
        assert!(Refusal::NotTls(opening).hint().is_some());
    }
    let silent = door.outcome(async |socket| drop(socket)).await.unwrap_err();
    assert!(!silent.is_noteworthy(), "a health check that only connects is no news: {silent:?}");
}

#[tokio::test]
async fn certificate_refusals_say_what_to_do() {
    let door = Door::new();
    TestAuthority::new().write_sdk_directory(&door.path("foreign"), false);
    std::fs::copy(door.path("sdk/ca.crt"), door.path("foreign/ca.crt")).unwrap();
    let (reason, hint) = door.refusal_of(with_certificates(&door.path("foreign"))).await;
    assert!(reason.contains("another key signed it") && hint.contains("another authority"), "{reason} / {hint}");

    door.authority.write_expired_sdk_directory(&door.path("expired"));
    let (reason, hint) = door.refusal_of(with_certificates(&door.path("expired"))).await;
    assert!(reason.contains("expired on 2") && hint.contains("renew"), "{reason} / {hint}");

    door.authority.agency("otherAgency").write_sdk_directory(&door.path("other"), false);
    let (reason, hint) = door.refusal_of(with_certificates(&door.path("other"))).await;
    assert!(reason.contains("otherAgency") && hint.contains("same-agency"), "{reason} / {hint}");

    let (reason, hint) = door.refusal_of(with_certificates(&door.path("node"))).await;
    assert!(reason.contains("has role node, and this door takes role sdk only"), "{reason}");
    assert!(hint.contains("nuncio cert issue NAME --ca DIR --out DIR --kind sdk"), "{hint}");

    TestAuthority::new().write_sdk_directory(&door.path("distrustful"), false);
    let (reason, hint) = door.refusal_of(with_certificates(&door.path("distrustful"))).await;
    assert!(reason.contains("alert") && hint.contains("ca.crt"), "{reason} / {hint}");
}

#[tokio::test]
async fn a_client_without_certificate_or_common_curve_is_told_apart() {
    let door = Door::new();
    let provider = with_certificates(&door.path("sdk")).crypto_provider().as_ref().clone();
    let without_certificate = |provider: CryptoProvider| {
        ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting))
            .with_no_client_auth()
    };
    let (reason, hint) = door.refusal_of(without_certificate(provider.clone())).await;
    assert!(reason.contains("certificate") && hint.contains("sdk.crt"), "{reason} / {hint}");

    let mut other_curve = provider;
    other_curve.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::SECP384R1];
    let (reason, hint) = door.refusal_of(without_certificate(other_curve)).await;
    assert!(reason.contains("NoKxGroupsInCommon") && hint.contains("namedGroups"), "{reason} / {hint}");
}

/// A client that looks at nothing, as the Go SDK.
#[derive(Debug)]
struct Trusting;

impl rustls::client::danger::ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &[rustls_pki_types::CertificateDer<'_>],
        _: &rustls_pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls_pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.verify_tls12_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256, rustls::SignatureScheme::RSA_PKCS1_SHA256]
    }
}

#[test]
fn each_refusal_is_counted_as_what_it_is() {
    let subject = String::new;
    let not_admitted = |denial| Refusal::NotAdmitted { subject: subject(), denial };
    let list = TestAuthority::new();
    let list = list.revoke(&list.node("a"));
    let revoked = Denial::Revoked { edition: list.edition().clone(), issuer: list.issuer() };
    let hung_up = || std::io::Error::other("gone");
    let door = nuncio_door::Door::new(&nuncio_door::Limits::new(4, 1, 1));
    let from = std::net::Ipv4Addr::LOCALHOST.into();
    let closed = (0..99).find_map(|_| door.knock(from).err()).expect("it knocks too often");
    let table = [
        (Refusal::Full { limit: 1 }, SdkRefusal::Full),
        (Refusal::FullForAddress { limit: 1 }, SdkRefusal::Full),
        (Refusal::Door(closed), SdkRefusal::Door),
        (Refusal::GaveWay, SdkRefusal::Slow),
        (Refusal::TooSlow { limit: std::time::Duration::ZERO }, SdkRefusal::Slow),
        (Refusal::HungUp(hung_up()), SdkRefusal::HungUp),
        (Refusal::NotTls(Opening::Http), SdkRefusal::NotTls),
        (Refusal::Tls(rustls::Error::DecryptError), SdkRefusal::Tls),
        (Refusal::Certificate(ChainError::NoCertificate), SdkRefusal::Chain),
        (Refusal::OtherAgency { subject: subject(), theirs: subject(), ours: subject() }, SdkRefusal::OtherAgency),
        (Refusal::NoToken { reason: subject() }, SdkRefusal::NoToken),
        (Refusal::OtherOrigin, SdkRefusal::Origin),
        (not_admitted(Denial::Denied), SdkRefusal::Access),
        (not_admitted(Denial::NotAllowed), SdkRefusal::Access),
        (not_admitted(Denial::OtherRole { stated: nuncio_pki::Stated::Nothing }), SdkRefusal::Role),
        (not_admitted(revoked), SdkRefusal::Revoked),
        (not_admitted(Denial::Chain(ChainError::NoCertificate)), SdkRefusal::Chain),
    ];
    for (refusal, cause) in table {
        assert_eq!(refusal.cause(), cause, "{refusal}");
    }
    for fault in nuncio_pki::ChainFault::ALL {
        assert!(SdkRefusal::named(fault.name()).is_some(), "{fault:?}");
    }
}
