use std::{path::Path, time::Duration};

use der::{Decode, Encode, asn1::Uint};
use nuncio_identity::NodeId;
use rustls_pki_types::UnixTime;
use x509_cert::{SubjectPublicKeyInfo, ext::pkix::CrlNumber, name::Name};

use super::{
    AuthorityError, PrivateKey, Validity,
    layout::write_leaf,
    profile::{Profile, authority_key_identifier, extension},
    store::capped,
    template::{Template, sign, subject},
};
use crate::{
    Certificate, CertificateRequest, RevocationList, Role, credential, heir,
    instant::Moment,
    revocation::{self, TakenBack},
};

/// A root or an agency in memory: its certificate, its key, and what stands above it.
#[derive(Debug)]
pub struct Issuer {
    key: PrivateKey,
    /// Own certificate first, the root last.
    chain: Vec<Certificate>,
    /// Certificates by which other roots vouch for this one.
    vouching: Vec<Certificate>,
}

/// What a leaf is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A node, on secp256k1.
    Node,
    /// An SDK, on secp256k1.
    Sdk,
    /// An SDK with an RSA key, under the agency's RSA authority.
    SdkRsa,
    /// A node's channel port with an RSA key, under the agency's RSA authority.
    NodeRsa,
    /// An operator, on secp256k1.
    Operator,
}

impl Kind {
    /// Whether its key is RSA.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::SdkRsa | Self::NodeRsa)
    }

    /// The role that it states.
    pub const fn role(self) -> Role {
        match self {
            Self::Node | Self::NodeRsa => Role::Node,
            Self::Sdk | Self::SdkRsa => Role::Sdk,
            Self::Operator => Role::Operator,
        }
    }
}

/// A leaf with its key.
#[derive(Debug)]
#[non_exhaustive]
pub struct Issued {
    /// The private key.
    pub key: PrivateKey,
    /// Leaf, agency (if any), root.
    pub chain: Vec<Certificate>,
    /// The roots that its holder has to trust, where it is not the last of the chain alone.
    pub(super) trusted: Vec<Certificate>,
}

impl Issued {
    /// The leaf.
    pub fn certificate(&self) -> &Certificate {
        &self.chain[0]
    }

    /// The node that the key names.
    pub fn node_id(&self) -> Option<NodeId> {
        self.certificate().node_id()
    }

    /// Writes `node.key`, `node.crt`, `ca.crt` and `node.nodeid`, or `sdk.key`, `sdk.crt` and `ca.crt`, into a folder
    /// that may exist but must not hold such a key.
    ///
    /// # Errors
    /// When it holds one, or cannot be written.
    pub fn write(&self, directory: &Path, kind: Kind) -> Result<(), AuthorityError> {
        write_leaf(directory, kind, self)
    }
}

/// When a revocation list was made and when its successor is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationDates {
    /// When it was made.
    pub this_update: UnixTime,
    /// When the next is due.
    pub next_update: UnixTime,
}

impl Issuer {
    /// The same; its token is waited for no longer than so.
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { key: self.key.with_patience(patience), ..self }
    }

    /// A new self-signed root on secp256k1.
    ///
    /// # Errors
    /// When the name cannot be a common name.
    pub fn root(name: &str, validity: Validity) -> Result<Self, AuthorityError> {
        Self::self_signed(name, PrivateKey::secp256k1(), validity, false)
    }

    /// A new self-signed RSA root for the channel port. With `version1` it has no extensions, as FISCO BCOS's tool
    /// makes it.
    ///
    /// # Errors
    /// When the name cannot be a common name, or no RSA key can be made.
    pub fn rsa_root(name: &str, validity: Validity, version1: bool) -> Result<Self, AuthorityError> {
        Self::self_signed(name, PrivateKey::rsa()?, validity, version1)
    }

    /// Continues an authority that exists. `chain` is its own certificate, then what stands above it; whether it may
    /// issue shows when somebody judges what it issued.
    pub const fn from_parts(key: PrivateKey, chain: Vec<Certificate>) -> Self {
        Self { key, chain, vouching: Vec::new() }
    }

    /// Shows these certificates, by which other roots vouch for its own, in all that it issues.
    pub(super) fn vouched_by(self, vouching: Vec<Certificate>) -> Self {
        Self { vouching, ..self }
    }

    /// A new agency below this root, on secp256k1.
    ///
    /// # Errors
    /// When this is an agency itself, or the name cannot be a common name.
    pub fn agency(&self, name: &str, validity: Validity) -> Result<Self, AuthorityError> {
        self.agency_for(PrivateKey::secp256k1(), name, validity)
    }

    /// A leaf with a new key, RSA if the kind says so (whatever this issuer's own key is).
    ///
    /// # Errors
    /// When the name cannot be a common name, or no RSA key can be made.
    pub fn issue(&self, kind: Kind, name: &str, validity: Validity) -> Result<Issued, AuthorityError> {
        self.issue_for(new_key(kind)?, kind, name, validity)
    }

    /// The same as X.509 version 1: no extensions, as FISCO BCOS's tool makes RSA leaves.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn issue_v1(&self, kind: Kind, name: &str, validity: Validity) -> Result<Issued, AuthorityError> {
        let key = new_key(kind)?;
        let leaf = self.certify(Profile::bare(), subject_of(kind, name)?, key.spki()?, validity)?;
        Ok(Issued { key, chain: self.below(leaf), trusted: Vec::new() })
    }

    /// A leaf for the key and name of a request, which must be signed by that key. Of the request's subject the CN
    /// counts.
    ///
    /// # Errors
    /// When the request's signature is not by its key, or its CN cannot be a name.
    pub fn sign_request(
        &self,
        request: &CertificateRequest,
        kind: Kind,
        validity: Validity,
    ) -> Result<Vec<Certificate>, AuthorityError> {
        request.verify(kind)?;
        let key = SubjectPublicKeyInfo::from_der(request.public_key().as_ref())?;
        let leaf =
            self.certify(Profile::leaf(&key, kind.role())?, subject_of(kind, &request.common_name())?, key, validity)?;
        Ok(self.below(leaf))
    }

    /// A new certificate with the subject, key and extensions of one that this issuer made, its own included.
    ///
    /// # Errors
    /// When this issuer did not make it.
    pub fn renew(&self, certificate: &Certificate, validity: Validity) -> Result<Vec<Certificate>, AuthorityError> {
        self.refuse_foreign(certificate)?;
        let subject = Name::from_der(certificate.subject_der())?;
        let key = SubjectPublicKeyInfo::from_der(certificate.public_key().as_ref())?;
        let renewed = self.certify(Profile::of(certificate)?, subject, key, validity)?;
        let is_own = renewed.public_key() == self.certificate().public_key();
        Ok(if is_own { vec![renewed] } else { self.below(renewed) })
    }

    /// A complete revocation list of this issuer: what `previous` revoked, and `certificates`. Its number is one more
    /// than `previous` has, 1 where that has none.
    ///
    /// # Errors
    /// When this issuer did not make one of the certificates or the previous list.
    pub fn revoke(
        &self,
        certificates: &[&Certificate],
        previous: Option<&RevocationList>,
        dates: RevocationDates,
    ) -> Result<RevocationList, AuthorityError> {
        let mut taken_back = TakenBack::default();
        if let Some(list) = previous {
            if !list.is_signed_by(self.certificate()) {
                return Err(self.foreign(format!("revocation list {}", list.edition()), list.issuer()));
            }
            taken_back.clone_from(list.taken_back());
        }
        for certificate in certificates {
            self.refuse_foreign(certificate)?;
            taken_back.add(certificate, dates.this_update.as_secs());
        }
        let number = successor(previous.and_then(|list| list.edition().number()).unwrap_or_default());
        self.list(&taken_back, &number, dates)
    }

    /// A revocation list of this number, which says just that.
    pub(super) fn list(
        &self,
        taken_back: &TakenBack,
        number: &[u8],
        dates: RevocationDates,
    ) -> Result<RevocationList, AuthorityError> {
        let draft = revocation::Draft {
            algorithm: self.key.signature_algorithm(),
            issuer: Name::from_der(self.certificate().subject_der())?,
            this_update: Moment(dates.this_update.as_secs()),
            next_update: Moment(dates.next_update.as_secs()),
            extensions: vec![
                authority_key_identifier(self.certificate())?,
                extension(false, &CrlNumber(Uint::new(number)?))?,
            ],
        };
        let tbs = revocation::write(draft, taken_back)?;
        RevocationList::from_der(&sign(&tbs, &self.key)?)
            .map_err(|source| AuthorityError::Encoding { reason: source.to_string() })
    }

    /// A certificate by which this issuer lets another authority's key sign revocation lists, and nothing else, under that
    /// authority's name: so nodes that do not trust that authority take and pass on its lists.
    ///
    /// # Errors
    /// When a value does not fit X.509.
    pub fn vouch_for_lists_of(&self, authority: &Certificate) -> Result<Certificate, AuthorityError> {
        let own = self.certificate();
        let subject = Name::from_der(authority.subject_der())?;
        let key = SubjectPublicKeyInfo::from_der(authority.public_key().as_ref())?;
        let validity = Validity { not_before: own.not_before(), not_after: own.not_after() };
        self.certify(Profile::lists(&key)?, subject, key, validity)
    }

    /// Its own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.chain[0]
    }

    /// The root: itself, or what stands above an agency.
    pub fn root_certificate(&self) -> &Certificate {
        self.chain.last().unwrap_or(&self.chain[0])
    }

    /// The name that rules have for it, and for whatever it issues: see [`Credential::agency_path`](crate::Credential::agency_path).
    pub fn agency_path(&self) -> String {
        let agencies = self.chain.iter().rev().filter(|one| !one.is_self_issued());
        credential::path_of(agencies, self.root_certificate())
    }

    /// Own certificate first, the root last.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// Its private key.
    pub const fn key(&self) -> &PrivateKey {
        &self.key
    }

    pub(crate) fn agency_for(&self, key: PrivateKey, name: &str, validity: Validity) -> Result<Self, AuthorityError> {
        if self.chain.len() > 1 {
            return Err(AuthorityError::NotARoot { authority: self.certificate().subject() });
        }
        let public = key.spki()?;
        let certificate = self.certify(Profile::agency(&public)?, subject("agency", name)?, public, validity)?;
        Ok(self.above(certificate, key))
    }

    /// An agency below this root that takes another one's place under its name.
    pub(super) fn successor_of(
        &self,
        agency: &Certificate,
        key: PrivateKey,
        validity: Validity,
    ) -> Result<Self, AuthorityError> {
        let public = key.spki()?;
        let subject = Name::from_der(agency.subject_der())?;
        let certificate = self.certify(Profile::agency(&public)?, subject, public, capped(self, validity)?)?;
        Ok(self.above(certificate, key))
    }

    /// A certificate by this root for the key and name of another that takes its place, so that who trusts this one accepts what
    /// that one issues, by the rules about what this one issued. It ends when one of the two does.
    pub(super) fn vouch_for_root(&self, root: &Certificate) -> Result<Certificate, AuthorityError> {
        let key = SubjectPublicKeyInfo::from_der(root.public_key().as_ref())?;
        let validity = Validity { not_before: root.not_before(), not_after: root.not_after() };
        let subject = Name::from_der(root.subject_der())?;
        let heir = heir::mark(self.certificate(), &self.key, (&subject.to_der()?, root.public_key()))?;
        self.certify(Profile::cross(&key, heir)?, subject, key, capped(self, validity)?)
    }

    /// A certificate with the subject, key and extensions of one that another authority issued.
    pub(super) fn reissue(&self, certificate: &Certificate, validity: Validity) -> Result<Certificate, AuthorityError> {
        let subject = Name::from_der(certificate.subject_der())?;
        let key = SubjectPublicKeyInfo::from_der(certificate.public_key().as_ref())?;
        self.certify(Profile::of(certificate)?.naming_its_issuer(), subject, key, validity)
    }

    pub(crate) fn issue_for(
        &self,
        key: PrivateKey,
        kind: Kind,
        name: &str,
        validity: Validity,
    ) -> Result<Issued, AuthorityError> {
        let public = key.spki()?;
        let leaf = self.certify(Profile::leaf(&public, kind.role())?, subject_of(kind, name)?, public, validity)?;
        Ok(Issued { key, chain: self.below(leaf), trusted: Vec::new() })
    }

    pub(crate) fn self_signed(
        name: &str,
        key: PrivateKey,
        validity: Validity,
        version1: bool,
    ) -> Result<Self, AuthorityError> {
        let public = key.spki()?;
        let profile = if version1 { Profile::bare() } else { Profile::root(&public)? };
        let template = Template { profile, subject: subject("chain", name)?, key: public, validity, issuer: None };
        let certificate = template.sign(&key)?;
        Ok(Self::from_parts(key, vec![certificate]))
    }

    fn certify(
        &self,
        profile: Profile,
        subject: Name,
        key: SubjectPublicKeyInfo,
        validity: Validity,
    ) -> Result<Certificate, AuthorityError> {
        Template { profile, subject, key, validity, issuer: Some(self.certificate()) }.sign(&self.key)
    }

    /// The agency with this certificate below this root; who vouches for the root does so for what the agency issues.
    fn above(&self, agency: Certificate, key: PrivateKey) -> Self {
        let chain = std::iter::once(agency).chain(self.chain.iter().cloned()).collect();
        Self::from_parts(key, chain).vouched_by(self.vouching.clone())
    }

    /// Its own certificate, and those by which other roots vouch for the root above it.
    pub(super) fn with_vouching(&self) -> Vec<Certificate> {
        std::iter::once(self.certificate()).chain(&self.vouching).cloned().collect()
    }

    fn below(&self, certificate: Certificate) -> Vec<Certificate> {
        let mut chain: Vec<_> = std::iter::once(certificate).chain(self.chain.iter().cloned()).collect();
        let root = chain.len() - 1;
        chain.splice(root..root, self.vouching.iter().cloned());
        chain
    }

    pub(crate) fn foreign_certificate(&self, certificate: &Certificate) -> AuthorityError {
        self.foreign(certificate.subject(), certificate.issuer())
    }

    pub(super) fn refuse_foreign(&self, certificate: &Certificate) -> Result<(), AuthorityError> {
        if certificate.is_signed_by(self.certificate()) { Ok(()) } else { Err(self.foreign_certificate(certificate)) }
    }

    fn foreign(&self, subject: String, issuer: String) -> AuthorityError {
        AuthorityError::NotIssuedHere { subject, issuer, authority: self.certificate().subject() }
    }
}

/// The number after a big-endian one.
pub(super) fn successor(number: &[u8]) -> Vec<u8> {
    let mut next = number.to_vec();
    for byte in next.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return next;
        }
    }
    next.insert(0, 1);
    next
}

pub(crate) fn new_key(kind: Kind) -> Result<PrivateKey, AuthorityError> {
    if kind.is_rsa() { PrivateKey::rsa() } else { Ok(PrivateKey::secp256k1()) }
}

/// The subject of a leaf.
pub(crate) fn subject_of(kind: Kind, name: &str) -> Result<Name, AuthorityError> {
    subject(kind.role().as_str(), name)
}
