use nuncio_identity::NodeId;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{IssueError, refuse_other_role};
use crate::{Certificate, CertificateRequest, Credential, MAX_CHAIN_BYTES, Policy, authority::Kind, path::refuse_long};

/// A node that wants its certificate renewed. Only [`source`](Self::source) is proved; the rest is what it says.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The node whose key vouches for the message itself.
    pub source: NodeId,
    /// A certificate request, DER, signed by that key, with the subject of the certificate there is.
    pub request: Vec<u8>,
    /// The certificate there is, and what stands above it.
    pub chain: Vec<CertificateDer<'static>>,
}

impl Asked {
    /// Longest request, in bytes: a name, a key and a signature.
    pub const MAX_REQUEST: usize = 4 << 10;

    /// Whether it shows a certificate for its own key that this very agency made, whatever has become of that.
    pub(super) fn shows_one_by(&self, agency: &Certificate) -> bool {
        let short = self.chain.first().filter(|der| der.len() <= MAX_CHAIN_BYTES);
        let leaf = short.and_then(|der| Certificate::from_der(der.clone()).ok());
        leaf.is_some_and(|leaf| leaf.node_id() == Some(self.source) && leaf.is_signed_by(agency))
    }

    /// Whether who asks holds what it wants renewed, and wants nothing else.
    pub(super) fn judge(&self, policy: &Policy, now: UnixTime) -> Result<Credential, IssueError> {
        if self.request.len() > Self::MAX_REQUEST {
            return Err(IssueError::TooLarge { bytes: self.request.len(), limit: Self::MAX_REQUEST });
        }
        refuse_long(&self.chain).map_err(IssueError::chain)?;
        let request = CertificateRequest::from_der(&self.request)?;
        request.verify(Kind::Node)?;
        if request.node_id() != Some(self.source) {
            return Err(self.other_key("the request", request.node_id()));
        }
        let credential = policy.judge(&self.chain, now).map_err(IssueError::chain)?;
        if credential.node_id != Some(self.source) {
            return Err(self.other_key("the certificate", credential.node_id));
        }
        refuse_other_role(&credential)?;
        if !request.is_for(credential.certificate()) {
            return Err(IssueError::OtherName { asked: request.subject(), held: credential.subject });
        }
        if request.has_attributes() {
            return Err(IssueError::Attributes);
        }
        Ok(credential)
    }

    fn other_key(&self, what: &'static str, found: Option<NodeId>) -> IssueError {
        let found = found.map_or_else(|| "no node".to_owned(), |node| format!("node {}", node.short()));
        IssueError::OtherKey { what, found, asker: self.source.short() }
    }
}
