//! What every certificate of one path must be (RFC 5280, 6.1).

use der::{
    asn1::ObjectIdentifier,
    oid::db::rfc5280::{ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH},
};
use rustls_pki_types::UnixTime;

use super::{Leaf, constraints};
use crate::{
    Certificate, ChainError, Who,
    extensions::{KeyUsage, NetscapeType},
};

/// What stands at the upper end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Top {
    /// A certificate that is trusted.
    Trusted,
    /// One whose issuer is not known.
    Open,
}

/// All faults of a path, the leaf's first.
pub(super) fn faults(path: &[&Certificate], top: Top, now: UnixTime, purpose: Leaf) -> Vec<ChainError> {
    let mut faults: Vec<ChainError> = refuse_leaf(path[0], purpose).err().into_iter().collect();
    for (index, certificate) in path.iter().enumerate() {
        let unacceptable = |reason| ChainError::Unacceptable { who: Who::named_by(certificate), reason };
        faults.extend(refuse_time(certificate, now).err());
        faults.extend(certificate.extensions().fault.clone().map(unacceptable));
        faults.extend(refuse_curve(certificate).err().map(unacceptable));
        faults.extend(refuse_purpose(certificate, purpose).err().map(unacceptable));
        if let Some((below, issued)) = path[..index].split_last().map(|(issued, _)| (&path[..index], issued)) {
            let is_trusted = top == Top::Trusted && index + 1 == path.len();
            faults.extend(refuse_issuer(certificate, below, is_trusted).err().map(|reason| {
                ChainError::NotAnAuthority { who: Who::named_by(issued), issuer: certificate.subject(), reason }
            }));
            faults.extend(outside_constraints(certificate, below));
        }
    }
    faults
}

/// Refuses a certificate outside its validity.
pub(crate) fn refuse_time(certificate: &Certificate, now: UnixTime) -> Result<(), ChainError> {
    let who = || Who::named_by(certificate);
    if now.as_secs() > certificate.not_after().as_secs() {
        Err(ChainError::Expired { who: who(), not_after: certificate.not_after() })
    } else if now.as_secs() < certificate.not_before().as_secs() {
        Err(ChainError::NotYetValid { who: who(), not_before: certificate.not_before() })
    } else {
        Ok(())
    }
}

fn refuse_leaf(leaf: &Certificate, purpose: Leaf) -> Result<(), ChainError> {
    let who = || Who::named_by(leaf);
    if leaf.version() != 3 && (matches!(purpose, Leaf::Node | Leaf::Operator) || !leaf.is_v1()) {
        return Err(ChainError::NotVersion3 { who: who(), version: leaf.version() });
    }
    if leaf.is_ca() {
        return Err(ChainError::AuthorityAsNode { who: who() });
    }
    let (needed, netscape) = match purpose {
        Leaf::Node | Leaf::Client | Leaf::Operator => {
            (KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_AGREEMENT, NetscapeType::CLIENT)
        }
        Leaf::Server => {
            (KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_AGREEMENT | KeyUsage::KEY_ENCIPHERMENT, NetscapeType::SERVER)
        }
    };
    let extensions = leaf.extensions();
    let reason = if extensions.key_usage.is_some_and(|usage| !usage.has(needed)) {
        "its keyUsage has no digitalSignature, so it cannot prove who it is"
    } else if extensions.netscape.is_some_and(|kind| !kind.has(netscape)) {
        "its nsCertType is another"
    } else {
        return Ok(());
    };
    Err(ChainError::Unacceptable { who: who(), reason: reason.into() })
}

/// Who writes a curve out can write one whose private keys are known to him.
fn refuse_curve(certificate: &Certificate) -> Result<(), String> {
    if certificate.key().curve_is_written_out() {
        Err("the curve of its key is written out in parameters, not named (openssl ec -param_enc named_curve names it)"
            .into())
    } else {
        Ok(())
    }
}

/// Extended key usages restrict whatever is below them, the anchor's too.
fn refuse_purpose(certificate: &Certificate, purpose: Leaf) -> Result<(), String> {
    let (needed, name): (ObjectIdentifier, _) = match purpose {
        Leaf::Node | Leaf::Client | Leaf::Operator => (ID_KP_CLIENT_AUTH, "clientAuth"),
        Leaf::Server => (ID_KP_SERVER_AUTH, "serverAuth"),
    };
    match &certificate.extensions().purposes {
        Some(purposes) if !purposes.contains(&needed) => Err(format!("its extendedKeyUsage has no {name}")),
        _ => Ok(()),
    }
}

/// Refuses what nobody would take for an authority, were it trusted.
pub(crate) fn refuse_issuing(authority: &Certificate) -> Result<(), String> {
    refuse_issuer(authority, &[], true)
}

/// Refuses what may not issue, or not the last of `below`.
fn refuse_issuer(issuer: &Certificate, below: &[&Certificate], is_trusted: bool) -> Result<(), String> {
    let extensions = issuer.extensions();
    match extensions.basic {
        // A root of version 1 cannot say what it is; somebody trusted it by hand.
        None if issuer.is_v1() && issuer.is_self_issued() && is_trusted => return Ok(()),
        None if issuer.is_v1() => return Err("it is X.509 version 1, as only a trusted root may be".into()),
        None => return Err("it has no basicConstraints".into()),
        Some(basic) if !basic.ca => return Err("it says CA:FALSE".into()),
        Some(_) => {}
    }
    if extensions.key_usage.is_some_and(|usage| !usage.has(KeyUsage::CERT_SIGN)) {
        return Err("its keyUsage has no keyCertSign".into());
    }
    let between = below.iter().skip(1).filter(|one| !one.is_self_issued()).count();
    match extensions.basic.and_then(|basic| basic.path_length) {
        Some(most) if between as u64 > u64::from(most) => {
            Err(format!("its pathlen allows {most} authorities between it and a leaf, and there are {between}"))
        }
        _ => Ok(()),
    }
}

/// Those below that an authority's name constraints forbid. Authorities that issued themselves are exempt.
fn outside_constraints(issuer: &Certificate, below: &[&Certificate]) -> Vec<ChainError> {
    let Some(constraints) = &issuer.extensions().constraints else { return Vec::new() };
    let bound = below.iter().enumerate().filter(|(index, one)| *index == 0 || !one.is_self_issued());
    let refused = bound.filter_map(|(index, one)| {
        let reason = constraints::refuse(constraints, one, index == 0).err()?;
        let reason = format!("{reason} (name constraints of {})", issuer.subject());
        Some(ChainError::Unacceptable { who: Who::named_by(one), reason })
    });
    refused.collect()
}
