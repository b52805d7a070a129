//! Why one node could not be used.

use std::{fmt, io, time::Duration};

use nuncio_channel_protocol::{FrameError, HandshakeError};
use nuncio_pki::{Role, Stated};
use rustls::AlertDescription;

/// A step on the way to a node that serves us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Resolving the name and opening the TCP connection.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// The channel handshake (frame 0x14).
    Channel,
}

/// One try of one node.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The node, as it was given to the builder.
    pub node: String,
    /// What went wrong.
    pub error: NodeError,
}

/// Why a node could not be used. [`NodeError::hint`] says where to look.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// No TCP connection.
    #[error("cannot connect: {source}")]
    Unreachable {
        /// What the operating system says.
        source: io::Error,
    },
    /// A step took too long.
    #[error("no end of the {stage} within {after:?}")]
    TimedOut {
        /// Which step.
        stage: Stage,
        /// The whole time allowed for connecting.
        after: Duration,
    },
    /// This side refused the node's certificate.
    #[error("this side refused the node's certificate: {reason}")]
    NodeNotTrusted {
        /// Why.
        reason: rustls::CertificateError,
    },
    /// The node refused this client's certificate, or its TLS offer.
    #[error("the node refused this client during TLS: {alert:?}")]
    Refused {
        /// What it said.
        alert: AlertDescription,
    },
    /// The node takes SDKs' certificates only, and this client's is of another role.
    #[error("the node refused this client's certificate: it has {stated}, and an SDK port takes role sdk only")]
    OtherRole {
        /// What the certificate states.
        stated: Stated,
    },
    /// TLS failed otherwise.
    #[error("TLS failed: {source}")]
    Tls {
        /// How.
        source: io::Error,
    },
    /// The node hung up before it served us.
    #[error("the node hung up during the {stage}")]
    HungUp {
        /// When.
        stage: Stage,
    },
    /// The node sent bytes that are no frames.
    #[error("the node does not speak the channel protocol: {0}")]
    Frame(#[source] FrameError),
    /// The node's handshake answer cannot be read, or names a version that was not offered.
    #[error("the node's handshake answer cannot be used: {0}")]
    Handshake(#[source] HandshakeError),
}

impl NodeError {
    /// What to check, and on which side.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "nothing answers there: check that the node runs and that this is its channel port (20200 by default), \
                 not its peer port or its RPC port"
            }
            Self::TimedOut { stage: Stage::Tcp, .. } => "check the address, and firewalls on the way",
            Self::TimedOut { .. } => {
                "something answers but not as a node does: check that this is the channel port (20200 by default), and \
                 the node's log"
            }
            Self::NodeNotTrusted { .. } => {
                "ca.crt in the certificate directory must be the one that issued the certificate of the node's channel \
                 port; check also this machine's clock"
            }
            Self::Refused { alert: AlertDescription::UnknownCA | AlertDescription::CertificateUnknown } => {
                "sdk.crt in the certificate directory is not from an authority the node knows: the node's own ca.crt \
                 must have issued it; the node's log says more"
            }
            Self::Refused { alert: AlertDescription::CertificateExpired } => {
                "sdk.crt has expired, or the node's clock is wrong: issue a new one"
            }
            Self::Refused { alert: AlertDescription::CertificateRevoked } => "sdk.crt was revoked: issue a new one",
            Self::OtherRole { .. } => {
                "nuncio cert issue NAME --ca DIR --out DIR --kind sdk makes an SDK's certificate (nuncio cert inspect shows the \
                 role of one); for a network whose certificates do not tell nodes from SDKs, the node can set [identity] \
                 roles = \"any\""
            }
            Self::Refused { .. } | Self::Tls { .. } => {
                "check ca.crt, sdk.crt and sdk.key in the certificate directory; the node's log says which check failed"
            }
            Self::HungUp { .. } => {
                "the node's log says why; it may have refused sdk.crt, or this may not be its channel port (20200 by \
                 default)"
            }
            Self::Frame(_) | Self::Handshake(_) => "check that this is the node's channel port (20200 by default)",
        }
    }

    /// What a refusal means when this client's certificate states these roles.
    pub(crate) fn beside(self, stated: &Stated) -> Self {
        match self {
            Self::Refused { alert: AlertDescription::AccessDenied } if !stated.roles().contains(&Role::Sdk) => {
                Self::OtherRole { stated: stated.clone() }
            }
            other => other,
        }
    }

    /// Sorts an error of a TLS stream by the side that refused.
    pub(crate) fn from_tls(source: io::Error, stage: Stage) -> Self {
        let hung_up = matches!(
            source.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        );
        match source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(reason)) => Self::NodeNotTrusted { reason: reason.clone() },
            Some(rustls::Error::AlertReceived(alert)) => Self::Refused { alert: *alert },
            _ if hung_up => Self::HungUp { stage },
            _ => Self::Tls { source },
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP connection",
            Self::Tls => "TLS handshake",
            Self::Channel => "channel handshake",
        })
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.node, self.error)
    }
}
