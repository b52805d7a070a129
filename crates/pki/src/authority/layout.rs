//! File names as FISCO BCOS's `build_chain.sh` has them, and how files are written.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use super::{AuthorityError, Issued, Kind};
use crate::Certificate;

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// `node.*` or `sdk.*` and `ca.crt`, in a folder that may exist but must not hold such a key yet.
pub(super) fn write_leaf(directory: &Path, kind: Kind, issued: &Issued) -> Result<(), AuthorityError> {
    let base = base_name(kind);
    let key = directory.join(format!("{base}.key"));
    create_directory(directory)?;
    create_private(&key, issued.key.to_pem()?.as_bytes())?;
    // FISCO BCOS's RSA files hold one certificate each, its secp256k1 files the whole chain.
    let shown = if kind.is_rsa() { &issued.chain[..1] } else { &issued.chain[..] };
    replace(&directory.join(format!("{base}.crt")), bundle(shown).as_bytes())?;
    let root = issued.chain.last().map(Certificate::to_pem).unwrap_or_default();
    replace(&directory.join("ca.crt"), root.as_bytes())?;
    if let Some(node) = issued.node_id() {
        let name = if kind == Kind::Node { "node.nodeid" } else { "sdk.publickey" };
        replace(&directory.join(name), format!("{node}\n").as_bytes())?;
    }
    Ok(())
}

pub(super) const fn base_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Node | Kind::NodeRsa => "node",
        Kind::Sdk | Kind::SdkRsa => "sdk",
    }
}

pub(super) fn bundle(chain: &[Certificate]) -> String {
    chain.iter().map(Certificate::to_pem).collect()
}

pub(super) fn create_directory(path: &Path) -> Result<(), AuthorityError> {
    fs::create_dir_all(path).map_err(|source| AuthorityError::Write { path: path.into(), source })
}

/// Never overwrites: a lost key is lost for good.
pub(super) fn create_private(path: &Path, content: &[u8]) -> Result<(), AuthorityError> {
    let written = options(PRIVATE).create_new(true).open(path).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.map_err(|source| {
        if source.kind() == io::ErrorKind::AlreadyExists {
            AuthorityError::Exists { path: path.into() }
        } else {
            AuthorityError::Write { path: path.into(), source }
        }
    })
}

/// Whole or not at all: readers see the old file or the new one.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), AuthorityError> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = Path::new(&draft);
    let written = options(PUBLIC).create(true).truncate(true).open(draft).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(draft, path)
    });
    written.map_err(|source| AuthorityError::Write { path: path.into(), source })
}

#[cfg(unix)]
fn options(mode: u32) -> fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.write(true).mode(mode);
    options
}

#[cfg(not(unix))]
fn options(_: u32) -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    options
}
