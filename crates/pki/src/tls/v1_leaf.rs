//! X.509 version 1 leaves, as FISCO BCOS's tool makes them for the channel port. webpki refuses them, rightly: a
//! version 1 certificate cannot say whether it may issue. Here one may only stand directly under an anchor.

use rustls_pki_types::UnixTime;

use crate::{Certificate, ChainError, Who, path};

/// Accepts `leaf` if an anchor has its issuer's name, signed it, and both are valid at `now`.
pub(crate) fn verify(leaf: Certificate, anchors: &[Certificate], now: UnixTime) -> Result<path::Verified, ChainError> {
    if anchors.contains(&leaf) {
        return Err(ChainError::AuthorityAsNode { who: Who::named_by(&leaf) });
    }
    let mut namesakes = anchors.iter().filter(|anchor| anchor.subject_der() == leaf.issuer_der()).peekable();
    if namesakes.peek().is_none() {
        return Err(ChainError::UnknownIssuer { who: Who::named_by(&leaf), issuer: leaf.issuer() });
    }
    let signers: Vec<&Certificate> = namesakes.filter(|anchor| leaf.is_signed_by(anchor)).collect();
    if signers.is_empty() {
        return Err(ChainError::WrongIssuerKey { who: Who::named_by(&leaf), issuer: leaf.issuer() });
    }
    path::refuse_time(&leaf, now)?;
    let anchor = path::longest_valid(signers.into_iter(), now)?.clone();
    Ok(path::Verified { leaf, intermediates: Vec::new(), anchor })
}
