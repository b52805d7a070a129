//! Signatures on certificates, requests and revocation lists.

use std::fmt;

use der::{
    Decode, Encode, Sequence, Tag, Tagged,
    asn1::{AnyRef, BitStringRef, ObjectIdentifier},
    oid::db::DB,
};
use rustls_pki_types::SignatureVerificationAlgorithm;

use x509_cert::AlgorithmIdentifier as AlgorithmIdentifierOwned;

use crate::{certificate::PublicKey, pss, tls};

/// The signature algorithms accepted in certificates, requests and revocation lists; RSA-PSS beside them.
static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = {
    use webpki::aws_lc_rs as aws;
    &[
        tls::ECDSA_SECP256K1_SHA256,
        tls::ECDSA_SECP256K1_SHA384,
        tls::ECDSA_SECP256K1_SHA512,
        aws::RSA_PKCS1_2048_8192_SHA256,
        aws::RSA_PKCS1_2048_8192_SHA384,
        aws::RSA_PKCS1_2048_8192_SHA512,
        aws::ECDSA_P256_SHA256,
        aws::ECDSA_P256_SHA384,
        aws::ECDSA_P256_SHA512,
        aws::ECDSA_P384_SHA256,
        aws::ECDSA_P384_SHA384,
        aws::ECDSA_P384_SHA512,
        aws::ECDSA_P521_SHA256,
        aws::ECDSA_P521_SHA384,
        aws::ECDSA_P521_SHA512,
        aws::ED25519,
    ]
};

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsigned {
    /// Another key made it, or something was changed since.
    OtherKey,
    /// Nobody can check it here.
    Unsupported,
    /// The RSA key is shorter than 2048 bits or longer than 8192.
    RsaLength(usize),
    /// The key has something that no library here reads.
    OddKey(&'static str),
    /// The two places that name the algorithm differ.
    TwoAlgorithms,
}

/// Certificates, requests and revocation lists share this frame.
#[derive(Sequence)]
pub(crate) struct Outer<'a> {
    pub(crate) tbs: AnyRef<'a>,
    pub(crate) algorithm: AnyRef<'a>,
    signature: BitStringRef<'a>,
}

impl Outer<'_> {
    /// What frames the signed part is signed by nobody: were more than one form of it taken, whoever holds a certificate
    /// could give it another digest.
    pub(crate) fn signed(&self) -> der::Result<Signed> {
        self.algorithm.tag().assert_eq(Tag::Sequence)?;
        let signature = self.signature.as_bytes().ok_or_else(|| Tag::BitString.value_error())?;
        Ok(Signed {
            tbs: self.tbs.to_der()?,
            algorithm: self.algorithm.value().to_vec(),
            signature: signature.to_vec(),
            agrees: true,
        })
    }
}

/// The signed part of a certificate, request or revocation list, byte for byte, and its signature.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    tbs: Vec<u8>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
    agrees: bool,
}

impl Signed {
    /// A signature that stands beside what it is on.
    pub(crate) fn of(content: &[u8], algorithm: &AlgorithmIdentifierOwned, signature: &[u8]) -> der::Result<Self> {
        let algorithm = algorithm.to_der()?;
        let algorithm = AnyRef::from_der(&algorithm)?.value().to_vec();
        Ok(Self { tbs: content.to_vec(), algorithm, signature: signature.to_vec(), agrees: true })
    }

    /// Another signature by the same algorithm.
    pub(crate) fn beside(&self, content: &[u8], signature: &[u8]) -> Self {
        Self { tbs: content.to_vec(), signature: signature.to_vec(), ..self.clone() }
    }

    /// What is signed.
    pub(crate) fn content(&self) -> &[u8] {
        &self.tbs
    }

    /// Notes the algorithm that the signed part itself names, which must be the same.
    pub(crate) fn with_inner(mut self, algorithm: AnyRef<'_>) -> Self {
        self.agrees = self.algorithm == algorithm.value();
        self
    }

    pub(crate) fn verify(&self, key: &PublicKey) -> Result<(), Unsigned> {
        if !self.agrees {
            return Err(Unsigned::TwoAlgorithms);
        }
        if let Some(odd) = key.odd() {
            return Err(Unsigned::OddKey(odd));
        }
        if let Some(bits) = key.rsa_bits().filter(|bits| !(2048..=8192).contains(bits)) {
            return Err(Unsigned::RsaLength(bits));
        }
        if pss::is_pss(&self.algorithm) {
            return pss::verify(&self.algorithm, key, &self.tbs, &self.signature);
        }
        let named = without_null(&self.algorithm);
        let algorithm = ALGORITHMS.iter().find(|algorithm| {
            without_null(algorithm.signature_alg_id().as_ref()) == named
                && algorithm.public_key_alg_id().as_ref() == key.algorithm()
        });
        let algorithm = algorithm.ok_or(Unsigned::Unsupported)?;
        algorithm.verify_signature(key.bits(), &self.tbs, &self.signature).map_err(|_| Unsigned::OtherKey)
    }

    /// The algorithm's name.
    pub(crate) fn algorithm(&self) -> String {
        let oid = AnyRef::from_der(oid_of(&self.algorithm)).and_then(|oid| oid.decode_as::<ObjectIdentifier>());
        oid.map_or_else(|_| "unknown".to_owned(), |oid| DB.by_oid(&oid).map_or_else(|| oid.to_string(), str::to_owned))
    }
}

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherKey => f.write_str("another key signed it"),
            Self::Unsupported => f.write_str(
                "such signatures are not accepted; RSA, ECDSA on P-256, P-384, P-521 and secp256k1 with SHA-256, \
                 SHA-384 or SHA-512, and Ed25519 are",
            ),
            Self::RsaLength(bits) => write!(f, "the RSA key that signed it has {bits} bits; 2048 to 8192 are accepted"),
            Self::OddKey(odd) => write!(f, "the key that signed it is one {odd}, which nobody here reads"),
            Self::TwoAlgorithms => f.write_str("it names two signature algorithms"),
        }
    }
}

/// An AlgorithmIdentifier's content; that there are no parameters may be written as NULL or left out.
fn without_null(algorithm: &[u8]) -> &[u8] {
    algorithm.strip_suffix(&[5, 0]).filter(|rest| *rest == oid_of(algorithm)).unwrap_or(algorithm)
}

/// The object identifier, tag and all, that an AlgorithmIdentifier's content begins with.
fn oid_of(algorithm: &[u8]) -> &[u8] {
    algorithm.get(..algorithm.get(1).map_or(0, |length| usize::from(*length) + 2)).unwrap_or_default()
}
