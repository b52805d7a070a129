//! The names of a certificate that its bytes give it.
//!
//! An ECDSA signature (r, s) has a twin, (r, n − s), that everybody can compute and that verifies as well: one certificate
//! has two SHA-256 digests. Whoever lists one of them means both.

use der::{
    Decode, Encode, Sequence,
    asn1::{AnyRef, BitStringRef, UintRef},
};
use sha2::{Digest, Sha256};

use crate::Certificate;

/// The orders of secp256k1, P-256, P-384 and P-521. A certificate does not say on which its issuer's key is.
const ORDERS: [&str; 4] = [
    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
];

#[derive(Sequence)]
struct Frame<'a> {
    tbs: AnyRef<'a>,
    algorithm: AnyRef<'a>,
    signature: BitStringRef<'a>,
}

#[derive(Sequence)]
struct EcdsaSignature<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

impl Certificate {
    /// The SHA-256 of the DER in lower-case hexadecimal, as `openssl x509 -fingerprint -sha256` says it.
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(self.der()))
    }

    /// The fingerprint, and those that the same certificate has with the twin of its signature.
    pub fn fingerprints(&self) -> Vec<String> {
        let twins = twins(self.der()).into_iter().map(|twin| hex::encode(Sha256::digest(&twin)));
        std::iter::once(self.fingerprint()).chain(twins).collect()
    }
}

/// The certificate with (r, n − s), for each n that it can be; none unless its signature is an ECDSA one.
fn twins(certificate: &[u8]) -> Vec<Vec<u8>> {
    let Ok(Frame { tbs, algorithm, signature }) = Frame::from_der(certificate) else { return Vec::new() };
    let Ok(EcdsaSignature { r, s }) = EcdsaSignature::from_der(signature.raw_bytes()) else { return Vec::new() };
    let with = |s: &[u8]| {
        let signature = EcdsaSignature { r, s: UintRef::new(s)? }.to_der()?;
        Frame { tbs, algorithm, signature: BitStringRef::from_bytes(&signature)? }.to_der()
    };
    let others = ORDERS.iter().filter_map(|order| difference(&hex::decode(order).ok()?, s.as_bytes()));
    others.filter_map(|other| with(&other).ok()).collect()
}

/// `order` − `value`, big-endian; `None` unless it is positive.
fn difference(order: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let mut result = order.to_vec();
    let start = order.len().checked_sub(value.len())?;
    let mut borrow = 0;
    for index in (0..order.len()).rev() {
        let subtracted = index.checked_sub(start).map_or(0, |at| i16::from(value[at])) + borrow;
        let digit = i16::from(order[index]) - subtracted;
        borrow = i16::from(digit < 0);
        result[index] = digit.rem_euclid(256) as u8;
    }
    (borrow == 0).then_some(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Issuer, Kind, Validity};

    #[test]
    fn a_certificate_and_its_twin_have_the_same_names() {
        let root = Issuer::root("chain", Validity::days(1)).unwrap();
        let leaf = root.issue(Kind::Sdk, "sdk", Validity::days(1)).unwrap().chain.remove(0);
        let twin = Certificate::from_der(twins(leaf.der()).remove(0).into()).unwrap();
        assert!(twin.is_signed_by(root.certificate()), "it holds as well");
        assert_ne!(twin.fingerprint(), leaf.fingerprint());
        assert!(twin.fingerprints().contains(&leaf.fingerprint()));
        assert!(leaf.fingerprints().contains(&twin.fingerprint()));
        assert_eq!((twin.key_id(), twin.serial()), (leaf.key_id(), leaf.serial()));
    }

    /// Else whoever is denied by the digest of his certificate comes in with another one of the same.
    #[test]
    fn no_bit_of_a_certificate_can_be_changed_by_whoever_holds_it() {
        let roots = [Issuer::root("chain", Validity::days(1)), Issuer::rsa_root("chain", Validity::days(1), true)];
        for root in roots.map(Result::unwrap) {
            let leaf = root.issue(Kind::Sdk, "sdk", Validity::days(1)).unwrap().chain.remove(0);
            let holds = |der: Vec<u8>| {
                Certificate::from_der(der.into()).is_ok_and(|changed| changed.is_signed_by(root.certificate()))
            };
            assert!(holds(leaf.der().to_vec()));
            // The rest is under the signature.
            let (end, signed) = (leaf.der().len(), Frame::from_der(leaf.der()).unwrap().tbs.value());
            let begin = leaf.der().windows(signed.len()).position(|window| window == signed).unwrap();
            for bit in (0..begin * 8).chain((begin + signed.len()) * 8..end * 8) {
                let mut changed = leaf.der().to_vec();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(!holds(changed), "bit {} of byte {}", bit % 8, bit / 8);
            }
            let [longer, shorter] = [[&leaf.der()[..], &[0]].concat(), leaf.der()[..leaf.der().len() - 1].to_vec()];
            assert!(!holds(longer) && !holds(shorter));
        }
    }

    #[test]
    fn what_is_not_on_a_curve_has_one() {
        let root = Issuer::rsa_root("chain", Validity::days(1), true).unwrap();
        assert_eq!(root.certificate().fingerprints(), [root.certificate().fingerprint()]);
    }

    #[test]
    fn differences_borrow_and_are_positive() {
        assert_eq!(difference(&[1, 0, 0], &[1]), Some(vec![0, 0xff, 0xff]));
        assert_eq!(difference(&[2], &[3]), None);
        assert_eq!(difference(&[2], &[1, 0]), None);
    }
}
