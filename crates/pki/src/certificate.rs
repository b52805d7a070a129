//! Reading certificates.

use std::{fmt, path::Path, sync::Arc};

use der::{
    Decode, Encode, Reader, Sequence, SliceReader,
    asn1::{AnyRef, BitStringRef, IntRef, ObjectIdentifier, OctetStringRef, Utf8StringRef},
};
use nuncio_identity::NodeId;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use sha2::{Digest, Sha256};

use crate::{
    DirectoryError, Stated,
    blocks::{Block, Damaged, blocks},
    extensions::{Extension, Extensions},
    instant::{self, Moment},
    name::Named,
    signature::{Outer, Signed, Unsigned},
};

mod error;
mod public_key;

pub use error::CertificateError;
pub use public_key::KeyKind;
use public_key::Spki;
pub(crate) use public_key::{PublicKey, node_of};

/// A parsed X.509 certificate, version 1 or 3. It keeps its DER; nothing about it has been verified. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(Arc<Parsed>);

#[derive(PartialEq, Eq)]
struct Parsed {
    der: CertificateDer<'static>,
    version: u8,
    subject: Named,
    issuer: Named,
    not_before: u64,
    not_after: u64,
    serial: Vec<u8>,
    key: PublicKey,
    extensions: Extensions,
    stated: Stated,
    signed: Signed,
}

/// The signed part. Names and serial are kept as they are written: OpenSSL is no stricter.
#[derive(Sequence)]
struct Tbs<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "Default::default")]
    version: u8,
    serial: IntRef<'a>,
    algorithm: AnyRef<'a>,
    issuer: AnyRef<'a>,
    validity: Validity,
    subject: AnyRef<'a>,
    key: Spki<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    issuer_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    subject_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension<'a>>>,
}

#[derive(Sequence)]
struct Validity {
    not_before: Moment,
    not_after: Moment,
}

impl Certificate {
    /// Most certificates that [`from_pem_bundle`](Self::from_pem_bundle) reads from one text.
    pub const MAX_BUNDLE: usize = 64;

    /// Reads one certificate.
    ///
    /// # Errors
    /// When the bytes are not an X.509 certificate.
    pub fn from_der(der: CertificateDer<'static>) -> Result<Self, CertificateError> {
        let outer = Outer::from_der(&der).map_err(CertificateError::malformed)?;
        let parsed = Parsed::read(&der, &outer).map_err(CertificateError::malformed)?;
        if parsed.version > 3 {
            return Err(CertificateError::Version { version: parsed.version });
        }
        Ok(Self(Arc::new(parsed)))
    }

    /// Reads every certificate of a PEM text (`CERTIFICATE`, `X509 CERTIFICATE`, `TRUSTED CERTIFICATE`), or a DER file:
    /// order is kept, repeated certificates are dropped, text around the blocks is ignored. At most
    /// [`MAX_BUNDLE`](Self::MAX_BUNDLE) are read.
    ///
    /// # Errors
    /// When there is none, too many, or one is damaged; the error names its position.
    pub fn from_pem_bundle(file: impl AsRef<[u8]>) -> Result<Vec<Self>, CertificateError> {
        let mut bundle: Vec<Self> = Vec::new();
        let is_certificate = |label: &str| label == PLAIN || label == OLD || label == TRUSTED;
        for (index, block) in blocks(file.as_ref(), is_certificate).enumerate() {
            let position = index + 1;
            if position > Self::MAX_BUNDLE {
                return Err(CertificateError::TooMany);
            }
            let Block { label, der, .. } =
                block.map_err(|Damaged { position, reason }| CertificateError::Pem { position, reason })?;
            let certificate = plain(&label, &der)
                .and_then(|der| Self::from_der(der.to_vec().into()))
                .map_err(|source| CertificateError::Block { position, source: Box::new(source) })?;
            if !bundle.contains(&certificate) {
                bundle.push(certificate);
            }
        }
        if bundle.is_empty() { Err(CertificateError::Empty) } else { Ok(bundle) }
    }

    /// Reads a file of certificates, see [`from_pem_bundle`](Self::from_pem_bundle).
    ///
    /// # Errors
    /// When it cannot be read or used.
    pub fn load(path: &Path) -> Result<Vec<Self>, DirectoryError> {
        crate::directory::read_certificates(path)
    }

    /// The certificate's bytes.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.0.der
    }

    /// One PEM block, ended by a newline.
    pub fn to_pem(&self) -> String {
        pem_block("CERTIFICATE", &self.0.der)
    }

    /// The node that the key names; `None` unless the key is on secp256k1.
    pub fn node_id(&self) -> Option<NodeId> {
        self.0.key.node
    }

    /// The subject, as RFC 4514 writes it: most specific part first.
    pub fn subject(&self) -> String {
        self.0.subject.text.clone()
    }

    /// The issuer, as RFC 4514 writes it.
    pub fn issuer(&self) -> String {
        self.0.issuer.text.clone()
    }

    /// The subject's CN.
    pub fn common_name(&self) -> Option<String> {
        self.0.subject.common_name.clone()
    }

    /// The issuer's CN: the agency, in a consortium's node certificate.
    pub fn issuer_common_name(&self) -> Option<String> {
        self.0.issuer.common_name.clone()
    }

    /// The first instant at which it is valid.
    pub fn not_before(&self) -> UnixTime {
        instant::at(self.0.not_before)
    }

    /// The last instant at which it is valid.
    pub fn not_after(&self) -> UnixTime {
        instant::at(self.0.not_after)
    }

    /// The last instant, RFC 3339.
    pub fn not_after_text(&self) -> String {
        instant::text(self.not_after())
    }

    /// The serial number in lower-case hexadecimal.
    pub fn serial(&self) -> String {
        hex::encode(&self.0.serial)
    }

    /// Whether it is version 1, the form without extensions that FISCO BCOS's tool makes for roots and RSA
    /// certificates.
    pub fn is_v1(&self) -> bool {
        self.0.version == 1
    }

    /// The version as people count: 1, 2 or 3.
    pub fn version(&self) -> u8 {
        self.0.version
    }

    /// Whether basicConstraints says CA:TRUE. A v1 root cannot say so.
    pub fn is_ca(&self) -> bool {
        matches!(self.0.extensions.basic, Some(basic) if basic.ca)
    }

    /// Whether subject and issuer are one name, as in a root.
    pub fn is_self_issued(&self) -> bool {
        self.0.subject.is(&self.0.issuer)
    }

    /// The roles it states, whoever made it.
    pub fn stated_roles(&self) -> &Stated {
        &self.0.stated
    }

    /// What kind of key it names.
    pub fn key_kind(&self) -> KeyKind {
        self.0.key.kind.clone()
    }

    /// Whether `now` lies within its validity.
    pub fn is_valid_at(&self, now: UnixTime) -> bool {
        (self.0.not_before..=self.0.not_after).contains(&now.as_secs())
    }

    /// Whether `issuer`'s key made the signature on this certificate and `issuer`'s subject is its issuer. Nothing else
    /// is checked.
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        self.0.issuer.is(&issuer.0.subject) && self.check_signature(issuer).is_ok()
    }

    /// Whether `issuer`'s key made the signature, whatever the names.
    pub(crate) fn check_signature(&self, issuer: &Self) -> Result<(), Unsigned> {
        self.0.signed.verify(&issuer.0.key)
    }

    /// Whether the issuer's key has signed this too, in the way that it signed the certificate.
    pub(crate) fn has_signed_beside(&self, content: &[u8], signature: &[u8], issuer: &Self) -> bool {
        self.0.signed.beside(content, signature).verify(&issuer.0.key).is_ok()
    }

    pub(crate) fn signature_algorithm(&self) -> String {
        self.0.signed.algorithm()
    }

    pub(crate) fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    pub(crate) fn subject_name(&self) -> &Named {
        &self.0.subject
    }

    pub(crate) fn issuer_name(&self) -> &Named {
        &self.0.issuer
    }

    /// The SHA-256 of its public key, whatever certificate names it: of a node ID where there is one, else of the subject
    /// public key info.
    pub fn key_id(&self) -> [u8; 32] {
        self.0.key.id()
    }

    pub(crate) fn subject_der(&self) -> &[u8] {
        &self.0.subject.der
    }

    pub(crate) fn serial_bytes(&self) -> &[u8] {
        &self.0.serial
    }

    pub(crate) fn key(&self) -> &PublicKey {
        &self.0.key
    }

    /// Its SubjectPublicKeyInfo; a key on secp256k1 always has the same form.
    pub fn public_key(&self) -> &SubjectPublicKeyInfoDer<'static> {
        &self.0.key.der
    }
}

impl Parsed {
    fn read(der: &CertificateDer<'static>, outer: &Outer<'_>) -> der::Result<Self> {
        let tbs: Tbs<'_> = outer.tbs.decode_as()?;
        let subject = Named::from_der(&tbs.subject.to_der()?)?;
        let key = PublicKey::read(&tbs.key)?;
        let extensions = Extensions::read(&tbs.extensions.unwrap_or_default());
        Ok(Self {
            version: tbs.version.saturating_add(1),
            stated: Stated::by(&extensions, &subject, &key.kind),
            subject,
            issuer: Named::from_der(&tbs.issuer.to_der()?)?,
            not_before: tbs.validity.not_before.0,
            not_after: tbs.validity.not_after.0,
            serial: tbs.serial.as_bytes().to_vec(),
            key,
            extensions,
            signed: outer.signed()?.with_inner(tbs.algorithm),
            der: der.clone(),
        })
    }
}

const PLAIN: &str = "CERTIFICATE";
const OLD: &str = "X509 CERTIFICATE";
/// With what `openssl x509 -trustout` adds.
const TRUSTED: &str = "TRUSTED CERTIFICATE";

/// The certificate of a block, without OpenSSL's additions.
fn plain<'a>(label: &str, block: &'a [u8]) -> Result<&'a [u8], CertificateError> {
    if label != TRUSTED {
        return Ok(block);
    }
    let mut reader = SliceReader::new(block).map_err(CertificateError::malformed)?;
    let certificate = reader.tlv_bytes().map_err(CertificateError::malformed)?;
    let rest = &block[certificate.len()..];
    let settings = if rest.is_empty() { Ok(Settings::default()) } else { Settings::from_der(rest) };
    match settings.map_err(CertificateError::malformed)? {
        Settings { trusted: None, rejected: None, .. } => Ok(certificate),
        _ => Err(CertificateError::TrustSettings),
    }
}

/// OpenSSL's X509_CERT_AUX.
#[derive(Default, Sequence)]
struct Settings<'a> {
    #[asn1(optional = "true")]
    trusted: Option<Vec<ObjectIdentifier>>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    rejected: Option<Vec<ObjectIdentifier>>,
    #[asn1(optional = "true")]
    alias: Option<Utf8StringRef<'a>>,
    #[asn1(optional = "true")]
    id: Option<&'a OctetStringRef>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.0.subject.text)
            .field("issuer", &self.0.issuer.text)
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

/// [`Certificate::key_id`] of every certificate of a node.
pub(crate) fn key_id_of_node(node: &NodeId) -> [u8; 32] {
    Sha256::digest(node.as_bytes()).into()
}

/// One PEM block, ended by a newline.
pub(crate) fn pem_block(label: &'static str, der: &[u8]) -> String {
    der::pem::encode_string(label, der::pem::LineEnding::LF, der).expect("the label is a constant without faults")
}
