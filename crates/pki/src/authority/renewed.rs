//! A node's side of a renewal: what it asks with, and what it takes.

use std::path::Path;

use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};

use super::{
    AuthorityError, PrivateKey,
    draft::{Draft, refuse_unwritable},
    layout::{bundle, refuse_replacing, trust},
    profile::Profile,
};
use crate::{
    Certificate, CertificateError, CertificateRequest, ChainError, Credential, DirectoryError, Identity, IdentityPaths,
    KeyFile, KeyFileError, path::refuse_long,
};

/// A request for another certificate for the key in a file, with the subject of the certificate there is.
///
/// # Errors
/// When the key cannot be read or does not sign.
pub fn renewal_request(key: &Path, certificate: &Certificate) -> Result<CertificateRequest, AuthorityError> {
    CertificateRequest::renewing(&key_of(key)?, certificate)
}

/// Refuses a place that no renewed certificate can take, before anybody is asked for one: what is there holds something beside
/// certificates, or nothing can be written beside it, such as where it is a link into a folder of others.
///
/// # Errors
/// [`AuthorityError::HoldsMore`], [`AuthorityError::Write`].
pub fn refuse_renewing(place: &Path) -> Result<(), AuthorityError> {
    refuse_replacing(place)?;
    refuse_unwritable(place)
}

/// A renewed certificate that is proved and lies beside the present one, which stays as it is until [`put`](Self::put). When
/// this is dropped, nothing is left of it.
#[derive(Debug)]
#[must_use = "the present certificate stays until it is put into its place"]
pub struct Renewed {
    identity: Identity,
    draft: Draft,
}

/// Takes a renewed certificate for the place of a node's present one, `paths.cert`. It must be for the same key, name, agency
/// and purpose, be younger, and hold with all that the node loads beside it. What is in the place is not touched.
///
/// # Errors
/// What is wrong with it; then nothing is left of it.
pub fn take_renewed(
    chain: &[CertificateDer<'static>],
    present: &Credential,
    paths: &IdentityPaths,
    now: UnixTime,
) -> Result<Renewed, RenewalFault> {
    refuse_long(chain).map_err(RenewalFault::chain)?;
    let read = chain.iter().map(|der| Certificate::from_der(der.clone())).collect::<Result<Vec<_>, _>>()?;
    let Some(leaf) = read.first() else { return Err(RenewalFault::Empty) };
    refuse_other(present.certificate(), leaf, now)?;
    refuse_replacing(&paths.cert)?;
    let draft = Draft::public(&paths.cert, &bundle(&read))?;
    let written = IdentityPaths { cert: draft.written().into(), ..paths.clone() };
    let (identity, _) = Identity::load_at(&written, now).map_err(RenewalFault::directory)?;
    let taken = &identity.certificate;
    if (&taken.name, &taken.agency) != (&present.name, &present.agency) {
        return Err(RenewalFault::Other { what: "agency" });
    }
    Ok(Renewed { identity, draft })
}

impl Renewed {
    /// Puts it into its place; whoever reads the file sees the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written; then the old one is there.
    pub fn put(self) -> Result<Identity, RenewalFault> {
        self.draft.replace()?;
        Ok(self.identity)
    }
}

/// Writes the first certificate of a node that joins: `node.crt`, `ca.crt` and `node.nodeid` beside its key. It must be for that
/// key, stand below the root with this SHA-256, be by this agency ([`Credential::agency_path`]), and hold. Of the further roots
/// that are named those are trusted too that are in the answer; a root that the first one merely names its heir is not.
///
/// # Errors
/// What is wrong with it; then no certificate was written.
pub fn take_first(
    chain: &[Certificate],
    (root, further, agency): (&[u8; 32], &[[u8; 32]], &str),
    directory: &Path,
    now: UnixTime,
) -> Result<Identity, RenewalFault> {
    let hash = |one: &Certificate| <[u8; 32]>::from(Sha256::digest(one.der()));
    let is_pinned = |one: &Certificate| hash(one) == *root;
    let root = chain.iter().find(|one| is_pinned(one)).ok_or(RenewalFault::OtherRoot)?;
    let others = chain.iter().filter(|one| *one != root && further.contains(&hash(one)));
    let paths = IdentityPaths::in_directory(directory);
    trust(&paths.ca, &std::iter::once(root).chain(others).cloned().collect::<Vec<_>>())?;
    let is_shown = |one: &&Certificate| is_pinned(one) || !one.is_signed_by(one);
    let draft = Draft::public(&paths.cert, &bundle(&chain.iter().filter(is_shown).cloned().collect::<Vec<_>>()))?;
    let written = IdentityPaths { cert: draft.written().into(), ..paths };
    let (identity, _) = Identity::load_at(&written, now).map_err(RenewalFault::directory)?;
    let by = identity.certificate.agency_path();
    if by != agency {
        return Err(RenewalFault::OtherAgency { by, wanted: agency.to_owned() });
    }
    Draft::public(&directory.join("node.nodeid"), &format!("{}\n", identity.key.node_id()))?.replace()?;
    draft.create()?;
    Ok(identity)
}

/// What it is for must not change.
fn refuse_other(present: &Certificate, new: &Certificate, now: UnixTime) -> Result<(), RenewalFault> {
    let other = |what| Err(RenewalFault::Other { what });
    if new.public_key() != present.public_key() {
        return other("key");
    }
    if !new.subject_name().is(present.subject_name()) {
        return other("name");
    }
    let is_like = Profile::of(present)?.is_like(&Profile::of(new)?);
    if new.is_ca() || new.stated_roles() != present.stated_roles() || !is_like {
        return other("purpose");
    }
    let is_younger = new.not_before().as_secs() >= present.not_before().as_secs();
    if !is_younger || new == present || new.not_after().as_secs() <= now.as_secs() {
        return Err(RenewalFault::Stale { not_after: new.not_after_text() });
    }
    Ok(())
}

/// The key of a node that runs: a passphrase that was typed once is not asked for again.
fn key_of(path: &Path) -> Result<PrivateKey, AuthorityError> {
    KeyFile::load(path).and_then(|file| Ok(PrivateKey::from_file(file)?)).map_err(|error| match error {
        KeyFileError::File(error) => error.into(),
        KeyFileError::Key(source) => AuthorityError::Locked { path: path.into(), source },
    })
}

/// Why a renewed certificate was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenewalFault {
    /// There is none.
    #[error("there is no certificate in the answer")]
    Empty,
    /// It does not stand below the root that is expected.
    #[error("the root that the join token names is not in the answer")]
    OtherRoot,
    /// Another agency of the network issued it.
    #[error("the certificate is by agency {by:?}, and the join token is agency {wanted:?}'s")]
    OtherAgency {
        /// Who issued it.
        by: String,
        /// Who should have.
        wanted: String,
    },
    /// It is for something else.
    #[error("the new certificate is for another {what} than the present one")]
    Other {
        /// Key, name, agency or purpose.
        what: &'static str,
    },
    /// It is no younger than the present one, or has ended.
    #[error("the new certificate, valid until {not_after}, is no younger than the present one, or has ended")]
    Stale {
        /// Its end, RFC 3339.
        not_after: String,
    },
    /// It cannot be read.
    #[error("the new certificate cannot be read: {0}")]
    Unreadable(#[from] CertificateError),
    /// Its chain is longer than peers read.
    #[error("the new certificate does not hold: {0}")]
    Chain(Box<ChainError>),
    /// It does not hold with the node's other files.
    #[error("the new certificate does not hold: {0}")]
    Directory(Box<DirectoryError>),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] AuthorityError),
}

impl RenewalFault {
    fn chain(source: ChainError) -> Self {
        Self::Chain(source.into())
    }

    fn directory(source: DirectoryError) -> Self {
        Self::Directory(source.into())
    }
}
