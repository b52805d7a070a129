//! Who may sign revocation lists: an authority trusted here, or whom one of them, perhaps through others, has certified
//! for it.

use rustls_pki_types::UnixTime;
use sha2::{Digest, Sha256};

use crate::{Certificate, ChainError, Policy, Who, extensions::KeyUsage, path};

/// Most certificates between a signer and the authority above it.
const MAX_DEPTH: usize = 3;

/// A key and the name it signs under: to it belongs a series of lists. SHA-256 of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignerId(pub(crate) [u8; 32]);

impl SignerId {
    /// Of an authority's certificate.
    pub fn of(certificate: &Certificate) -> Self {
        let name = certificate.subject_name().canonical();
        let length = (name.len() as u64).to_be_bytes();
        Self(Sha256::new().chain_update(length).chain_update(name).chain_update(certificate.key_id()).finalize().into())
    }
}

/// Why a certificate may not vouch for a list or an agency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// No way leads from it to an authority.
    #[error("{who} is not below an authority that is trusted here")]
    Untrusted {
        /// Whose certificate.
        who: Box<Who>,
    },
    /// Its certificate says that it signs no lists.
    #[error("the certificate of {who} does not let it sign revocation lists (key usage)")]
    Usage {
        /// Whose certificate.
        who: Box<Who>,
    },
    /// It, or one above it, is outside its time or revoked.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl Policy {
    /// The way on which `signer` may sign lists: itself, then the certificates of `known` above it (at most three), up to the
    /// one below an authority of nodes or SDKs here; empty when it is such an authority. Every certificate on the way is in
    /// its time and not revoked.
    ///
    /// # Errors
    /// Why it may not.
    pub fn vouch(
        &self,
        signer: &Certificate,
        known: &[Certificate],
        now: UnixTime,
    ) -> Result<Vec<Certificate>, SignerError> {
        if !may_sign_lists(signer) {
            return Err(SignerError::Usage { who: Who::named_by(signer) });
        }
        self.way_up(signer, known, now, (MAX_DEPTH, authorities(signer)))
    }

    /// The agency at the upper end of a way that [`vouch`](Self::vouch) gave: certified by an authority here itself, or by what
    /// takes that one's place, for below a root that is being rotated its cross-certificate is above everybody. None where the
    /// way is empty.
    pub fn top_of<'a>(&self, way: &'a [Certificate]) -> Option<&'a Certificate> {
        let heirs = self.authorities().map(|authority| path::heirs(way, authority)).max().unwrap_or_default();
        // That of a new root itself ends where it begins.
        way[..way.len() - heirs].last().or(way.first())
    }

    fn way_up(
        &self,
        certificate: &Certificate,
        known: &[Certificate],
        now: UnixTime,
        (depth, below): (usize, u32),
    ) -> Result<Vec<Certificate>, SignerError> {
        path::refuse_time(certificate, now)?;
        if self.authorities().any(|one| one == certificate) {
            return Ok(Vec::new());
        }
        let mut found = Err(SignerError::Untrusted { who: Who::named_by(certificate) });
        let is_issuer = |one: &&Certificate| certificate.is_signed_by(one);
        for authority in self.authorities().filter(is_issuer) {
            let judged = path::refuse_time(authority, now).and_then(|()| refuse_depth(certificate, authority, below));
            match judged.and_then(|()| self.refuse_listed(certificate, authority)) {
                Ok(()) => return Ok(vec![certificate.clone()]),
                Err(error) => found = Err(error.into()),
            }
        }
        if depth == 0 {
            return found;
        }
        for issuer in known
            .iter()
            .filter(|one| one.is_ca() && path::refuse_issuing(one).is_ok() && *one != certificate)
            .filter(is_issuer)
        {
            let judged = refuse_depth(certificate, issuer, below).map_err(SignerError::from);
            let above = judged.and_then(|()| self.way_up(issuer, known, now, (depth - 1, below + authorities(issuer))));
            match above.and_then(|above| Ok(self.refuse_listed(certificate, issuer).map(|()| above)?)) {
                Ok(above) => return Ok(std::iter::once(certificate.clone()).chain(above).collect()),
                Err(error) => found = Err(error),
            }
        }
        found
    }
}

/// What it counts for a pathlen above it.
fn authorities(certificate: &Certificate) -> u32 {
    u32::from(certificate.is_ca() && !certificate.is_self_issued())
}

/// Whether an issuer may have so many authorities below it.
fn refuse_depth(certificate: &Certificate, issuer: &Certificate, below: u32) -> Result<(), ChainError> {
    match issuer.extensions().basic.and_then(|basic| basic.path_length) {
        Some(most) if below > most => Err(ChainError::NotAnAuthority {
            who: Who::named_by(certificate),
            issuer: issuer.subject(),
            reason: format!("its pathlen allows {most} authorities below it, and there are {below}"),
        }),
        _ => Ok(()),
    }
}

/// An authority whose certificate does not restrict its key, or anybody whose certificate names this use.
fn may_sign_lists(certificate: &Certificate) -> bool {
    let extensions = certificate.extensions();
    let may = match extensions.key_usage {
        Some(usage) => usage.has(KeyUsage::CRL_SIGN),
        None => certificate.is_ca() || certificate.is_v1(),
    };
    may && extensions.fault.is_none()
}
