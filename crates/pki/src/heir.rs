//! A root in another one's place. In the certificate by which an old root vouches for a new one stands a word of the old
//! root, that this one succeeds it: what rules say of agencies below the old root holds then below the new one, also where
//! the old root alone is trusted.
//!
//! The word is a signature by the old root's own key over both keys and the new name. So an agency cannot have it: neither in
//! a certificate that it issues, nor by asking for it, should the root's tool copy into certificates what requests ask for.

use der::{Encode, asn1::BitString, asn1::ObjectIdentifier};
use x509_cert::ext::Extension;

use crate::{
    Certificate,
    authority::{AuthorityError, PrivateKey},
};

/// Beside the usages of [`Role`](crate::Role), in the same arc.
pub(crate) const HEIR: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113556.1.8000.2554.42705.34933.9305.20226.44437.6161110.2163479.100");

/// The word of an old root, for a certificate of this key and this name. Whoever does not know it may ignore it.
pub(crate) fn mark(
    old: &Certificate,
    old_key: &PrivateKey,
    (name, key): (&[u8], &[u8]),
) -> Result<Extension, AuthorityError> {
    let word = BitString::from_bytes(&old_key.sign(&words(old, name, key))?)?;
    let extn_value = der::asn1::OctetString::new(word.to_der()?)?;
    Ok(Extension { extn_id: HEIR, critical: false, extn_value })
}

/// Whether a certificate says that it takes the place of a root; whether that root says so is another question.
pub(crate) fn has_word(certificate: &Certificate) -> bool {
    certificate.is_ca() && certificate.extensions().heir.is_some()
}

/// Whether an old root says of a certificate by it that it takes its place.
pub(crate) fn is_heir(certificate: &Certificate, old: &Certificate) -> bool {
    has_word(certificate)
        && certificate.extensions().heir.as_ref().is_some_and(|word| {
            let words = words(old, certificate.subject_der(), certificate.public_key());
            certificate.has_signed_beside(&words, word, old)
        })
}

/// Nothing else that a root signs begins so.
fn words(old: &Certificate, name: &[u8], key: &[u8]) -> Vec<u8> {
    let parts = [old.public_key().as_ref(), name, key];
    let sized = parts.into_iter().flat_map(|part| [&(part.len() as u64).to_be_bytes()[..], part].concat());
    b"nuncio: takes the place of a root\n".iter().copied().chain(sized).collect()
}
