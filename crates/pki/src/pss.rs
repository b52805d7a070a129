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
    let chosen = parameters(algorithm).ok_or(Unsigned::Unsupported)?;
    let salt = usize::from(chosen.salt);
    // A key of its own kind may name what it is good for.
    if is_pss(key.algorithm()) && key.algorithm().len() > 2 + OID.as_bytes().len() {
        let bound = parameters(key.algorithm()).ok_or(Unsigned::Unsupported)?;
        if bound.hash.oid != chosen.hash.oid || bound.salt > chosen.salt {
            return Err(Unsigned::OtherKey);
        }
    }
    let key = rsa::PublicKey::from_pkcs1_der(key.rsa().ok_or(Unsigned::OtherKey)?).map_err(|_| Unsigned::OtherKey)?;
    let signature = pss::Signature::try_from(signature).map_err(|_| Unsigned::OtherKey)?;
    let verified = match chosen.hash.oid {
        SHA256 => pss::VerifyingKey::<Sha256>::new_with_salt_len(key, salt).verify(message, &signature),
        SHA384 => pss::VerifyingKey::<Sha384>::new_with_salt_len(key, salt).verify(message, &signature),
        _ => pss::VerifyingKey::<Sha512>::new_with_salt_len(key, salt).verify(message, &signature),
    };
    verified.map_err(|_| Unsigned::OtherKey)
}

/// `None` for a hash that is not accepted, or another one for the mask.
fn parameters(algorithm: &[u8]) -> Option<Parameters<'_>> {
    let parameters = Parameters::from_der(algorithm.get(2 + OID.as_bytes().len()..)?).ok()?;
    let mask: Algorithm<'_> = parameters.mask.parameters?.decode_as().ok()?;
    let accepted = [SHA256, SHA384, SHA512].contains(&parameters.hash.oid)
        && parameters.mask.oid == MGF1
        && mask.oid == parameters.hash.oid
        && parameters.trailer == 1;
    accepted.then_some(parameters)
}
