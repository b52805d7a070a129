//! Files of private keys: what `openssl pkey` reads, PEM or DER.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use der::{
    Decode, Reader, Sequence, SliceReader, Tagged,
    asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef},
    oid::db::DB,
};
use nuncio_identity::{NodeId, NodeKey, Signer};
use rustls::sign::SigningKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use zeroize::Zeroizing;

use crate::{
    FileError,
    blocks::{Block, blocks},
    certificate::{PublicKey, node_of},
    curve, encrypted, file, passphrase,
    tls::Secp256k1SigningKey,
    token::{self, TokenKey},
};

/// A private key as a file holds it.
#[derive(Debug)]
pub enum KeyFile {
    /// On secp256k1: a node's, an SDK's, an authority's, a topic's.
    Secp256k1(NodeKey),
    /// On secp256k1, in a PKCS#11 token.
    Token(TokenKey),
    /// Any other, in the form it was read in.
    Other(Zeroizing<PrivateKeyDer<'static>>),
}

/// Why a file is not a usable private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No private key.
    #[error("no private key in it: expected a PEM block BEGIN PRIVATE KEY or BEGIN EC PRIVATE KEY, or DER")]
    NoKey,
    /// The key is under a passphrase, in a form of old that is not read.
    #[error("the private key is encrypted in a form that is not read (openssl pkcs8 -topk8 -in KEY -out node.key)")]
    Encrypted,
    /// The key is under a passphrase, and nobody says it.
    #[error("the private key is encrypted, and there is no passphrase: {reason}")]
    NoPassphrase {
        /// Why not.
        reason: String,
    },
    /// The passphrase does not open the key.
    #[error("the passphrase does not open the private key")]
    WrongPassphrase,
    /// Another curve or another algorithm.
    #[error("not a secp256k1 private key: it is {kind}")]
    NotSecp256k1 {
        /// What it is.
        kind: String,
    },
    /// Neither of the forms, or damaged.
    #[error("the private key is damaged: {reason}")]
    Damaged {
        /// What is wrong with it.
        reason: String,
    },
    /// The key is in a PKCS#11 token, which does not give it to use.
    #[error("the PKCS#11 token: {reason}")]
    Token {
        /// Why not.
        reason: String,
    },
    /// The token says nothing.
    #[error("the PKCS#11 token: {} was asked to {to}, and has not answered within {limit:?}", module.display())]
    Silent {
        /// The library that stands for it.
        module: PathBuf,
        /// What it was asked to do, in words.
        to: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A good key that TLS cannot use.
    #[error("the private key cannot be used here: {reason}")]
    Unsupported {
        /// Why.
        reason: String,
    },
}

impl KeyError {
    /// What mends it, where it is not the key that must be another one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoPassphrase { .. } => Some(format!(
                "name a file with the passphrase in {}, readable by its owner only, or start it at a terminal",
                passphrase::PASSPHRASE_FILE
            )),
            Self::Token { .. } => Some(
                "pkcs11-tool --module MODULE --login --list-objects shows what the token holds; the key file is a line such as \
                 pkcs11:token=LABEL;object=NAME?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin"
                    .into(),
            ),
            Self::Silent { module, .. } => Some(format!(
                "see that the device or the server behind it answers, then start again: pkcs11-tool --module {} --list-slots",
                module.display()
            )),
            Self::WrongPassphrase => {
                Some("openssl pkey -in KEY -noout asks for it too, and says whether it is right".into())
            }
            _ => None,
        }
    }
}

/// Why a file of a private key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It cannot be read, or others can read it.
    #[error(transparent)]
    File(#[from] FileError),
    /// What is in it is no usable key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl KeyFile {
    /// Reads a file that nobody else can read. The passphrase of an encrypted one is the first line of the file that
    /// `NUNCIO_KEY_PASSPHRASE_FILE` names, else `NUNCIO_KEY_PASSPHRASE`, else somebody at the terminal is asked, once for a
    /// process.
    ///
    /// Instead of a key there may be a PKCS#11 URI (`pkcs11:…`) in it. The module that it names is loaded into this process,
    /// so that file and module must be this user's or root's, and nobody else may write them.
    ///
    /// # Errors
    /// When others can read it too, or it holds no key that can be opened.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let (file, metadata) = file::read_private_of(path)?;
        if token::is_uri(&file) {
            file::refuse_foreign(path, &metadata)?;
            return Ok(Self::Token(TokenKey::open(&file, path)?));
        }
        Ok(Self::unlock(&file, path)?)
    }

    /// The same, but only of a key that the file itself holds: where it names a token, nothing is loaded.
    ///
    /// # Errors
    /// As [`load`](Self::load), and when the key is in a token.
    pub fn load_held(path: &Path) -> Result<Self, KeyFileError> {
        let file = file::read_private(path)?;
        if token::is_uri(&file) {
            return Err(in_token().into());
        }
        Ok(Self::unlock(&file, path)?)
    }

    fn unlock(file: &[u8], path: &Path) -> Result<Self, KeyError> {
        passphrase::unlock_if(encrypted::is_sealed(file), path, |passphrase| Self::read_with(file, passphrase))
    }

    /// Reads the first key of a file: PKCS#8, SEC1 or PKCS#1, in PEM with anything around it, or DER. The curve may be
    /// named or written out.
    ///
    /// # Errors
    /// When there is none, or it is encrypted or damaged.
    pub fn read(file: &[u8]) -> Result<Self, KeyError> {
        Self::read_with(file, None)
    }

    pub(crate) fn read_with(file: &[u8], passphrase: Option<&str>) -> Result<Self, KeyError> {
        let Block { label, der, encrypted } = first_block(file)?;
        match &*label {
            _ if encrypted => Err(KeyError::Encrypted),
            encrypted::LABEL => unseal(&der, passphrase),
            "PRIVATE KEY" => pkcs8(&der).ok_or_else(|| damaged("it is not PKCS#8"))?,
            "EC PRIVATE KEY" => sec1(&der, None).ok_or_else(|| damaged("it is not SEC1"))?,
            "RSA PRIVATE KEY" => Ok(pkcs1(&der)),
            "" if encrypted::is_sealed(file) => unseal(&der, passphrase),
            "" => unlabelled(&der),
            other => Err(KeyError::Unsupported { reason: format!("it is a {other}") }),
        }
    }

    /// What signs by it, wherever it is.
    ///
    /// # Errors
    /// When it is on another curve, or RSA.
    pub fn into_signer(self) -> Result<Signer, KeyError> {
        match self {
            Self::Token(key) => Ok(Signer::Remote(Arc::new(key))),
            held => held.into_node_key().map(Signer::Held),
        }
    }

    /// The key itself, for who must have it.
    ///
    /// # Errors
    /// When it is on another curve, or RSA, or in a token.
    pub fn into_node_key(self) -> Result<NodeKey, KeyError> {
        match self {
            Self::Secp256k1(key) => Ok(key),
            Self::Token(_) => Err(in_token()),
            Self::Other(der) => Err(KeyError::NotSecp256k1 { kind: kind_of(&der) }),
        }
    }

    /// For rustls.
    ///
    /// # Errors
    /// When TLS cannot use it.
    pub fn into_signing_key(self) -> Result<Arc<dyn SigningKey>, KeyError> {
        match self {
            Self::Secp256k1(_) | Self::Token(_) => Ok(Arc::new(Secp256k1SigningKey::new(self.into_signer()?))),
            Self::Other(der) => rustls::crypto::aws_lc_rs::sign::any_supported_type(&der)
                .map_err(|_| KeyError::Unsupported { reason: format!("it is {}, or damaged", kind_of(&der)) }),
        }
    }
}

/// Reads the public key on secp256k1 of a file, PEM (`PUBLIC KEY`) or DER; `None` when there is none, or more than one: nobody
/// shall take for known what was passed over.
pub fn read_public_key(file: &[u8]) -> Option<NodeId> {
    let mut keys = blocks(file, |label| label == "PUBLIC KEY");
    let block = keys.next()?.ok().filter(|_| keys.next().is_none())?;
    PublicKey::from_der(&block.der).ok()?.node()
}

fn in_token() -> KeyError {
    KeyError::Token { reason: "it holds this key, and here one is needed that a file holds".into() }
}

type Key = Result<KeyFile, KeyError>;

pub(crate) fn first_block(file: &[u8]) -> Result<Block, KeyError> {
    let first = blocks(file, |label| label.ends_with("PRIVATE KEY")).next().ok_or(KeyError::NoKey)?;
    first.map_err(|damaged| KeyError::Damaged { reason: damaged.reason })
}

fn unseal(der: &[u8], passphrase: Option<&str>) -> Key {
    let Some(passphrase) = passphrase else {
        return Err(KeyError::NoPassphrase { reason: "none is asked for here".into() });
    };
    pkcs8(&encrypted::open(der, passphrase)?).ok_or_else(|| damaged("what it encrypts is not PKCS#8"))?
}

/// The three forms begin differently; `None` where one is not met.
fn unlabelled(der: &[u8]) -> Key {
    if let Some(key) = pkcs8(der).or_else(|| sec1(der, None)) {
        return key;
    }
    let numbers: Option<Vec<AnyRef<'_>>> = Vec::from_der(der).ok();
    match numbers {
        Some(numbers) if numbers.len() >= 9 && numbers.iter().take(9).all(is_integer) => Ok(pkcs1(der)),
        _ => Err(KeyError::NoKey),
    }
}

fn is_integer(value: &AnyRef<'_>) -> bool {
    value.tag() == der::Tag::Integer
}

#[derive(Sequence)]
struct Algorithm<'a> {
    oid: ObjectIdentifier,
    #[asn1(optional = "true")]
    parameters: Option<AnyRef<'a>>,
}

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// PrivateKeyInfo, or OneAsymmetricKey: what follows the key is not needed.
fn pkcs8(der: &[u8]) -> Option<Key> {
    let (algorithm, key) = parts_of_pkcs8(der)?;
    match algorithm {
        Algorithm { oid: EC_PUBLIC_KEY, parameters: Some(curve) } if curve::is_secp256k1(curve) => {
            Some(sec1(key, Some(curve)).unwrap_or_else(|| Err(damaged("the key within is not SEC1"))))
        }
        _ => Some(Ok(other(PrivatePkcs8KeyDer::from(der.to_vec())))),
    }
}

fn parts_of_pkcs8(der: &[u8]) -> Option<(Algorithm<'_>, &[u8])> {
    let mut reader = SliceReader::new(AnyRef::from_der(der).ok()?.value()).ok()?;
    u8::decode(&mut reader).ok()?;
    let algorithm = Algorithm::decode(&mut reader).ok()?;
    let key = <&OctetStringRef>::decode(&mut reader).ok()?;
    Some((algorithm, key.as_bytes()))
}

/// ECPrivateKey. Within PKCS#8 the curve is named outside.
fn sec1(der: &[u8], curve: Option<AnyRef<'_>>) -> Option<Key> {
    let mut reader = SliceReader::new(AnyRef::from_der(der).ok()?.value()).ok()?;
    u8::decode(&mut reader).ok()?;
    let secret = <&OctetStringRef>::decode(&mut reader).ok()?.as_bytes();
    let (mut curve, mut public) = (curve, None);
    while !reader.is_finished() {
        let part = AnyRef::decode(&mut reader).ok()?;
        match part.tag().number().value() {
            0 => curve = Some(AnyRef::from_der(part.value()).ok()?),
            1 => public = Some(BitStringRef::from_der(part.value()).ok()?.raw_bytes()),
            _ => return None,
        }
    }
    if curve.is_some_and(|curve| !curve::is_secp256k1(curve)) {
        return Some(Ok(other(PrivateSec1KeyDer::from(der.to_vec()))));
    }
    Some(node_key(secret, public).map(KeyFile::Secp256k1))
}

/// Leading zeros may be missing: some tools write the secret as a number.
fn node_key(secret: &[u8], public: Option<&[u8]>) -> Result<NodeKey, KeyError> {
    let missing = 32_usize.checked_sub(secret.len()).ok_or_else(|| damaged("its secret is longer than 32 bytes"))?;
    let mut bytes = Zeroizing::new([0; 32]);
    bytes[missing..].copy_from_slice(secret);
    let key = NodeKey::from_secret_bytes(&bytes).ok_or_else(|| damaged("its secret is out of range"))?;
    let fits = |point| node_of(point) == Some(key.node_id());
    if public.is_some_and(|point| !fits(point)) {
        return Err(damaged("the public key in it is not that of its secret"));
    }
    Ok(key)
}

fn pkcs1(der: &[u8]) -> KeyFile {
    other(PrivatePkcs1KeyDer::from(der.to_vec()))
}

fn other(der: impl Into<PrivateKeyDer<'static>>) -> KeyFile {
    KeyFile::Other(Zeroizing::new(der.into()))
}

/// In words.
fn kind_of(der: &PrivateKeyDer<'_>) -> String {
    let on_curve = |curve: Option<AnyRef<'_>>| match curve.map(|curve| curve.decode_as::<ObjectIdentifier>()) {
        Some(Ok(curve)) => format!("an EC key on {}", name_of(curve)),
        _ => "an EC key on another curve".to_owned(),
    };
    match der {
        PrivateKeyDer::Pkcs1(_) => "an RSA key".to_owned(),
        PrivateKeyDer::Pkcs8(der) => match parts_of_pkcs8(der.secret_pkcs8_der()) {
            Some((Algorithm { oid: EC_PUBLIC_KEY, parameters }, _)) => on_curve(parameters),
            Some((algorithm, _)) => format!("a key of kind {}", name_of(algorithm.oid)),
            None => "no PKCS#8".to_owned(),
        },
        _ => on_curve(None),
    }
}

fn name_of(oid: ObjectIdentifier) -> String {
    DB.by_oid(&oid).map_or_else(|| oid.to_string(), str::to_owned)
}

fn damaged(reason: &str) -> KeyError {
    KeyError::Damaged { reason: reason.into() }
}
