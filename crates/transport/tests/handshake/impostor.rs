//! Peers that speak TLS under our protocol's name, and otherwise as they like.

use std::{
    iter,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, FutureExt, future::BoxFuture};
use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use libp2p::{
    PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, MemoryTransport},
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo, Version},
    },
    identity::Keypair,
    yamux,
};
use nuncio_testkit::authority::{TestAuthority, held_key};
use nuncio_wire::verdict::{Protocol, Verdict};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, HandshakeKind, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
    server::danger::{ClientCertVerified, ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::meeting::{Connection, Door, MEDIA, Medium, Meeting, Party, assert_says, dial, meet, soon};

/// What the impostor does when TLS is up.
#[derive(Clone)]
enum Then {
    /// It sends this, and reads until the end.
    Sends(Vec<u8>),
    /// It behaves, as far as it is let.
    Behaves(Verdict),
}

#[derive(Clone)]
struct Impostor {
    client: ClientConfig,
    server: ServerConfig,
    then: Then,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    kinds: Vec<HandshakeKind>,
    /// Tickets for a resumption that came before the verdict.
    tickets: u32,
    heard: Vec<u8>,
    /// How the other side ended each connection.
    ended: Vec<&'static str>,
}

impl Impostor {
    /// Shows `leaf`, then `chain`; believes everyone. Sessions are resumed where the other side permits.
    fn new(
        (leaf, key): (CertificateDer<'static>, PrivateKeyDer<'static>),
        chain: Vec<CertificateDer<'static>>,
    ) -> Self {
        let key = aws_lc_rs::sign::any_ecdsa_type(&key).unwrap();
        let chain = iter::once(leaf).chain(chain).collect();
        let resolver = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Credulous))
            .with_client_cert_resolver(Arc::clone(&resolver) as _);
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(Credulous))
            .with_cert_resolver(resolver);
        client.alpn_protocols = vec![b"nuncio/1".to_vec()];
        server.alpn_protocols = vec![b"nuncio/1".to_vec()];
        Self { client, server, then: Then::Sends(Vec::new()), seen: Arc::default() }
    }

    fn of_node(identity: &nuncio_pki::Identity) -> Self {
        let leaf = libp2p_tls::certificate::generate(&held_key(identity).to_libp2p()).unwrap();
        Self::new(leaf, identity.chain.clone())
    }

    fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }

    fn with_application_protocols(mut self, names: &[&str]) -> Self {
        let names: Vec<_> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        self.client.alpn_protocols.clone_from(&names);
        self.server.alpn_protocols = names;
        self
    }

    fn transport(&self, medium: Medium) -> Boxed<Connection> {
        fn secured<T>(sockets: T, impostor: Impostor) -> Boxed<(PeerId, StreamMuxerBox)>
        where
            T: Transport + Send + Unpin + 'static,
            T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
            T::Error: Send + Sync + 'static,
            T::Dial: Send + 'static,
            T::ListenerUpgrade: Send + 'static,
        {
            sockets.upgrade(Version::V1).authenticate(impostor).multiplex(yamux::Config::default()).boxed()
        }
        match medium {
            Medium::Memory => secured(MemoryTransport::default(), self.clone()),
            Medium::Tcp => secured(libp2p::tcp::tokio::Transport::default(), self.clone()),
        }
    }

    /// The verdict it was sent.
    fn verdict(&self) -> Verdict {
        let seen = self.seen.lock().unwrap();
        Verdict::decode(seen.heard.get(2..).expect("a verdict was sent")).unwrap()
    }

    async fn proceed<C>(self, mut stream: TlsStream<C>) -> std::io::Result<(PeerId, TlsStream<C>)>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let state = stream.get_ref().1;
        self.seen.lock().unwrap().kinds.extend(state.handshake_kind());
        let peer = libp2p_tls::certificate::parse(&state.peer_certificates().unwrap()[0]).unwrap().peer_id();
        match self.then {
            Then::Sends(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
                let mut heard = Vec::new();
                let ended = stream.read_to_end(&mut heard).await;
                let mut seen = self.seen.lock().unwrap();
                seen.heard = heard;
                seen.ended.push(if ended.is_ok() { "closed" } else { "broken" });
                drop(seen);
                ended.and(Err(std::io::Error::other("the impostor is done")))
            }
            Then::Behaves(verdict) => {
                stream.write_all(&verdict.encode()).await?;
                stream.flush().await?;
                let mut length = [0; 2];
                stream.read_exact(&mut length).await?;
                let mut heard = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut heard).await?;
                let mut seen = self.seen.lock().unwrap();
                seen.heard = [&length[..], &heard].concat();
                if let TlsStream::Client(client) = &stream {
                    seen.tickets += client.get_ref().1.tls13_tickets_received();
                }
                drop(seen);
                Ok((peer, stream))
            }
        }
    }
}

impl UpgradeInfo for Impostor {
    type Info = &'static str;
    type InfoIter = iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        iter::once("/nuncio/tls/1")
    }
}

impl<C> InboundConnectionUpgrade<C> for Impostor
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = (PeerId, TlsStream<C>);
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        async move {
            let acceptor = TlsAcceptor::from(Arc::new(self.server.clone()));
            match acceptor.accept(socket).into_fallible().await {
                Ok(stream) => self.proceed(stream.into()).await,
                Err((error, mut socket)) => {
                    // The alert is left for the other side to read.
                    socket.close().await?;
                    let _ = socket.read_to_end(&mut Vec::new()).await;
                    Err(error)
                }
            }
        }
        .boxed()
    }
}

impl<C> OutboundConnectionUpgrade<C> for Impostor
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = (PeerId, TlsStream<C>);
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        async move {
            let connector = TlsConnector::from(Arc::new(self.client.clone()));
            let stream = connector.connect(ServerName::from(Ipv4Addr::UNSPECIFIED), socket).await?.into();
            self.proceed(stream).await
        }
        .boxed()
    }
}

/// Believes every certificate.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

impl ClientCertVerifier for Credulous {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

fn honest_verdict() -> Verdict {
    Verdict { network: "test".to_owned(), max_body: 10 << 20, refusal: None, protocol: Protocol::of_this_release() }
}

/// In both roles and over both media, what the honest node reads.
async fn honest_reads(honest: &Party, impostor: &Impostor, parts: &[&str]) {
    for medium in MEDIA {
        let Meeting { listener, dialer } =
            meet(&mut impostor.transport(medium), honest.transport(medium), medium).await;
        assert_says(&listener, parts, &format!("{medium:?}, listening"));
        assert!(dialer.is_err(), "the impostor's dial succeeded");
        let Meeting { dialer, listener } =
            meet(&mut honest.transport(medium), impostor.transport(medium), medium).await;
        assert_says(&dialer, parts, &format!("{medium:?}, dialing"));
        assert!(listener.is_err(), "the impostor accepted");
    }
    assert!(honest.admissions.is_empty());
}

#[tokio::test]
async fn a_leaf_alone_is_told_why_it_is_refused() {
    let authority = TestAuthority::new();
    let honest = Party::new(authority.node("honest"), authority.policy());
    let leaf = libp2p_tls::certificate::generate(&held_key(&authority.node("bare")).to_libp2p()).unwrap();
    let impostor = Impostor::new(leaf, Vec::new()).then(Then::Sends(honest_verdict().encode()));
    honest_reads(&honest, &impostor, &["no certificate issued by the consortium was presented", "hint: "]).await;
    let refusal = impostor.verdict().refusal.expect("the verdict is a refusal");
    assert!(refusal.contains("no certificate issued by the consortium"), "{refusal}");
}

#[tokio::test]
async fn the_reason_reaches_a_peer_that_still_talks() {
    let authority = TestAuthority::new();
    let honest = Party::new(authority.node("honest"), authority.policy());
    let leaf = libp2p_tls::certificate::generate(&held_key(&authority.node("bare")).to_libp2p()).unwrap();
    // Left unread, these bytes would turn the end of the connection into a reset.
    let talk = [honest_verdict().encode(), vec![0; 48 << 10]].concat();
    let impostor = Impostor::new(leaf, Vec::new()).then(Then::Sends(talk));
    for _ in 0..8 {
        let Meeting { listener, .. } =
            meet(&mut impostor.transport(Medium::Tcp), honest.transport(Medium::Tcp), Medium::Tcp).await;
        assert_says(&listener, &["no certificate issued by the consortium"], "listening");
        assert!(impostor.verdict().refusal.is_some());
        let heard = std::mem::take(&mut impostor.seen.lock().unwrap().ended);
        assert_eq!(heard, ["closed"]);
    }
}

#[tokio::test]
async fn a_host_key_on_another_curve_is_no_node() {
    let authority = TestAuthority::new();
    let honest = Party::new(authority.node("honest"), authority.policy());
    let leaf = libp2p_tls::certificate::generate(&Keypair::generate_ed25519()).unwrap();
    let impostor = Impostor::new(leaf, authority.node("victim").chain).then(Then::Sends(honest_verdict().encode()));
    honest_reads(&honest, &impostor, &["this node refuses peer 12D3Koo", "no node ID", "hint: "]).await;
    assert!(impostor.verdict().refusal.expect("the verdict is a refusal").contains("secp256k1"));
}

#[tokio::test]
async fn a_leaf_that_the_host_key_did_not_sign_fails_the_handshake() {
    let authority = TestAuthority::new();
    let honest = Party::new(authority.node("honest"), authority.policy());
    let victim = authority.node("victim");
    let (leaf, key) = libp2p_tls::certificate::generate(&held_key(&victim).to_libp2p()).unwrap();
    let mut forged = leaf.to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let impostor = Impostor::new((forged.into(), key), victim.chain);
    honest_reads(&honest, &impostor, &["the peer's TLS certificate does not prove a host key", "hint: "]).await;
}

#[tokio::test]
async fn a_leaf_whose_key_the_peer_does_not_hold_fails_the_handshake() {
    let authority = TestAuthority::new();
    let honest = Party::new(authority.node("honest"), authority.policy());
    let victim = authority.node("victim");
    let (leaf, _) = libp2p_tls::certificate::generate(&held_key(&victim).to_libp2p()).unwrap();
    let (_, key) = libp2p_tls::certificate::generate(&held_key(&victim).to_libp2p()).unwrap();
    let impostor = Impostor::new((leaf, key), victim.chain);
    honest_reads(&honest, &impostor, &["the TLS handshake failed", "BadSignature", "hint: "]).await;
}

#[tokio::test]
async fn another_application_protocol_or_none_is_refused() {
    let authority = TestAuthority::new();
    let honest = Party::new(authority.node("honest"), authority.policy());
    let impostor = Impostor::of_node(&authority.node("peer")).then(Then::Sends(honest_verdict().encode()));
    let none = impostor.clone().with_application_protocols(&[]);
    honest_reads(&honest, &none, &["did not agree on the application protocol nuncio/1", "hint: "]).await;

    let other = impostor.with_application_protocols(&["libp2p"]);
    let medium = Medium::Tcp;
    let Meeting { listener, .. } = meet(&mut other.transport(medium), honest.transport(medium), medium).await;
    assert_says(&listener, &["did not agree on the application protocol nuncio/1"], "listening");
    let Meeting { dialer, .. } = meet(&mut honest.transport(medium), other.transport(medium), medium).await;
    assert_says(&dialer, &["the peer ended the TLS handshake with alert NoApplicationProtocol"], "dialing");
}

#[tokio::test]
async fn a_tls_client_without_a_certificate_is_refused() {
    let authority = TestAuthority::new();
    let honest = Party::new(authority.node("honest"), authority.policy());
    let mut impostor = Impostor::of_node(&authority.node("peer"));
    impostor.client = {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Credulous))
            .with_no_client_auth();
        client.alpn_protocols = vec![b"nuncio/1".to_vec()];
        client
    };
    for medium in MEDIA {
        let Meeting { listener, dialer } =
            meet(&mut impostor.transport(medium), honest.transport(medium), medium).await;
        assert_says(
            &listener,
            &["peer sent no certificates", "hint: ", "TLS client without a certificate"],
            "listening",
        );
        // The alert is not lost to a reset.
        let alert = dialer.err().unwrap();
        assert!(format!("{alert:?}").contains("CertificateRequired"), "{alert:?}");
    }
}

#[tokio::test]
async fn a_verdict_that_is_none_is_refused() {
    let authority = TestAuthority::new();
    let honest = Party::new(authority.node("honest"), authority.policy());
    let impostor = Impostor::of_node(&authority.node("peer"));
    let too_long = impostor.clone().then(Then::Sends(vec![0xff, 0xff, 1, 2, 3]));
    honest_reads(&honest, &too_long, &["cannot be read: verdict of 65535 bytes is over the limit of 2048"]).await;
    let garbage = impostor.then(Then::Sends(vec![0, 3, 0xff, 0xff, 0xff]));
    honest_reads(&honest, &garbage, &["the verdict of node", "cannot be read"]).await;
}

/// What the nodes of other releases say of themselves.
fn speaking(lowest: u32, highest: u32, features: &[&str]) -> Verdict {
    let features = features.iter().map(|name| (*name).to_owned()).collect();
    Verdict { protocol: Protocol { lowest, highest, features }, ..honest_verdict() }
}

#[tokio::test]
async fn without_a_common_version_the_words_say_which_side_to_upgrade() {
    let authority = TestAuthority::new();
    let honest = Party::new(authority.node("honest"), authority.policy());
    let impostor = Impostor::of_node(&authority.node("peer"));
    // As version 1 wrote it, without versions.
    let of_version_1 = [b"\x00\x0b\x0a\x04test\x10\x80\x80\x80\x05".as_slice()].concat();
    for (sent, theirs, upgraded) in [
        (of_version_1, "version 1 of the protocol", "that node has to be upgraded"),
        (speaking(3, 5, &[]).encode(), "versions 3 to 5 of the protocol", "this node has to be upgraded"),
    ] {
        let other = impostor.clone().then(Then::Sends(sent));
        honest_reads(&honest, &other, &[theirs, "this node version 2", upgraded, "hint: "]).await;
    }
}

#[tokio::test]
async fn a_newer_release_that_speaks_our_version_too_is_admitted_and_what_it_adds_is_ignored() {
    let authority = TestAuthority::new();
    let judge = Party::new(authority.node("judge"), authority.policy());
    let peer = authority.node("peer");
    let newer = speaking(2, 3, &["unheard-of"]);
    let impostor = Impostor::of_node(&peer).then(Then::Behaves(newer));
    for medium in MEDIA {
        let met = meet(&mut impostor.transport(medium), judge.transport(medium), medium).await;
        let _connections = (met.dialer.unwrap(), met.listener.unwrap());
        let agreed = judge.admissions.agreed(&peer.key.node_id()).expect("it is admitted");
        assert_eq!((agreed.version, agreed.features.len()), (2, 0));
    }
}

#[tokio::test]
async fn the_words_of_a_peer_are_shown_as_plain_text() {
    let authority = TestAuthority::new();
    let honest = Party::new(authority.node("honest"), authority.policy());
    let refusal = Some(format!("go\u{1b}[2J \naway\u{202e} {}", "x".repeat(1000)));
    let hostile = Verdict { refusal, ..honest_verdict() };
    let impostor = Impostor::of_node(&authority.node("peer")).then(Then::Sends(hostile.encode()));
    let Meeting { listener, .. } =
        meet(&mut impostor.transport(Medium::Tcp), honest.transport(Medium::Tcp), Medium::Tcp).await;
    assert_says(&listener, &["refuses this node: go␛[2J ␊away� x"], "listening");
    let text = nuncio_transport::describe(&listener.err().unwrap());
    assert!(text.matches('x').count() < 520, "{text}");
}

#[tokio::test]
async fn a_client_that_would_resume_is_judged_again() {
    let authority = TestAuthority::new();
    let judge = Party::new(authority.node("judge"), authority.policy());
    let peer = authority.node("peer");
    let impostor = Impostor::of_node(&peer).then(Then::Behaves(honest_verdict()));
    let mut door = Door::open(judge.transport(Medium::Tcp), Medium::Tcp).await;
    let address = door.address.clone();
    let mut dialing = impostor.transport(Medium::Tcp);

    let (first, at_judge) = tokio::join!(dial(&mut dialing, &address), door.outcome());
    // Held, so that the second connection is made while the first is up.
    let _connections = (first.unwrap(), at_judge.unwrap());

    let denying = authority.policy().with_access([].into(), [peer.key.node_id()].into());
    judge.config.policy.store(Arc::new(denying));
    let (second, at_judge) = soon(async { tokio::join!(dial(&mut dialing, &address), door.outcome()) }).await;
    assert_says(&at_judge, &["is on the deny list"], "the judge");
    assert!(second.is_err(), "the denied node is in");
    assert!(impostor.verdict().refusal.expect("a refusal").contains("deny list"));
    let seen = impostor.seen.lock().unwrap();
    assert_eq!(seen.kinds, [HandshakeKind::Full, HandshakeKind::Full]);
    assert_eq!(seen.tickets, 0, "the judge hands out tickets");
}
