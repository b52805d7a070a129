//! The certificates that the doctor shows, as the operator's node or SDK would.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use nuncio_pki::{
    Anchors, Certificate, DirectoryError, FileError, Identity, IdentityPaths, KeyError, KeyFile, KeyFileError, Leaf,
    Policy, Role, RoleRule, read_file,
};
use nuncio_plain::argument;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::UnixTime;

/// Most bytes read from one file.
const MAX_FILE: u64 = 4 << 20;

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialsPaths {
    /// The private key in PEM, secp256k1 or RSA.
    pub key: PathBuf,
    /// Its certificate, then the agency's.
    pub cert: PathBuf,
    /// The authorities to trust.
    pub ca: PathBuf,
    /// Revocation lists.
    pub crl: Vec<PathBuf>,
    /// Whether certificates must state their role here.
    pub roles: RoleRule,
}

/// Whose certificates they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A node's: good for p2p ports.
    Node,
    /// An SDK's: good for channel ports.
    Sdk,
}

impl Owner {
    /// The role that its certificate should state.
    pub const fn role(self) -> Role {
        match self {
            Self::Node => Role::Node,
            Self::Sdk => Role::Sdk,
        }
    }
}

/// A key, its certificate chain, and whom to trust. They may be expired or of another authority: the doctor says so
/// instead of giving up.
#[derive(Clone)]
pub struct Credentials {
    /// Where they were read.
    pub paths: CredentialsPaths,
    /// Whose they are.
    pub owner: Owner,
    /// The chain, leaf first, as in its file.
    pub chain: Vec<Certificate>,
    /// The authorities to trust.
    pub anchors: Anchors,
    key: Arc<dyn SigningKey>,
    node: Option<(Identity, Policy)>,
}

impl Credentials {
    /// Reads `sdk.key`, `sdk.crt` and `ca.crt`, or where there is no `sdk.key`, `node.key`, `node.crt`, `ca.crt` and,
    /// if it is there, `ca.crl`.
    ///
    /// # Errors
    /// When a file cannot be used; the text names it.
    pub fn in_directory(directory: &Path) -> Result<Self, CredentialsError> {
        let of_sdk = directory.join("sdk.key");
        if of_sdk.exists() {
            let (cert, ca) = (directory.join("sdk.crt"), directory.join("ca.crt"));
            return Self::load(
                CredentialsPaths { key: of_sdk, cert, ca, crl: Vec::new(), roles: RoleRule::default() },
                Owner::Sdk,
            );
        }
        let IdentityPaths { key, cert, ca, crl, roles, .. } = IdentityPaths::in_directory(directory);
        Self::load(CredentialsPaths { key, cert, ca, crl, roles }, Owner::Node)
    }

    /// Reads the files. What is wrong with the certificates in time or issuer is no error.
    ///
    /// # Errors
    /// When a file cannot be used; the text names it.
    pub fn load(paths: CredentialsPaths, owner: Owner) -> Result<Self, CredentialsError> {
        let chain = certificates(&paths.cert)?;
        let anchors = Anchors::new(certificates(&paths.ca)?);
        let key =
            KeyFile::load(&paths.key).and_then(|key| Ok(key.into_signing_key()?)).map_err(|error| match error {
                KeyFileError::File(FileError::Read { path, source }) => CredentialsError::Read { path, source },
                KeyFileError::File(source) => CredentialsError::KeyFile(source),
                KeyFileError::Key(source) => CredentialsError::Key { path: paths.key.clone(), source },
                other => {
                    let source = KeyError::Damaged { reason: other.to_string() };
                    CredentialsError::Key { path: paths.key.clone(), source }
                }
            })?;
        let subject = chain[0].subject();
        let Some(chain) = own_first(chain, &*key) else {
            return Err(CredentialsError::Mismatch { key: paths.key, cert: paths.cert, subject });
        };
        let node = node(&paths, owner, &chain[0])?;
        Ok(Self { paths, owner, chain, anchors, key, node })
    }

    /// What a node needs to speak to nodes; `None` for what is no node's.
    pub(crate) fn node(&self) -> Option<&(Identity, Policy)> {
        self.node.as_ref()
    }

    /// What they are shown for.
    pub(crate) fn purpose(&self) -> Leaf {
        let is_node = self.owner == Owner::Node && self.chain.first().is_some_and(|leaf| leaf.node_id().is_some());
        if is_node { Leaf::Node } else { Leaf::Client }
    }

    /// TLS 1.3 has no code point for signatures on secp256k1.
    pub(crate) fn is_good_for_tls13(&self) -> bool {
        self.chain.first().is_some_and(|leaf| leaf.node_id().is_none())
    }

    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        let chain = self.chain.iter().map(|one| one.der().clone()).collect();
        Arc::new(CertifiedKey::new(chain, Arc::clone(&self.key)))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("paths", &self.paths).field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// Why files are no credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is far larger than any certificate.
    #[error("{} is larger than {MAX_FILE} bytes, so it is no key or certificate", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A certificate file holds none, or a damaged one.
    #[error("{}: {source}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: nuncio_pki::CertificateError,
    },
    /// The key file holds no key that TLS can use.
    #[error("{}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// Others can read the key file, or it is none.
    #[error(transparent)]
    KeyFile(FileError),
    /// Key and certificate do not belong together.
    #[error("{} does not belong to {}, the certificate of {subject}", key.display(), cert.display())]
    Mismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        cert: PathBuf,
        /// Whom the certificate names.
        subject: String,
    },
    /// A node's files do not make a node.
    #[error(transparent)]
    Node(Box<DirectoryError>),
}

impl CredentialsError {
    /// What mends it.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => {
                "name the files with --certs DIR, with --key, --cert and --ca, or a node with --config FILE".into()
            }
            Self::TooLarge { path } => format!("file {}", path.display()),
            Self::Certificate { path, .. } => format!("nuncio cert inspect {}", argument(path)),
            Self::Key { path, .. } => format!("openssl pkey -in {} -noout -text shows what it is", argument(path)),
            Self::Mismatch { cert, .. } => {
                format!("put the matching pair there (nuncio cert inspect {}), or issue a new one", argument(cert))
            }
            Self::KeyFile(error) => error.hint(),
            Self::Node(error) => error.hint(),
        }
    }
}

/// The identity at an instant at which the certificate is valid, so that an expired one can still be shown.
fn node(
    paths: &CredentialsPaths,
    owner: Owner,
    leaf: &Certificate,
) -> Result<Option<(Identity, Policy)>, CredentialsError> {
    if owner == Owner::Sdk || leaf.node_id().is_none() {
        return Ok(None);
    }
    let CredentialsPaths { key, cert, ca, crl, roles } = paths.clone();
    let paths = IdentityPaths { key, cert, ca, crl, sdk_ca: Vec::new(), roles };
    let now = UnixTime::now();
    let instant = now.as_secs().clamp(leaf.not_before().as_secs(), leaf.not_after().as_secs());
    let instant = UnixTime::since_unix_epoch(std::time::Duration::from_secs(instant));
    match Identity::load_at(&paths, instant) {
        Ok(loaded) => Ok(Some(loaded)),
        // Said as findings, from the chain itself.
        Err(DirectoryError::Chain { .. }) => Ok(None),
        Err(error) => Err(CredentialsError::Node(Box::new(error))),
    }
}

/// Its own certificate first, whatever the order in the file.
fn own_first(mut chain: Vec<Certificate>, key: &dyn SigningKey) -> Option<Vec<Certificate>> {
    let public = key.public_key()?;
    let own = chain.iter().position(|one| *one.public_key() == public)?;
    chain[..=own].rotate_right(1);
    Some(chain)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, CredentialsError> {
    Certificate::from_pem_bundle(read(path)?)
        .map_err(|source| CredentialsError::Certificate { path: path.into(), source })
}

fn read(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    read_file(path, MAX_FILE).map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => CredentialsError::TooLarge { path: path.into() },
        _ => CredentialsError::Read { path: path.into(), source },
    })
}
