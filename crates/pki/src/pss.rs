//! RSASSA-PSS (RFC 4055) with salts of any length: OpenSSL takes the longest that fits, aws-lc knows that of the hash only.

use der::{
    Decode, Sequence,
    asn1::{AnyRef, ObjectIdentifier},
};
use rsa::{pkcs1::DecodeRsaPublicKey, pss, signature::Verifier};
use sha2::{Sha256, Sha384, Sha512};

use crate::{certificate::PublicKey, signature::Unsigned};

/// The object identifier, as a key's or a signature's algorithm.
pub(crate) const OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

/// A hash that is accepted, for what is signed and for the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of(oid: ObjectIdentifier) -> Option<Self> {
        match oid {
            SHA256 => Some(Self::Sha256),
            SHA384 => Some(Self::Sha384),
            SHA512 => Some(Self::Sha512),
            _ => None,
        }
    }

    const fn length(self) -> u16 {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// What a signature is made with, or what a key is bound to.
#[derive(Clone, Copy)]
struct Choice {
    hash: Hash,
    salt: u16,
}

/// The defaults, SHA-1, are not accepted: both must be there.
#[derive(Clone, Copy, Sequence)]
struct Parameters<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    hash: Algorithm<'a>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT")]
    mask: Algorithm<'a>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", default = "twenty")]
    salt: u16,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", default = "one")]
    trailer: u8,
}

#[derive(Clone, Copy, Sequence)]
struct Algorithm<'a> {
    oid: ObjectIdentifier,
    #[asn1(optional = "true")]
    parameters: Option<AnyRef<'a>>,
}

const fn twenty() -> u16 {
    20
}

const fn one() -> u8 {
    1
}

/// Whether an AlgorithmIdentifier's content names it.
pub(crate) fn is_pss(algorithm: &[u8]) -> bool {
    algorithm.get(2..).is_some_and(|rest| rest.starts_with(OID.as_bytes()))
}

/// Checks a signature, given the content of its AlgorithmIdentifier.
pub(crate) fn verify(algorithm: &[u8], key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Unsigned> {
    check(parameters(algorithm).ok_or(Unsigned::Unsupported)?, key, message, signature)
}

/// Checks a signature in a handshake, by a key that is good for nothing else: the salt is as long as the hash (RFC 8446, 4.2.3).
pub(crate) fn verify_in_tls(hash: Hash, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let chosen = Choice { hash, salt: hash.length() };
    is_pss(key.algorithm()) && check(chosen, key, message, signature).is_ok()
}

fn check(chosen: Choice, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Unsigned> {
    let salt = usize::from(chosen.salt);
    // A key of its own kind may name what it is good for.
    if is_pss(key.algorithm()) && key.algorithm().len() > 2 + OID.as_bytes().len() {
        let bound = parameters(key.algorithm()).ok_or(Unsigned::Unsupported)?;
        if bound.hash != chosen.hash || bound.salt > chosen.salt {
            return Err(Unsigned::OtherKey);
        }
    }
    let key = rsa::PublicKey::from_pkcs1_der(key.rsa().ok_or(Unsigned::OtherKey)?).map_err(|_| Unsigned::OtherKey)?;
    let signature = pss::Signature::try_from(signature).map_err(|_| Unsigned::OtherKey)?;
    let verified = match chosen.hash {
        Hash::Sha256 => pss::VerifyingKey::<Sha256>::new_with_salt_len(key, salt).verify(message, &signature),
        Hash::Sha384 => pss::VerifyingKey::<Sha384>::new_with_salt_len(key, salt).verify(message, &signature),
        Hash::Sha512 => pss::VerifyingKey::<Sha512>::new_with_salt_len(key, salt).verify(message, &signature),
    };
    verified.map_err(|_| Unsigned::OtherKey)
}

/// `None` for a hash that is not accepted, or another one for the mask.
fn parameters(algorithm: &[u8]) -> Option<Choice> {
    let parameters = Parameters::from_der(algorithm.get(2 + OID.as_bytes().len()..)?).ok()?;
    let mask: Algorithm<'_> = parameters.mask.parameters?.decode_as().ok()?;
    let hash = Hash::of(parameters.hash.oid)?;
    let accepted = parameters.mask.oid == MGF1 && mask.oid == parameters.hash.oid && parameters.trailer == 1;
    accepted.then_some(Choice { hash, salt: parameters.salt })
}
