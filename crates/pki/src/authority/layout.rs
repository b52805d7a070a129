//! File names as FISCO BCOS's `build_chain.sh` has them.
//!
//! A certificate is written last: a folder without it is an interrupted run's, and what lies there is taken up.

use std::{fs, path::Path};

use super::{
    AuthorityError, Issued, Kind, PrivateKey,
    draft::{Draft, remove_left_behind},
};
use zeroize::Zeroizing;

use crate::{
    Certificate, KeyFile, KeyFileError,
    blocks::{blocks, is_der},
    directory::read_certificates,
    encrypted, file,
    key::first_block,
    passphrase,
};

/// `node.*`, `sdk.*` or `operator.*`, and `ca.crt`, in a folder that may exist but must not hold such a certificate yet.
pub(super) fn write_leaf(directory: &Path, kind: Kind, issued: &Issued) -> Result<(), AuthorityError> {
    let base = kind.role().as_str();
    create_directory(directory)?;
    keep_key(&directory.join(format!("{base}.key")), &issued.key)?;
    // FISCO BCOS's RSA files hold one certificate each, its secp256k1 files the whole chain.
    let shown = if kind.is_rsa() { &issued.chain[..1] } else { &issued.chain[..] };
    let last = issued.chain.last().map(std::slice::from_ref).unwrap_or_default();
    trust(&directory.join("ca.crt"), if issued.trusted.is_empty() { last } else { &issued.trusted })?;
    if let Some(node) = issued.node_id() {
        let name = if kind == Kind::Node { "node.nodeid".to_owned() } else { format!("{base}.publickey") };
        Draft::public(&directory.join(name), &format!("{node}\n"))?.replace()?;
    }
    Draft::public(&directory.join(format!("{base}.crt")), &bundle(shown))?.create()
}

/// The key in a folder that has no certificate for it yet, or else a new one.
pub(super) fn key_without_certificate(
    directory: &Path,
    base: &str,
    new: impl FnOnce() -> Result<PrivateKey, AuthorityError>,
) -> Result<PrivateKey, AuthorityError> {
    let (key, certificate) = (directory.join(format!("{base}.key")), directory.join(format!("{base}.crt")));
    // A run that was killed may have left copies of what it had put into place.
    [&key, &certificate].into_iter().for_each(|place| remove_left_behind(place));
    match (key.exists(), certificate.exists()) {
        (true, true) => Err(AuthorityError::Exists { path: key }),
        (false, true) => Err(AuthorityError::Exists { path: certificate }),
        (true, false) => read_key(&key),
        (false, false) => new(),
    }
}

pub(super) fn read_key(path: &Path) -> Result<PrivateKey, AuthorityError> {
    KeyFile::load(path).and_then(|file| Ok(PrivateKey::from_file(file)?)).map_err(|error| match error {
        KeyFileError::File(error) => AuthorityError::from(error),
        KeyFileError::Key(source) if source.hint().is_some() => AuthorityError::Locked { path: path.into(), source },
        KeyFileError::Key(source) => AuthorityError::Key { path: path.into(), reason: source.to_string() },
    })
}

/// Writes a key where it is not kept yet; another one is never overwritten.
pub(super) fn keep_key(path: &Path, key: &PrivateKey) -> Result<(), AuthorityError> {
    remove_left_behind(path);
    if path.exists() && read_key(path)?.spki_der()? == key.spki_der()? {
        return Ok(());
    }
    Draft::private(path, &key.to_pem()?)?.create()
}

/// The key in PEM, under the passphrase of the key in `predecessor` if that is under one.
pub(super) fn pem_like(key: &PrivateKey, predecessor: &Path) -> Result<Zeroizing<String>, AuthorityError> {
    let (pem, sealed) = (key.to_pem()?, file::read_private(predecessor)?);
    if !encrypted::is_sealed(&sealed) {
        return Ok(pem);
    }
    let passphrase =
        passphrase::again(predecessor, |passphrase| KeyFile::read_with(&sealed, Some(passphrase)).map(drop));
    let sealed = first_block(pem.as_bytes()).and_then(|block| encrypted::seal(&block.der, &passphrase?));
    sealed.map_err(|source| AuthorityError::Locked { path: predecessor.into(), source })
}

/// Writes a `ca.crt`, or leaves the one that names these roots among others.
pub(super) fn trust(path: &Path, roots: &[Certificate]) -> Result<(), AuthorityError> {
    remove_left_behind(path);
    if path.exists() {
        let held = read_certificates(path)?;
        let trusted = roots.iter().all(|root| held.contains(root));
        return if trusted { Ok(()) } else { Err(AuthorityError::Exists { path: path.into() }) };
    }
    Draft::public(path, &bundle(roots))?.create()
}

/// Refuses a file in which something stands beside certificates, such as their private key: to write certificates in its place
/// would destroy that. One that is not there holds nothing.
///
/// # Errors
/// [`AuthorityError::HoldsMore`].
pub fn refuse_replacing(path: &Path) -> Result<(), AuthorityError> {
    if path.exists() && holds_more(path) { Err(AuthorityError::HoldsMore { path: path.into() }) } else { Ok(()) }
}

/// Whether something stands beside the certificates of a file, or it cannot be read.
pub(super) fn holds_more(path: &Path) -> bool {
    let Ok(file) = file::read_public(path) else { return true };
    blocks(&file, |label| !label.is_empty() && !label.ends_with("CERTIFICATE")).next().is_some() && !is_der(&file)
}

/// Which of a file's certificates it is for: the only one that is no authority's, in whatever order they stand, else the first.
///
/// # Errors
/// When the first is an authority's and several are none's: then nobody knows.
pub fn holder(bundle: &[Certificate], file: &Path) -> Result<usize, AuthorityError> {
    let is_authority = |one: &Certificate| one.is_ca() || (one.is_v1() && one.is_signed_by(one));
    let mut leaves = bundle.iter().enumerate().filter(|(_, one)| !is_authority(one));
    match (leaves.next(), leaves.next()) {
        (None, _) => Ok(0),
        (Some((place, _)), None) => Ok(place),
        (Some((0, _)), Some(_)) => Ok(0),
        (Some((_, leaf)), Some(_)) => {
            let (authority, leaf) = (bundle[0].subject(), leaf.subject());
            Err(AuthorityError::Ambiguous { path: file.into(), authority, leaf })
        }
    }
}

pub(super) fn bundle(chain: &[Certificate]) -> String {
    chain.iter().map(Certificate::to_pem).collect()
}

pub(super) fn create_directory(path: &Path) -> Result<(), AuthorityError> {
    fs::create_dir_all(path).map_err(|source| AuthorityError::Write { path: path.into(), source })
}
