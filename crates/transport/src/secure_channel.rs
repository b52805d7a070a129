use std::{fmt, iter, net::Ipv4Addr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures::{AsyncRead, AsyncWrite, FutureExt, future::BoxFuture};
use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use libp2p::{
    PeerId,
    core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
};
use nuncio_identity::NodeId;
use nuncio_pki::{Identity, Policy, SharedPolicy};
use nuncio_wire::verdict::{Agreed, Protocol, Verdict};
use rustls_pki_types::{ServerName, UnixTime};

use crate::{
    admission::{Admission, Admissions},
    deadline::within,
    error::{HandshakeError, Refusal, Role, SetupError, Stage},
    tls_config::{ALPN, LocalCertificate},
    verdict::{self, LINGER, MAX_WORDS, ReceiveError},
    verifier::{Judgement, PeerVerifier},
};

/// What one node brings to every connection.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its key and certificate chain. Read anew for each connection, so a renewed certificate can be swapped in.
    pub identity: SharedIdentity,
    /// What makes a peer's certificate acceptable. Read anew for each connection, so it can be swapped at any time.
    pub policy: SharedPolicy,
    /// The name of the network, 1 to 128 bytes. Peers of another network are turned away.
    pub network: String,
    /// The longest body of a message, in bytes. It must be the same on all nodes.
    pub max_body: u32,
    /// How long a connection may take to be secured, from the first byte to the multiplexer. 5 s is a good value.
    pub handshake_timeout: Duration,
}

/// A node's identity that may be swapped for one of the same key while the node runs.
pub type SharedIdentity = Arc<ArcSwap<Identity>>;

/// The upgrade of a raw connection to a TLS 1.3 stream with an admitted peer.
///
/// It waits for the peer at most `handshake_timeout`. [`tcp`](crate::tcp) and [`memory`](crate::memory) put the same
/// limit around everything else that happens to a new connection.
#[derive(Clone)]
pub struct SecureChannel {
    identity: SharedIdentity,
    local: Arc<ArcSwap<Shown>>,
    policy: SharedPolicy,
    terms: Arc<Terms>,
    admissions: Admissions,
    timeout: Duration,
}

impl SecureChannel {
    /// Makes this process's ephemeral TLS certificate, signed by the node's key.
    ///
    /// # Errors
    /// When the name of the network cannot be used or the certificate cannot be made.
    pub fn new(config: Config, admissions: Admissions) -> Result<Self, SetupError> {
        let Config { identity, policy, network, max_body, handshake_timeout } = config;
        if !(1..=MAX_NETWORK_NAME).contains(&network.len()) || network.chars().any(char::is_control) {
            return Err(SetupError::NetworkName { bytes: network.len(), limit: MAX_NETWORK_NAME });
        }
        let current = identity.load_full();
        let certificate = LocalCertificate::new(&current)?;
        let local = Arc::new(ArcSwap::from_pointee(Shown { identity: current, certificate }));
        let terms = Arc::new(Terms { network, max_body, protocol: Protocol::of_this_release() });
        Ok(Self { identity, local, policy, terms, admissions, timeout: handshake_timeout })
    }

    /// Secures a connection as its dialer, for programs that need no swarm. Both sides have already agreed on
    /// [`PROTOCOL`] by multistream-select.
    ///
    /// # Errors
    /// When either side refuses the other, the handshake breaks, or it takes longer than `handshake_timeout`.
    pub async fn connect<C>(self, socket: C) -> Result<(NodeId, TlsStream<C>), HandshakeError>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        self.secure(socket, Role::Dialer).await
    }

    async fn secure<C>(self, socket: C, role: Role) -> Result<(NodeId, TlsStream<C>), HandshakeError>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let policy = self.policy.load_full();
        let verifier = Arc::new(PeerVerifier::new(Arc::clone(&policy)));
        let mut stage = Stage::Tls;
        let steps = async {
            let mut stream = self.handshake(socket, role, &verifier).await?;
            stage = Stage::Verdict;
            let (node, admission, agreed) = agree(&mut stream, role, verifier.take(), &self.terms).await?;
            self.admit(role, node, admission, agreed, &policy)?;
            Ok((node, stream))
        };
        match within(self.timeout, steps).await {
            Some(outcome) => outcome,
            None => Err(HandshakeError::TimedOut { role, stage, after: self.timeout }),
        }
    }

    /// What to show now: another chain behind the leaf after the identity was swapped.
    fn local(&self) -> LocalCertificate {
        let identity = self.identity.load_full();
        let shown = self.local.load_full();
        if Arc::ptr_eq(&shown.identity, &identity) {
            return shown.certificate.clone();
        }
        let certificate = shown.certificate.with_chain_of(&identity);
        self.local.store(Arc::new(Shown { identity, certificate: certificate.clone() }));
        certificate
    }

    async fn handshake<C>(
        &self,
        socket: C,
        role: Role,
        verifier: &Arc<PeerVerifier>,
    ) -> Result<TlsStream<C>, HandshakeError>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let in_tls = |source| HandshakeError::Tls { role, source };
        let outcome = match role {
            Role::Listener => {
                let config = self.local().server(Arc::clone(verifier)).map_err(in_tls)?;
                let accept = TlsAcceptor::from(Arc::new(config)).accept(socket);
                accept.into_fallible().await.map(TlsStream::Server)
            }
            Role::Dialer => {
                let config = self.local().client(Arc::clone(verifier)).map_err(in_tls)?;
                // rustls wants a name, and sends none that is an address.
                let no_name = ServerName::from(Ipv4Addr::UNSPECIFIED);
                let connect = TlsConnector::from(Arc::new(config)).connect(no_name, socket);
                connect.into_fallible().await.map(TlsStream::Client)
            }
        };
        match outcome {
            // rustls lets a peer pass that names no protocol at all.
            Ok(stream) if stream.get_ref().1.alpn_protocol() == Some(ALPN) => Ok(stream),
            Ok(mut stream) => {
                verdict::linger(&mut stream).await;
                Err(HandshakeError::ApplicationProtocol { role })
            }
            Err((error, mut socket)) => {
                verdict::linger(&mut socket).await;
                Err(match verifier.take() {
                    Some(Judgement::NoHostKey(source)) => HandshakeError::Leaf { role, source },
                    _ => HandshakeError::from_io(role, Stage::Tls, error),
                })
            }
        }
    }

    /// Registers the peer, unless the policy was swapped since it was judged and the new one refuses it. Registering
    /// comes first: whoever swaps the policy judges the registered peers afterwards, so no peer slips between.
    fn admit(
        &self,
        role: Role,
        node: NodeId,
        admission: Admission,
        agreed: Agreed,
        judged_by: &Arc<Policy>,
    ) -> Result<(), HandshakeError> {
        let chain = admission.chain.clone();
        self.admissions.insert(node, admission, agreed);
        let current = self.policy.load_full();
        if Arc::ptr_eq(&current, judged_by) {
            return Ok(());
        }
        let judged_at = UnixTime::now();
        current.admit(&chain, judged_at).map(drop).map_err(|source| {
            self.admissions.remove(&node);
            let refusal = Box::new(Refusal::Chain { source, judged_at });
            HandshakeError::Refused { role, peer: node.into(), refusal, answer: None }
        })
    }
}

impl fmt::Debug for SecureChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureChannel").field("terms", &self.terms).field("timeout", &self.timeout).finish()
    }
}

impl UpgradeInfo for SecureChannel {
    type Info = &'static str;
    type InfoIter = iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        iter::once(PROTOCOL)
    }
}

impl<C> InboundConnectionUpgrade<C> for SecureChannel
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = (PeerId, TlsStream<C>);
    type Error = HandshakeError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        named_by_peer_id(self.secure(socket, Role::Listener)).boxed()
    }
}

impl<C> OutboundConnectionUpgrade<C> for SecureChannel
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = (PeerId, TlsStream<C>);
    type Error = HandshakeError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        named_by_peer_id(self.secure(socket, Role::Dialer)).boxed()
    }
}

async fn named_by_peer_id<S>(
    secured: impl Future<Output = Result<(NodeId, S), HandshakeError>>,
) -> Result<(PeerId, S), HandshakeError> {
    let (node, stream) = secured.await?;
    Ok((PeerId::from(node), stream))
}

/// What multistream-select agrees on: not libp2p-tls's own name, since a peer that speaks only that has no chain.
pub const PROTOCOL: &str = "/nuncio/tls/1";

/// Longest network name, in bytes: it travels in every verdict.
const MAX_NETWORK_NAME: usize = 128;

#[derive(Debug)]
struct Shown {
    identity: Arc<Identity>,
    certificate: LocalCertificate,
}

/// What both ends must have alike or in common.
#[derive(Debug)]
struct Terms {
    network: String,
    max_body: u32,
    protocol: Protocol,
}

impl Terms {
    fn verdict(&self, refusal: Option<String>) -> Verdict {
        Verdict { network: self.network.clone(), max_body: self.max_body, refusal, protocol: self.protocol.clone() }
    }

    fn compare(&self, role: Role, node: NodeId, theirs: &Verdict) -> Result<Agreed, HandshakeError> {
        if theirs.network != self.network {
            let (ours, theirs) = (self.network.clone(), nuncio_plain::short(&theirs.network, MAX_NETWORK_NAME));
            return Err(HandshakeError::OtherNetwork { role, node, ours, theirs });
        }
        let agreed = self.protocol.agree(&theirs.protocol).map_err(|behind| {
            let (ours, theirs) = (Box::new(self.protocol.clone()), Box::new(theirs.protocol.clone()));
            HandshakeError::NoCommonVersion { role, node, ours, theirs, behind }
        })?;
        if theirs.max_body != self.max_body {
            let (ours, theirs) = (self.max_body, theirs.max_body);
            return Err(HandshakeError::OtherMaxBody { role, node, ours, theirs });
        }
        Ok(agreed)
    }
}

/// Sends this node's verdict and takes the peer's, whatever either says.
async fn agree<S>(
    stream: &mut S,
    role: Role,
    judgement: Option<Judgement>,
    terms: &Terms,
) -> Result<(NodeId, Admission, Agreed), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (node, admission) = match judgement {
        Some(Judgement::Admitted { node, admission }) => (node, admission),
        Some(Judgement::Refused { peer, refusal }) => {
            let answer = refuse(stream, &refusal, terms).await;
            return Err(HandshakeError::Refused { role, peer, refusal: Box::new(refusal), answer });
        }
        Some(Judgement::NoHostKey(source)) => return Err(HandshakeError::Leaf { role, source }),
        None => return Err(HandshakeError::Tls { role, source: rustls::Error::NoCertificatesPresented }),
    };
    let sent = verdict::send(stream, &terms.verdict(None)).await;
    // A peer that refuses may be gone before the write, but its words are still there to be read.
    let theirs = verdict::receive(stream).await.map_err(|error| match error {
        ReceiveError::Invalid(source) => HandshakeError::Verdict { role, node, source: Box::new(source) },
        ReceiveError::Io(source) => HandshakeError::from_io(role, Stage::Verdict, source),
    })?;
    if let Some(reason) = theirs.refusal {
        return Err(HandshakeError::RefusedByPeer { role, node, reason: nuncio_plain::short(&reason, MAX_WORDS) });
    }
    sent.map_err(|source| HandshakeError::from_io(role, Stage::Verdict, source))?;
    let agreed = terms.compare(role, node, &theirs)?;
    Ok((node, admission, agreed))
}

/// Tells the peer why it is refused, makes sure it can read that, and returns what it has against this node.
async fn refuse<S>(stream: &mut S, refusal: &Refusal, terms: &Terms) -> Option<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let words = nuncio_plain::short(&refusal.to_string(), MAX_WORDS);
    // A peer that does not take it does not need it.
    let _ = verdict::send(stream, &terms.verdict(Some(words))).await;
    let theirs = within(LINGER, verdict::receive(stream)).await;
    verdict::linger(stream).await;
    theirs
        .and_then(Result::ok)
        .and_then(|verdict| verdict.refusal)
        .map(|reason| nuncio_plain::short(&reason, MAX_WORDS))
}
