//! Why a certificate chain is refused, in words an operator can act on.

use std::{fmt, sync::Arc};

use nuncio_identity::NodeId;
use rustls_pki_types::UnixTime;

use crate::{Certificate, CertificateError, Edition, KeyKind, Role, Stated, instant};

/// Whom a refused certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Who {
    /// The subject, RFC 4514.
    pub subject: String,
    /// The node, when the key is on secp256k1.
    pub node: Option<NodeId>,
}

impl Who {
    pub(crate) fn named_by(certificate: &Certificate) -> Box<Self> {
        Box::new(Self { subject: certificate.subject(), node: certificate.node_id() })
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "{} (node {})", self.subject, node.short()),
            None => f.write_str(&self.subject),
        }
    }
}

/// Why [`Policy::judge`](crate::Policy::judge) refuses a chain. The text names the subject, the node and the check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// No certificate was presented.
    #[error("no certificate issued by the consortium was presented")]
    NoCertificate,
    /// More certificates or bytes than a chain may have.
    #[error("the certificate chain is too long: {certificates} certificates, {bytes} bytes")]
    TooLong {
        /// How many were presented.
        certificates: usize,
        /// Their bytes in all.
        bytes: usize,
    },
    /// A certificate cannot be read.
    #[error("certificate {position} of the chain cannot be read: {source}")]
    Unreadable {
        /// Which, counted from 1.
        position: usize,
        /// Why.
        source: CertificateError,
    },
    /// The leaf is an X.509 version without extensions, which cannot say that it is no authority.
    #[error("certificate of {who} is X.509 version {version}; a node's must be version 3")]
    NotVersion3 {
        /// Whose.
        who: Box<Who>,
        /// Its version.
        version: u8,
    },
    /// The leaf's key cannot be a node's.
    #[error("certificate of {who} has a key of kind {kind}; a node's must be on secp256k1")]
    NotSecp256k1 {
        /// Whose.
        who: Box<Who>,
        /// What it has.
        kind: KeyKind,
    },
    /// The leaf's key cannot sign a handshake, or nobody can check here what it signs.
    #[error(
        "certificate of {who} has a key of kind {kind}, by which nobody can prove here in TLS that it is his; secp256k1, \
         P-256, P-384, P-521, Ed25519 and RSA of 2048 to 8192 bits are taken"
    )]
    UnusableKey {
        /// Whose.
        who: Box<Who>,
        /// What it has.
        kind: KeyKind,
    },
    /// It is of another role than the door demands.
    #[error("certificate of {who} has {stated}, and this door takes role {role} only")]
    OtherRole {
        /// Whose.
        who: Box<Who>,
        /// What it states.
        stated: Stated,
        /// What the door demands.
        role: Role,
    },
    /// No way from the leaf to an authority.
    #[error(
        "certificate of {who} does not chain to ca.crt: its issuer {issuer} is neither there nor in the chain presented"
    )]
    UnknownIssuer {
        /// Whose.
        who: Box<Who>,
        /// The name that issued it.
        issuer: String,
    },
    /// The issuer's name is known, the signature is not by its key.
    #[error(
        "certificate of {who} does not chain to ca.crt: an authority named {issuer} but with another key signed it"
    )]
    WrongIssuerKey {
        /// Whose.
        who: Box<Who>,
        /// The name that both keys carry.
        issuer: String,
    },
    /// It was issued by something that may not issue.
    #[error("certificate of {who} was issued by {issuer}, which may not issue it: {reason}")]
    NotAnAuthority {
        /// Whose.
        who: Box<Who>,
        /// What issued it.
        issuer: String,
        /// What forbids it.
        reason: String,
    },
    /// An authority's own certificate was presented as a node's.
    #[error("certificate of {who} is an authority's; a node needs one of its own")]
    AuthorityAsNode {
        /// Whose.
        who: Box<Who>,
    },
    /// A certificate of the chain, or the authority's, is past its last day.
    #[error("certificate of {who} expired on {}", instant::text(*not_after))]
    Expired {
        /// Whose.
        who: Box<Who>,
        /// Its last instant.
        not_after: UnixTime,
    },
    /// A certificate of the chain, or the authority's, has not begun.
    #[error("certificate of {who} is not valid before {}", instant::text(*not_before))]
    NotYetValid {
        /// Whose.
        who: Box<Who>,
        /// Its first instant.
        not_before: UnixTime,
    },
    /// A revocation list names a certificate of the chain.
    #[error("certificate of {who} is revoked: serial {serial} is on revocation list {edition} of {issuer}")]
    Revoked {
        /// Whose.
        who: Box<Who>,
        /// Its serial, hexadecimal.
        serial: String,
        /// Who revoked it.
        issuer: String,
        /// Which list.
        edition: Box<Edition>,
    },
    /// Lists are required, and an authority has none that is current.
    #[error(
        "certificate of {who} cannot be checked: its issuer {issuer} has no current revocation list here{}, and [identity] \
         crl_policy is hard",
        overdue.map(|due| format!(" (the next was due on {})", instant::text(due))).unwrap_or_default()
    )]
    NoCurrentList {
        /// Whose.
        who: Box<Who>,
        /// Whose list is missing.
        issuer: String,
        /// When the list that is here should have been replaced.
        overdue: Option<UnixTime>,
    },
    /// The node is on the deny list.
    #[error("{who} is on the deny list")]
    Denied {
        /// Whose.
        who: Box<Who>,
    },
    /// There is an allow list and the node is not on it.
    #[error("{who} is not on the allow list")]
    NotAllowed {
        /// Whose.
        who: Box<Who>,
    },
    /// Anything else that RFC 5280 forbids.
    #[error("certificate of {who} is not acceptable: {reason}")]
    Unacceptable {
        /// Whose.
        who: Box<Who>,
        /// The check that failed.
        reason: String,
    },
}

/// What is wrong with a chain, without whose it is: for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainFault {
    /// It ended.
    Expired,
    /// It counts from later on.
    NotYetValid,
    /// It is revoked.
    Revoked,
    /// No current revocation list of its issuer is here.
    NoCurrentList,
    /// The access list says no.
    Access,
    /// It is for something else.
    Role,
    /// Nobody here knows the issuer.
    UnknownIssuer,
    /// Anything else.
    Chain,
}

impl ChainFault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Expired,
        Self::NotYetValid,
        Self::Revoked,
        Self::NoCurrentList,
        Self::Access,
        Self::Role,
        Self::UnknownIssuer,
        Self::Chain,
    ];

    /// A word for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::NoCurrentList => "no_current_list",
            Self::Access => "access",
            Self::Role => "role",
            Self::UnknownIssuer => "unknown_issuer",
            Self::Chain => "chain",
        }
    }
}

impl ChainError {
    /// What is wrong, for counting.
    pub const fn fault(&self) -> ChainFault {
        match self {
            Self::Expired { .. } => ChainFault::Expired,
            Self::NotYetValid { .. } => ChainFault::NotYetValid,
            Self::Revoked { .. } => ChainFault::Revoked,
            Self::NoCurrentList { .. } => ChainFault::NoCurrentList,
            Self::Denied { .. } | Self::NotAllowed { .. } => ChainFault::Access,
            Self::OtherRole { .. } => ChainFault::Role,
            Self::UnknownIssuer { .. } | Self::WrongIssuerKey { .. } => ChainFault::UnknownIssuer,
            Self::NoCertificate
            | Self::TooLong { .. }
            | Self::Unreadable { .. }
            | Self::NotVersion3 { .. }
            | Self::NotSecp256k1 { .. }
            | Self::UnusableKey { .. }
            | Self::NotAnAuthority { .. }
            | Self::AuthorityAsNode { .. }
            | Self::Unacceptable { .. } => ChainFault::Chain,
        }
    }

    /// What mends it: a command or the file to look at, for whoever owns the refused certificate.
    pub fn hint(&self) -> String {
        match self {
            Self::NoCertificate => {
                "give the node a certificate of the consortium: nuncio cert issue NAME --ca DIR --out DIR".into()
            }
            Self::TooLong { .. } | Self::Unreadable { .. } => {
                "nuncio cert inspect node.crt; it must hold the node's and the agency's certificate, nothing else"
                    .into()
            }
            Self::NotVersion3 { .. } | Self::NotSecp256k1 { .. } | Self::AuthorityAsNode { .. } => {
                "nuncio cert issue NAME --ca DIR --out DIR --kind node makes a node certificate".into()
            }
            Self::UnusableKey { .. } => {
                "issue one for a key of another kind: nuncio cert issue NAME --ca DIR --out DIR --kind sdk makes both"
                    .into()
            }
            Self::OtherRole { stated, role, .. } => role_hint(stated, *role),
            Self::UnknownIssuer { .. } => "nuncio cert inspect node.crt; node.crt must hold the agency's certificate \
                too, and both nodes must have the same ca.crt"
                .into(),
            Self::WrongIssuerKey { .. } => {
                "compare ca.crt of both nodes (sha256sum ca.crt): two authorities share one name".into()
            }
            Self::NotAnAuthority { .. } | Self::Unacceptable { .. } => {
                "nuncio cert inspect node.crt, then nuncio cert issue NAME --ca DIR --out DIR".into()
            }
            Self::Expired { who, .. } if who.node.is_some() => {
                "nuncio cert renew issues a new certificate for the same key".into()
            }
            Self::Expired { .. } => "nuncio cert inspect ca.crt; ask the authority for new certificates".into(),
            Self::NotYetValid { .. } => {
                "check the clocks of both machines (date -u), then nuncio cert inspect node.crt".into()
            }
            Self::Revoked { .. } => "ask the authority for a new key and certificate: nuncio cert issue".into(),
            Self::NoCurrentList { .. } => {
                "ask that authority for its list, and name it in [identity] crl of nuncio.toml; \
                `nuncio cert inspect ca.crl` shows until when a list lasts"
                    .into()
            }
            Self::Denied { who } => match &who.node {
                Some(node) => format!("nuncio access reset {node}, or [access] deny in nuncio.toml"),
                None => "see [access] deny in nuncio.toml".into(),
            },
            Self::NotAllowed { who } => match &who.node {
                Some(node) => format!("nuncio access allow {node}, or [access] allow in nuncio.toml"),
                None => "see [access] allow in nuncio.toml".into(),
            },
        }
    }

    /// The same for rustls, so that the other side gets the fitting TLS alert.
    pub fn to_certificate_error(&self) -> rustls::CertificateError {
        use rustls::CertificateError as Tls;
        match self {
            Self::UnknownIssuer { .. } | Self::WrongIssuerKey { .. } => Tls::UnknownIssuer,
            Self::Expired { .. } => Tls::Expired,
            Self::NotYetValid { .. } => Tls::NotValidYet,
            Self::Revoked { .. } => Tls::Revoked,
            Self::NoCurrentList { .. } => Tls::UnknownRevocationStatus,
            Self::Denied { .. } | Self::NotAllowed { .. } | Self::OtherRole { .. } => {
                Tls::ApplicationVerificationFailure
            }
            Self::UnusableKey { .. } => Tls::InvalidPurpose,
            Self::Unreadable { .. } => Tls::BadEncoding,
            _ => Tls::Other(rustls::OtherError(Arc::new(self.clone()))),
        }
    }
}

fn role_hint(stated: &Stated, role: Role) -> String {
    let issue = format!("nuncio cert issue NAME --ca DIR --out DIR --kind {role} makes one of that role");
    match stated {
        Stated::ByUsage(_) => issue,
        Stated::ByUnit(_) | Stated::Nothing | Stated::Unmarked => format!(
            "{issue}; if this network's certificates do not tell nodes from SDKs, as those of another tool may, set [identity] \
             roles = \"any\" in nuncio.toml"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Issuer, RevocationDates, Validity};

    #[test]
    fn each_refusal_is_counted_as_what_it_is() {
        let root = Issuer::root("chain", Validity::days(1)).unwrap();
        let dates = RevocationDates { this_update: instant::at(1), next_update: instant::at(2) };
        let list = root.revoke(&[], None, dates).unwrap();
        let (who, at) = (|| Who::named_by(root.certificate()), instant::at(1));
        let (issuer, reason) = (|| "an authority".to_owned(), || "a rule".to_owned());
        let kind = || root.certificate().key_kind();
        let edition = || Box::new(list.edition().clone());
        let table = [
            (ChainError::Expired { who: who(), not_after: at }, ChainFault::Expired),
            (ChainError::NotYetValid { who: who(), not_before: at }, ChainFault::NotYetValid),
            (
                ChainError::Revoked { who: who(), serial: "1".into(), issuer: issuer(), edition: edition() },
                ChainFault::Revoked,
            ),
            (ChainError::NoCurrentList { who: who(), issuer: issuer(), overdue: None }, ChainFault::NoCurrentList),
            (ChainError::Denied { who: who() }, ChainFault::Access),
            (ChainError::NotAllowed { who: who() }, ChainFault::Access),
            (
                ChainError::OtherRole {
                    who: who(),
                    stated: root.certificate().stated_roles().clone(),
                    role: Role::Node,
                },
                ChainFault::Role,
            ),
            (ChainError::UnknownIssuer { who: who(), issuer: issuer() }, ChainFault::UnknownIssuer),
            (ChainError::WrongIssuerKey { who: who(), issuer: issuer() }, ChainFault::UnknownIssuer),
            (ChainError::NoCertificate, ChainFault::Chain),
            (ChainError::TooLong { certificates: 6, bytes: 1 }, ChainFault::Chain),
            (ChainError::Unreadable { position: 1, source: CertificateError::Empty }, ChainFault::Chain),
            (ChainError::NotVersion3 { who: who(), version: 1 }, ChainFault::Chain),
            (ChainError::NotSecp256k1 { who: who(), kind: kind() }, ChainFault::Chain),
            (ChainError::UnusableKey { who: who(), kind: kind() }, ChainFault::Chain),
            (ChainError::NotAnAuthority { who: who(), issuer: issuer(), reason: reason() }, ChainFault::Chain),
            (ChainError::AuthorityAsNode { who: who() }, ChainFault::Chain),
            (ChainError::Unacceptable { who: who(), reason: reason() }, ChainFault::Chain),
        ];
        for (error, fault) in table {
            assert_eq!(error.fault(), fault, "{error}");
        }
    }
}
