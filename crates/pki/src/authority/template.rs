use std::{str::FromStr, time::Duration};

use der::{
    Decode, Encode, Sequence,
    asn1::{Any, BitString},
};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_cert::{
    AlgorithmIdentifier, SubjectPublicKeyInfo, Version, ext::Extensions, name::Name, serial_number::SerialNumber,
};

use super::{AuthorityError, PrivateKey, profile::Profile};
use crate::{Certificate, instant};

const ORGANISATION: &str = "fisco-bcos";
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;
/// How far back a new certificate begins, for clocks that differ.
const BACKDATED: u64 = 5 * 60;

/// From when to when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first instant.
    pub not_before: UnixTime,
    /// The last instant; at most the end of the year 9999.
    pub not_after: UnixTime,
}

impl Validity {
    /// From five minutes ago (clocks differ) for so many days.
    pub fn days(days: u32) -> Self {
        Self::days_from(UnixTime::now(), days)
    }

    /// The same, counted from `start`.
    pub fn days_from(start: UnixTime, days: u32) -> Self {
        let start = start.as_secs();
        let length = Duration::from_secs(u64::from(days) * SECONDS_PER_DAY).as_secs();
        Self {
            not_before: instant::at(start.saturating_sub(BACKDATED)),
            not_after: instant::at(start.saturating_add(length)),
        }
    }

    fn encoded(self) -> x509_cert::time::Validity {
        x509_cert::time::Validity::new(instant::encoded(self.not_before), instant::encoded(self.not_after))
    }
}

/// Everything a certificate says.
pub(crate) struct Template<'a> {
    pub(crate) profile: Profile,
    pub(crate) subject: Name,
    pub(crate) key: SubjectPublicKeyInfo,
    pub(crate) validity: Validity,
    /// `None`: it signs itself.
    pub(crate) issuer: Option<&'a Certificate>,
}

/// A subject as FISCO BCOS's tool gives it, with its OU.
pub(crate) fn subject(unit: &str, name: &str) -> Result<Name, AuthorityError> {
    let refusal = || AuthorityError::Name { name: name.into() };
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let good = name.chars().count() <= 64
        && name.starts_with(char::is_alphanumeric)
        && name.chars().all(inner)
        && !name.ends_with(' ');
    if !good {
        return Err(refusal());
    }
    // RFC 4514 text runs backwards: the tool's subjects begin with the CN.
    Name::from_str(&format!("OU={unit},O={ORGANISATION},CN={name}")).map_err(|_| refusal())
}

impl Template<'_> {
    pub(crate) fn sign(self, key: &PrivateKey) -> Result<Certificate, AuthorityError> {
        let issuer = match self.issuer {
            Some(certificate) => Name::from_der(certificate.subject_der())?,
            None => self.subject.clone(),
        };
        let tbs = ToBeSigned {
            version: self.profile.version(),
            serial_number: serial()?,
            signature: key.signature_algorithm(),
            issuer,
            validity: self.validity.encoded(),
            subject: self.subject,
            subject_public_key_info: self.key,
            extensions: self.profile.extensions(self.issuer)?,
        };
        let der = sign(&tbs.to_der()?, key)?;
        Certificate::from_der(CertificateDer::from(der))
            .map_err(|source| AuthorityError::Encoding { reason: source.to_string() })
    }
}

/// Signs any of the structures that X.509 frames alike.
pub(crate) fn sign(tbs: &[u8], key: &PrivateKey) -> Result<Vec<u8>, AuthorityError> {
    let signed = Signed {
        tbs: Any::from_der(tbs)?,
        algorithm: key.signature_algorithm(),
        signature: BitString::from_bytes(&key.sign(tbs)?)?,
    };
    Ok(signed.to_der()?)
}

/// 127 random bits, positive, and not shortened by leading zeros.
fn serial() -> Result<SerialNumber, AuthorityError> {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(SerialNumber::new(&bytes)?)
}

#[derive(Sequence)]
struct ToBeSigned {
    #[asn1(context_specific = "0", default = "Default::default")]
    version: Version,
    serial_number: SerialNumber,
    signature: AlgorithmIdentifier,
    issuer: Name,
    validity: x509_cert::time::Validity,
    subject: Name,
    subject_public_key_info: SubjectPublicKeyInfo,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(Sequence)]
struct Signed {
    tbs: Any,
    algorithm: AlgorithmIdentifier,
    signature: BitString,
}
