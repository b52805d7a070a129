//! What a certificate lets its key do: the part that a renewal keeps.

use std::collections::BTreeSet;

use der::{
    Decode, Encode,
    asn1::{ObjectIdentifier, OctetString},
    flagset::FlagSet,
    oid::AssociatedOid,
};
use sha2::{Digest, Sha256};
use x509_cert::{
    SubjectPublicKeyInfo, Version,
    ext::{
        Extension, Extensions,
        pkix::{AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier},
    },
};

use super::AuthorityError;
use crate::{Certificate, Role};

const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// The version and the extensions of a certificate, without the one that names its issuer's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// `None`: version 1.
    extensions: Option<Extensions>,
    names_issuer: bool,
}

impl Profile {
    /// Version 1, without extensions.
    pub(crate) const fn bare() -> Self {
        Self { extensions: None, names_issuer: false }
    }

    /// What a root may, certified by another one whose place it takes: see [`heir`](crate::heir).
    pub(crate) fn cross(key: &SubjectPublicKeyInfo, heir: Extension) -> Result<Self, AuthorityError> {
        let profile = Self::authority(key, None)?;
        let extensions = profile.extensions.into_iter().flatten().chain([heir]).collect();
        Ok(Self { extensions: Some(extensions), ..profile })
    }

    /// Names its issuer's key too, which tells that from another key of the same name. Version 1 cannot.
    pub(crate) fn naming_its_issuer(self) -> Self {
        Self { names_issuer: true, ..self }
    }

    /// May issue agencies and leaves.
    pub(crate) fn root(key: &SubjectPublicKeyInfo) -> Result<Self, AuthorityError> {
        Ok(Self { names_issuer: false, ..Self::authority(key, None)? })
    }

    /// May issue leaves only.
    pub(crate) fn agency(key: &SubjectPublicKeyInfo) -> Result<Self, AuthorityError> {
        Self::authority(key, Some(0))
    }

    /// May issue nothing. Releases that know no roles demand the usual usages, and SDKs that a server's certificate has one.
    pub(crate) fn leaf(key: &SubjectPublicKeyInfo, role: Role) -> Result<Self, AuthorityError> {
        let usages = KeyUsages::DigitalSignature | KeyUsages::NonRepudiation | KeyUsages::KeyEncipherment;
        let general: &[_] = if role == Role::Node { &[SERVER_AUTH, CLIENT_AUTH] } else { &[CLIENT_AUTH] };
        let extended = general.iter().copied().chain([role.oid()]).collect();
        let mut extensions = Self::basic(key, false, None, usages)?;
        extensions.push(extension(false, &ExtendedKeyUsage(extended))?);
        Ok(Self { extensions: Some(extensions), names_issuer: true })
    }

    /// May sign revocation lists, and nothing else.
    pub(crate) fn lists(key: &SubjectPublicKeyInfo) -> Result<Self, AuthorityError> {
        Ok(Self { extensions: Some(Self::basic(key, false, None, KeyUsages::CRLSign)?), names_issuer: true })
    }

    /// What a certificate that exists lets its key do.
    pub(crate) fn of(certificate: &Certificate) -> Result<Self, AuthorityError> {
        let parsed = x509_cert::Certificate::from_der(certificate.der())?;
        let Some(extensions) = parsed.tbs_certificate().extensions() else { return Ok(Self::bare()) };
        let (naming, kept): (Vec<_>, Vec<_>) =
            extensions.iter().cloned().partition(|one| one.extn_id == AuthorityKeyIdentifier::OID);
        Ok(Self { extensions: Some(kept), names_issuer: !naming.is_empty() })
    }

    pub(crate) const fn version(&self) -> Version {
        if self.extensions.is_some() { Version::V3 } else { Version::V1 }
    }

    /// Every extension of a certificate by this issuer; `None` signs itself.
    pub(crate) fn extensions(self, issuer: Option<&Certificate>) -> Result<Option<Extensions>, AuthorityError> {
        let named = issuer.filter(|_| self.names_issuer).map(authority_key_identifier).transpose()?;
        Ok(self.extensions.map(|extensions| extensions.into_iter().chain(named).collect()))
    }

    /// The extensions, whatever their order.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let set = |profile: &Self| -> Option<BTreeSet<(ObjectIdentifier, bool, Vec<u8>)>> {
            let each = |one: &Extension| (one.extn_id, one.critical, one.extn_value.as_bytes().to_vec());
            profile.extensions.as_ref().map(|extensions| extensions.iter().map(each).collect())
        };
        set(self) == set(other)
    }

    fn authority(key: &SubjectPublicKeyInfo, path_len: Option<u8>) -> Result<Self, AuthorityError> {
        let extensions = Self::basic(key, true, path_len, KeyUsages::KeyCertSign | KeyUsages::CRLSign)?;
        Ok(Self { extensions: Some(extensions), names_issuer: true })
    }

    fn basic(
        key: &SubjectPublicKeyInfo,
        ca: bool,
        path_len_constraint: Option<u8>,
        usages: impl Into<FlagSet<KeyUsages>>,
    ) -> Result<Extensions, AuthorityError> {
        Ok(vec![
            extension(ca, &BasicConstraints { ca, path_len_constraint })?,
            extension(ca, &KeyUsage(usages.into()))?,
            extension(false, &SubjectKeyIdentifier(key_identifier(key)?))?,
        ])
    }
}

/// Names the issuer's key, so that OpenSSL picks the right one of two namesakes. OpenSSL accepts any identifier from an
/// issuer that carries none of its own.
pub(crate) fn authority_key_identifier(issuer: &Certificate) -> Result<Extension, AuthorityError> {
    let parsed = x509_cert::Certificate::from_der(issuer.der())?;
    let stated = parsed.tbs_certificate().get_extension::<SubjectKeyIdentifier>().ok().flatten();
    let identifier = match stated {
        Some((_, identifier)) => identifier.0,
        None => key_identifier(parsed.tbs_certificate().subject_public_key_info())?,
    };
    extension(false, &AuthorityKeyIdentifier { key_identifier: Some(identifier), ..Default::default() })
}

pub(crate) fn extension<T: Encode + AssociatedOid>(critical: bool, value: &T) -> Result<Extension, AuthorityError> {
    Ok(Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}

/// RFC 7093, method 1.
fn key_identifier(key: &SubjectPublicKeyInfo) -> Result<OctetString, AuthorityError> {
    let digest = Sha256::digest(key.subject_public_key.raw_bytes());
    Ok(OctetString::new(&digest[..20])?)
}
