use aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
use nuncio_identity::{NodeId, NodeKey, Signer};
use rustls::{
    Error, SignatureAlgorithm, SignatureScheme,
    sign::{self, SigningKey},
};
use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, alg_id,
};
use secp256k1::{Message, PublicKey, ecdsa};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// ECDSA with SHA-256 on secp256k1 by libsecp256k1, for webpki. Signatures with a high S are accepted: OpenSSL makes
/// them half of the time.
pub static ECDSA_SECP256K1_SHA256: &dyn SignatureVerificationAlgorithm = &Verification { hash: Hash::Sha256 };

/// The same with SHA-384.
pub(crate) static ECDSA_SECP256K1_SHA384: &dyn SignatureVerificationAlgorithm = &Verification { hash: Hash::Sha384 };

/// The same with SHA-512.
pub(crate) static ECDSA_SECP256K1_SHA512: &dyn SignatureVerificationAlgorithm = &Verification { hash: Hash::Sha512 };

/// The same with SHA-1, for the handshakes of clients that can do nothing better with such a key.
pub(crate) static ECDSA_SECP256K1_SHA1: &dyn SignatureVerificationAlgorithm = &Verification { hash: Hash::Sha1 };

const ECDSA_WITH_SHA1: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01]);

/// A secp256k1 key that signs TLS 1.2 handshakes as ecdsa_sha256. TLS 1.3 binds that code point to P-256, so keep
/// such a key out of TLS 1.3.
#[derive(Debug, Clone)]
pub struct Secp256k1SigningKey {
    key: Signer,
}

impl Secp256k1SigningKey {
    /// Wraps a key.
    pub fn new(key: impl Into<Signer>) -> Self {
        Self { key: key.into() }
    }
}

impl SigningKey for Secp256k1SigningKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn sign::Signer>> {
        offered
            .contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
            .then(|| Box::new(self.clone()) as Box<dyn sign::Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(spki_of(self.key.node_id()).into())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl sign::Signer for Secp256k1SigningKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = self.key.sign(message).map_err(|error| Error::General(error.to_string()))?;
        Ok(signature_der(&signature))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

/// The DER of an ECDSA signature over the SHA-256 of `message`.
pub(crate) fn sign(key: &NodeKey, message: &[u8]) -> Vec<u8> {
    signature_der(&key.sign(message))
}

/// A signature in DER.
pub(crate) fn signature_der(signature: &nuncio_identity::Signature) -> Vec<u8> {
    signature.to_der().expect("a signature just made is in range")
}

/// The SubjectPublicKeyInfo of a node's key, the point uncompressed.
pub(crate) fn spki(key: &NodeKey) -> Vec<u8> {
    spki_of(key.node_id())
}

/// The same, of a node's ID.
pub(crate) fn spki_of(node: NodeId) -> Vec<u8> {
    let algorithm: &[u8] = alg_id::ECDSA_P256K1.as_ref();
    let mut der = vec![0x30, 0x56, 0x30, 0x10];
    der.extend_from_slice(algorithm);
    der.extend_from_slice(&[0x03, 0x42, 0x00, 0x04]);
    der.extend_from_slice(node.as_bytes());
    der
}

#[derive(Debug)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
    Sha1,
}

#[derive(Debug)]
struct Verification {
    hash: Hash,
}

impl SignatureVerificationAlgorithm for Verification {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = PublicKey::from_slice(public_key).map_err(|_| InvalidSignature)?;
        let mut signature = ecdsa::Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        signature.normalize_s();
        ecdsa::verify(&signature, Message::from_digest(self.digest(message)), &key).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256K1
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self.hash {
            Hash::Sha256 => alg_id::ECDSA_SHA256,
            Hash::Sha384 => alg_id::ECDSA_SHA384,
            Hash::Sha512 => alg_id::ECDSA_SHA512,
            Hash::Sha1 => ECDSA_WITH_SHA1,
        }
    }
}

impl Verification {
    /// A shorter digest is the same number with leading zeros; of a longer one the first 32 bytes count.
    fn digest(&self, message: &[u8]) -> [u8; 32] {
        match self.hash {
            Hash::Sha256 => Sha256::digest(message).into(),
            Hash::Sha384 => *Sha384::digest(message).first_chunk().expect("48 bytes are more than 32"),
            Hash::Sha512 => *Sha512::digest(message).first_chunk().expect("64 bytes are more than 32"),
            Hash::Sha1 => {
                let mut digest = [0; 32];
                digest[12..].copy_from_slice(aws_lc_rs::digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, message).as_ref());
                digest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(key: &NodeKey) -> Vec<u8> {
        [&[4][..], key.node_id().as_bytes()].concat()
    }

    #[test]
    fn a_high_s_is_as_good_as_a_low_one() {
        let key = NodeKey::generate();
        let compact = *key.sign(b"hello").as_bytes();
        let s = secp256k1::SecretKey::from_secret_bytes(compact[32..].try_into().unwrap()).unwrap().negate();
        let mut high = compact;
        high[32..].copy_from_slice(&s.to_secret_bytes());
        assert_ne!(high, compact);
        let der = ecdsa::Signature::from_compact(&high).unwrap().serialize_der().to_vec();
        assert!(ECDSA_SECP256K1_SHA256.verify_signature(&point(&key), b"hello", &der).is_ok());
        assert!(ECDSA_SECP256K1_SHA256.verify_signature(&point(&key), b"hullo", &der).is_err());
        assert!(ECDSA_SECP256K1_SHA1.verify_signature(&point(&key), b"hello", &der).is_err());
    }

    #[test]
    fn only_the_offered_code_point_is_signed() {
        let held = NodeKey::generate();
        let key = Secp256k1SigningKey::new(held.clone());
        assert!(key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256]).is_none());
        let signer = key.choose_scheme(&[SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256]).unwrap();
        let signature = signer.sign(b"hello").unwrap();
        assert!(ECDSA_SECP256K1_SHA256.verify_signature(&point(&held), b"hello", &signature).is_ok());
    }
}
