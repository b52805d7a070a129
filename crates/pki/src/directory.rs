//! A node's own directory: `node.key`, `node.crt`, `ca.crt`, and revocation lists.

use std::path::{Path, PathBuf};

use nuncio_identity::{NodeId, Signer};
use nuncio_plain::argument;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::{
    Certificate, CertificateError, ChainError, Credential, Door, FileError, KeyError, KeyFile, KeyFileError, Policy,
    PolicyError, RevocationError, RevocationFile, RoleRule, Who, file, path,
};

/// Who this node is: its key, and the chain that proves it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The node's private key, wherever it is.
    pub key: Signer,
    /// The chain to present: leaf, then intermediates in order, no root; last what other roots say for this one, while a root is
    /// rotated.
    pub chain: Vec<CertificateDer<'static>>,
    /// What the chain says.
    pub certificate: Credential,
}

/// Where a node's files are, and how they are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityPaths {
    /// The private key, PKCS#8 or SEC1 PEM, or the PKCS#11 URI of one in a token; readable by its owner only.
    pub key: PathBuf,
    /// The node's certificate, then the agency's, then (ignored) the root.
    pub cert: PathBuf,
    /// The authorities to trust.
    pub ca: PathBuf,
    /// Revocation lists, each file with one or more.
    pub crl: Vec<PathBuf>,
    /// Authorities of SDKs: they admit no node, but their lists count.
    pub sdk_ca: Vec<PathBuf>,
    /// Whether certificates must state their role.
    pub roles: RoleRule,
}

impl IdentityPaths {
    /// The names FISCO BCOS's tool uses: `node.key`, `node.crt`, `ca.crt`; and `ca.crl` if it is there.
    pub fn in_directory(directory: impl AsRef<Path>) -> Self {
        let directory = directory.as_ref();
        let crl = directory.join("ca.crl");
        Self {
            key: directory.join("node.key"),
            cert: directory.join("node.crt"),
            ca: directory.join("ca.crt"),
            crl: if crl.exists() { vec![crl] } else { Vec::new() },
            sdk_ca: Vec::new(),
            roles: RoleRule::default(),
        }
    }
}

impl Identity {
    /// Reads and checks a node's files: the key is readable by its owner only, the certificate is the key's, it chains
    /// to `ca` and is valid now, it is a node's, and no revocation list names it.
    ///
    /// # Errors
    /// The first thing that is wrong; the text names the file, [`DirectoryError::hint`] what mends it.
    pub fn load(paths: &IdentityPaths) -> Result<(Self, Policy), DirectoryError> {
        Self::load_at(paths, UnixTime::now())
    }

    /// The same at an instant of the caller's choice.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_at(paths: &IdentityPaths, now: UnixTime) -> Result<(Self, Policy), DirectoryError> {
        let key = KeyFile::load(&paths.key).and_then(|file| Ok(file.into_signer()?));
        let key = key.map_err(|error| DirectoryError::key(&paths.key, error))?;
        let bundle = read_certificates(&paths.cert)?;
        let policy = load_policy(paths, now)?.with_roles(paths.roles).claim(&bundle, now);
        let bundle = leaf_first(&key, bundle, paths)?;
        let refused = |source| DirectoryError::Chain { path: paths.cert.clone(), ca: paths.ca.clone(), source };
        let verified = policy.path_in_file(&bundle[0], &bundle[1..], now).map_err(refused)?;
        let mut chain: Vec<_> = verified.presented().map(|one| one.der().clone()).collect();
        path::refuse_long(&chain).map_err(refused)?;
        for one in verified.vouching(&bundle, now) {
            chain.push(one.der().clone());
            if path::refuse_long(&chain).is_err() {
                chain.pop();
            }
        }
        Ok((Self { key, chain, certificate: Credential::new(verified, Door::P2p) }, policy))
    }
}

/// Reads the authorities and revocation lists of a node.
fn load_policy(paths: &IdentityPaths, now: UnixTime) -> Result<Policy, DirectoryError> {
    let policy_error = |path: &Path| {
        let path = path.to_path_buf();
        move |source| DirectoryError::Policy { path, source }
    };
    // Whoever opens the port for SDKs says what is wrong with these files.
    let sdk_authorities: Vec<_> = paths.sdk_ca.iter().filter_map(|path| read_certificates(path).ok()).collect();
    let policy = Policy::new(read_certificates(&paths.ca)?)
        .map_err(policy_error(&paths.ca))?
        .with_sdk_authorities(sdk_authorities.concat());
    let (mut lists, mut signers) = (Vec::new(), Vec::new());
    for path in &paths.crl {
        let RevocationFile { lists: read, certificates } = RevocationFile::read(path)?;
        policy.clone().with_crls(read.clone()).map_err(policy_error(path))?;
        lists.extend(read);
        signers.extend(certificates);
    }
    let all = policy.with_crls(lists).map_err(policy_error(paths.crl.first().unwrap_or(&paths.ca)))?;
    Ok(all.claim(&signers, now))
}

pub(crate) fn read_certificates(path: &Path) -> Result<Vec<Certificate>, DirectoryError> {
    Certificate::from_pem_bundle(&file::read_public(path)?)
        .map_err(|source| DirectoryError::Certificate { path: path.into(), source })
}

/// The chain with the key's own certificate first, whatever the order in the file.
fn leaf_first(
    key: &Signer,
    mut bundle: Vec<Certificate>,
    paths: &IdentityPaths,
) -> Result<Vec<Certificate>, DirectoryError> {
    let own = bundle.iter().position(|one| one.node_id() == Some(key.node_id()));
    let Some(own) = own else {
        return Err(DirectoryError::Mismatch {
            key: paths.key.clone(),
            key_node: key.node_id(),
            cert: paths.cert.clone(),
            who: Who::named_by(&bundle[0]),
        });
    };
    bundle[..=own].rotate_right(1);
    Ok(bundle)
}

/// Why a node's directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// A file is missing, unreadable, or a key that others can read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key file holds no node key.
    #[error("{}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// The key file of a channel port or SDK holds no usable key.
    #[error("{}: {source}", path.display())]
    ChannelKey {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// A certificate file cannot be read.
    #[error("{}: {source}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CertificateError,
    },
    /// Key and certificate do not belong together.
    #[error(
        "{} does not belong to {}: the key is node {}'s, the certificate is of {who}",
        key.display(), cert.display(), key_node.short()
    )]
    Mismatch {
        /// The key file.
        key: PathBuf,
        /// Whose key it is.
        key_node: NodeId,
        /// The certificate file.
        cert: PathBuf,
        /// Whom the first certificate names.
        who: Box<Who>,
    },
    /// Key and certificate of a channel port or SDK do not belong together.
    #[error(
        "{} does not belong to {}: the certificate of {subject} has another public key",
        key.display(), cert.display()
    )]
    ChannelMismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        cert: PathBuf,
        /// The first certificate's subject.
        subject: String,
    },
    /// A revocation list cannot be read.
    #[error("{}: {source}", path.display())]
    Crl {
        /// The file.
        path: PathBuf,
        /// Why.
        source: RevocationError,
    },
    /// Authorities or lists make no policy.
    #[error("{}: {source}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PolicyError,
    },
    /// The chain is not acceptable.
    #[error("{}: {source} (checked against {})", path.display(), ca.display())]
    Chain {
        /// The certificate file.
        path: PathBuf,
        /// The authorities' file.
        ca: PathBuf,
        /// Why.
        source: ChainError,
    },
}

impl DirectoryError {
    fn key(path: &Path, error: KeyFileError) -> Self {
        match error {
            KeyFileError::File(error) => Self::File(error),
            KeyFileError::Key(source) => Self::Key { path: path.into(), source },
        }
    }

    /// The command or file that mends it.
    pub fn hint(&self) -> String {
        match self {
            Self::File(error) => error.hint(),
            Self::Key { source, .. } | Self::ChannelKey { source, .. } if source.hint().is_some() => {
                source.hint().unwrap_or_default()
            }
            Self::Key { path, .. } => format!(
                "{} must be a secp256k1 key: openssl pkey -in {} -noout -text shows what it is",
                path.display(),
                argument(path)
            ),
            Self::ChannelKey { path, .. } => {
                format!("{} must be a secp256k1 or RSA key: openssl pkey -in {} -noout", path.display(), argument(path))
            }
            Self::Certificate { path, .. } => format!("nuncio cert inspect {}", argument(path)),
            Self::Mismatch { cert, .. } | Self::ChannelMismatch { cert, .. } => {
                format!(
                    "put the matching pair there (nuncio cert inspect {}), or nuncio cert issue a new one",
                    argument(cert)
                )
            }
            Self::Crl { path, .. } => {
                format!("openssl crl -in {} -noout -text; nuncio cert revoke writes a good one", argument(path))
            }
            Self::Policy { source, .. } => source.hint(),
            Self::Chain { source, .. } => source.hint(),
        }
    }
}
