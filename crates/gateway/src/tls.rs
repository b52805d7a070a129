//! From a TCP connection to a TLS session, or to a reason in words why not.

use std::{borrow::Cow, fmt, io, sync::Arc, time::Duration};

use nuncio_metrics::SdkRefusal;
use nuncio_pki::{
    Certificate, ChainError, Credential, KeyKind,
    tls::{ChannelServerTls, OwnCertificate, Refused},
};
use rustls::{AlertDescription, CertificateError, PeerIncompatible, ServerConnection};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{Denial, access::of_chain, tenants::OverBudget};

/// Why a connection does not become a session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// All places are taken.
    #[error("{limit} connections are open, no more are let in")]
    Full {
        /// The limit.
        limit: usize,
    },
    /// All places of the address are taken.
    #[error("{limit} connections from this address are open, no more are let in")]
    FullForAddress {
        /// The limit.
        limit: usize,
    },
    /// It got no place at the door.
    #[error(transparent)]
    Door(#[from] nuncio_door::Refusal),
    /// Gave way to a newcomer.
    #[error("its handshake had made no end when its place was needed")]
    GaveWay,
    /// The handshake did not end in time.
    #[error("its handshake did not end within {limit:?}")]
    TooSlow {
        /// The limit.
        limit: Duration,
    },
    /// The connection ended before the handshake did.
    #[error("it hung up before the handshake had ended")]
    HungUp(#[source] io::Error),
    /// The first bytes are not TLS.
    #[error("it does not speak TLS but {0}")]
    NotTls(Opening),
    /// TLS said no.
    #[error("TLS failed: {0}")]
    Tls(#[source] rustls::Error),
    /// Its certificate does not hold here.
    #[error(transparent)]
    Certificate(ChainError),
    /// The certificate is of another agency than the node's.
    #[error("its certificate {subject:?} was issued by {theirs:?}, the node's by {ours:?}")]
    OtherAgency {
        /// The client's subject.
        subject: String,
        /// Who issued the client's certificate.
        theirs: String,
        /// Who issued the node's certificate.
        ours: String,
    },
    /// Its certificate, or its agency, has all the sessions that its quota allows.
    #[error("{subject:?} gets no session: {over}")]
    OverQuota {
        /// The client's subject.
        subject: String,
        /// Which quota.
        over: OverBudget,
    },
    /// It has shown no certificate, and no token that counts.
    #[error("it has shown no certificate, and no token that counts: {reason}")]
    NoToken {
        /// Why.
        reason: String,
    },
    /// A page of an origin that may not come in sends it.
    #[error("this page's origin is not in [web] origins of the node")]
    OtherOrigin,
    /// The access lists or a revocation list say no.
    #[error("{subject:?} may not use this gateway: {denial}")]
    NotAdmitted {
        /// The client's subject.
        subject: String,
        /// Why.
        denial: Denial,
    },
}

/// What a connection began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Opening {
    /// A Nuncio node's first bytes.
    #[error("the protocol nodes speak among themselves")]
    Peer,
    /// An HTTP request.
    #[error("HTTP")]
    Http,
    /// A channel frame without TLS.
    #[error("the channel protocol in plain text")]
    PlainFrame,
    /// Anything else.
    #[error("something unknown")]
    Unknown,
}

/// With what handshakes are done; replaced as a whole when certificates are renewed.
pub(crate) struct TlsSide {
    tls: ChannelServerTls,
    /// By whose agency a client's certificate must be, of agencies on elliptic curves and with RSA keys; `None` for anyone's
    /// trusted.
    own: [Option<Arc<OwnCertificate>>; 2],
}

/// A connection after its handshake.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) socket: TcpStream,
    pub(crate) tls: ServerConnection,
    pub(crate) client: Credential,
}

impl Refusal {
    /// What it is counted as.
    pub(crate) fn cause(&self) -> SdkRefusal {
        match self {
            Self::Full { .. } | Self::FullForAddress { .. } => SdkRefusal::Full,
            Self::Door(_) => SdkRefusal::Door,
            Self::GaveWay | Self::TooSlow { .. } => SdkRefusal::Slow,
            Self::HungUp(_) => SdkRefusal::HungUp,
            Self::NotTls(_) => SdkRefusal::NotTls,
            Self::Tls(_) => SdkRefusal::Tls,
            Self::Certificate(error) => of_chain(error),
            Self::OtherAgency { .. } => SdkRefusal::OtherAgency,
            Self::OverQuota { .. } => SdkRefusal::OverQuota,
            Self::NoToken { .. } => SdkRefusal::NoToken,
            Self::OtherOrigin => SdkRefusal::Origin,
            Self::NotAdmitted { denial, .. } => denial.refusal(),
        }
    }

    /// What to do about it, where something can be done.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Certificate(error) => Some(certificate_hint(error)),
            other => other.usual_hint().map(Cow::Borrowed),
        }
    }

    fn usual_hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Full { .. } => "raise the gateway's connection limit or spread the SDKs over more nodes",
            Self::FullForAddress { .. } => {
                "raise the gateway's limit per address if one host really runs that many SDKs"
            }
            Self::Door(_) | Self::GaveWay | Self::HungUp(_) => return None,
            Self::TooSlow { .. } => "look for a port scanner, or for a firewall that swallows large packets",
            Self::NotTls(Opening::Peer) => "a node dialled the gateway: use the p2p port in its peer list",
            Self::NotTls(Opening::Http) => "this port speaks TLS only, and HTTP is at [web] listen: https:// or wss://",
            Self::NotTls(Opening::PlainFrame) => "switch TLS on in the SDK and give it ca.crt, sdk.crt and sdk.key",
            Self::NotTls(Opening::Unknown) => "only SDKs of FISCO BCOS 2.x belong on this port",
            Self::Tls(error) => return tls_hint(error),
            Self::Certificate(_) => return None,
            Self::OtherAgency { .. } => {
                "connect to a node of the SDK's own agency, or switch the gateway's same-agency check off"
            }
            Self::OverQuota { .. } => "the quotas of sessions are in [[rights.quota]] of this node's configuration",
            Self::OtherOrigin => "name the origin of pages that may come in in [web] origins",
            Self::NoToken { .. } => "nuncio token make NAME --scope client",
            Self::NotAdmitted { denial: Denial::Revoked { .. }, .. } => "issue the SDK a new certificate",
            Self::NotAdmitted { denial: Denial::OtherRole { .. }, .. } => {
                "nuncio cert issue NAME --ca DIR --out DIR --kind sdk"
            }
            Self::NotAdmitted { denial: Denial::Chain(_), .. } => {
                "name a current list of that authority in [identity] crl: [identity] crl_policy is hard"
            }
            Self::NotAdmitted { .. } => "the lists are in [gateway] allow and deny of this node's configuration",
        })
    }

    /// Whether it is worth a line in the log: scanners and health checks that only open and close are not.
    pub(crate) fn is_noteworthy(&self) -> bool {
        !matches!(self, Self::HungUp(error) if error.kind() == io::ErrorKind::UnexpectedEof)
    }
}

impl TlsSide {
    pub(crate) fn new(tls: &ChannelServerTls, same_agency: bool) -> Self {
        let shown = |on_curve| tls.own().find(|own| same_agency && is_rsa(own.certificate()) != on_curve).cloned();
        Self { tls: tls.clone(), own: [shown(true), shown(false)] }
    }

    /// Does the handshake, for whoever drives the connection by hand; whoever calls bounds its time.
    pub(crate) async fn accept(&self, socket: TcpStream) -> Result<Admitted, Refusal> {
        let stream = self.handshake(socket, false).await?;
        let client = self.client_of(&stream)?;
        let (socket, tls) = stream.into_inner();
        Ok(Admitted { socket, tls, client })
    }

    /// Does the handshake, also with who shows no certificate where `guests` may come; whoever calls bounds its time.
    pub(crate) async fn accept_guest(
        &self,
        socket: TcpStream,
        guests: bool,
    ) -> Result<(TlsStream<TcpStream>, Option<Credential>), Refusal> {
        let stream = self.handshake(socket, guests).await?;
        let is_guest = guests && stream.get_ref().1.peer_certificates().is_none();
        let client = (!is_guest).then(|| self.client_of(&stream)).transpose()?;
        Ok((stream, client))
    }

    fn client_of(&self, stream: &TlsStream<TcpStream>) -> Result<Credential, Refusal> {
        let client = self.tls.client_of(stream.get_ref().1)?;
        check_agency(&client, &self.own)?;
        Ok(client)
    }

    async fn handshake(&self, socket: TcpStream, guests: bool) -> Result<TlsStream<TcpStream>, Refusal> {
        let opening = peek(&socket).await.map_err(Refusal::HungUp)?;
        if let Some(opening) = opening {
            return Err(Refusal::NotTls(opening));
        }
        let handshake = self.tls.handshake(guests).map_err(Refusal::Tls)?;
        let accepted = TlsAcceptor::from(handshake.config()).accept(socket).await;
        accepted.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(inner) => handshake.refused(inner.clone()).into(),
            None => Refusal::HungUp(error),
        })
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Chain(error) => Self::Certificate(error),
            Refused::Tls(error) => Self::Tls(error),
            other => Self::Tls(rustls::Error::General(other.to_string())),
        }
    }
}

impl fmt::Debug for TlsSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSide").field("own", &self.own).finish_non_exhaustive()
    }
}

/// Looks at the first bytes; `None` when they begin a TLS handshake.
async fn peek(socket: &TcpStream) -> io::Result<Option<Opening>> {
    let mut first = [0; 16];
    let first = match socket.peek(&mut first).await? {
        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
        length => &first[..length],
    };
    Ok(match first {
        [0x16, ..] => None,
        [0x13, b'/', ..] => Some(Opening::Peer),
        [b'A'..=b'Z', b'A'..=b'Z', ..] => Some(Opening::Http),
        [0, _, ..] => Some(Opening::PlainFrame),
        _ => Some(Opening::Unknown),
    })
}

/// Compares the agency with that of the node's own certificate of the same kind, where it has one. FISCO BCOS looks at
/// certificates with extensions only, which its RSA ones are not.
///
/// What counts is the kind of the agency's key: an agency gives certificates to keys of any kind, as it likes.
fn check_agency(client: &Credential, [on_curve, rsa]: &[Option<Arc<OwnCertificate>>; 2]) -> Result<(), Refusal> {
    let by_rsa = client.issuers().next().is_some_and(is_rsa);
    let Some(own) = (if by_rsa { rsa } else { on_curve }) else { return Ok(()) };
    if own.is_by_agency_of(client) {
        return Ok(());
    }
    let (subject, issuer) = (client.subject.clone(), own.certificate().issuer());
    let (theirs, ours) = if client.issuer == issuer {
        // Only those above them tell the two apart.
        let (theirs, ours) = (client.agency_path(), own.agency().map_or(issuer, str::to_owned));
        (if theirs == ours { format!("{theirs} below another root") } else { theirs }, ours)
    } else {
        (client.issuer.clone(), issuer)
    };
    Err(Refusal::OtherAgency { subject, theirs, ours })
}

fn is_rsa(certificate: &Certificate) -> bool {
    matches!(certificate.key_kind(), KeyKind::Rsa { .. })
}

/// What mends a certificate that is refused, said of an SDK.
fn certificate_hint(error: &ChainError) -> Cow<'static, str> {
    match error {
        ChainError::OtherRole { .. } | ChainError::UnusableKey { .. } => error.hint().into(),
        other => tls_hint(&other.to_certificate_error().into()).unwrap_or_default().into(),
    }
}

fn tls_hint(error: &rustls::Error) -> Option<&'static str> {
    use rustls::Error::{
        AlertReceived, InvalidCertificate, InvalidMessage, NoCertificatesPresented, PeerIncompatible as Incompatible,
    };
    Some(match error {
        NoCertificatesPresented => {
            "the SDK presents no certificate: give it sdk.crt and sdk.key of this network, with a key on secp256k1, P-256, P-384 \
             or P-521, Ed25519, or RSA: who has another kind sends none"
        }
        InvalidCertificate(CertificateError::BadSignature) => {
            "the SDK has not proved that the key of its certificate is its own: give it the sdk.key that sdk.crt was issued for"
        }
        InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the SDK's certificate is of another authority: issue one under this network's, and check which ca.crt the \
             gateway has (RSA certificates have one authority per agency)"
        }
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "renew the SDK's certificate, or set this machine's clock right"
        }
        InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "one of the two clocks is wrong: the SDK's certificate is not valid yet"
        }
        InvalidCertificate(CertificateError::Revoked) => "the SDK's certificate was revoked: issue a new one",
        InvalidCertificate(_) => "give the SDK a certificate issued under this network's authority",
        AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown,
        ) => "the SDK does not trust the gateway's certificate: copy this network's ca.crt to it",
        Incompatible(PeerIncompatible::NoKxGroupsInCommon | PeerIncompatible::NamedGroupsExtensionRequired) => {
            "no curve in common: the SDK must offer secp256k1, P-256 or X25519 (Java: -Djdk.tls.namedGroups=secp256k1,x25519)"
        }
        Incompatible(PeerIncompatible::NoCipherSuitesInCommon | PeerIncompatible::NoSignatureSchemesInCommon) => {
            "the SDK cannot use this kind of certificate: run the gateway with RSA certificates for JDK 17, with \
             elliptic-curve ones for secp256k1-only SDKs (SM ciphers are not served)"
        }
        Incompatible(_) => "the SDK must speak TLS 1.2 or 1.3 with AES-GCM or ChaCha20",
        InvalidMessage(_) => "only SDKs of FISCO BCOS 2.x belong on this port",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
