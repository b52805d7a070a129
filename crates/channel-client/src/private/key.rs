use std::{fmt, str::FromStr};

use k256::{
    PublicKey, SecretKey,
    ecdsa::{Signature, SigningKey, VerifyingKey, signature::hazmat::PrehashVerifier},
    pkcs8::{DecodePrivateKey, DecodePublicKey},
};
use sha3::{Digest, Keccak256};

/// A subscriber's key of a private topic, secp256k1.
#[derive(Clone)]
pub struct TopicKey(SigningKey);

/// The public half of a [`TopicKey`], which a publisher has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPublicKey(VerifyingKey);

/// A text that is no such key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicKeyError {
    /// Not an unencrypted PEM private key on secp256k1.
    #[error("not a private key on secp256k1 in PEM (PKCS#8 or SEC1, unencrypted)")]
    Private,
    /// Neither a PEM public key on secp256k1 nor its 128 hexadecimal digits.
    #[error("not a public key on secp256k1: PEM (BEGIN PUBLIC KEY) or 128 hexadecimal digits")]
    Public,
}

/// Length of a signature: r, s, and which of the possible keys made it.
const SIGNATURE: usize = 65;

impl TopicKey {
    /// A new key.
    pub fn generate() -> Self {
        loop {
            if let Ok(key) = SigningKey::from_slice(&rand::random::<[u8; 32]>()) {
                return Self(key);
            }
        }
    }

    /// Reads a PEM text, as `openssl ecparam -name secp256k1 -genkey` and FISCO BCOS's `get_account.sh` write it.
    ///
    /// # Errors
    /// When it holds no unencrypted secp256k1 key.
    pub fn from_pem(pem: &str) -> Result<Self, TopicKeyError> {
        let block = |label: &str| pem.find(&format!("-----BEGIN {label}-----")).map(|start| &pem[start..]);
        let secret = match (block("EC PRIVATE KEY"), block("PRIVATE KEY")) {
            (Some(pem), _) => SecretKey::from_sec1_pem(pem).ok(),
            (None, Some(pem)) => SecretKey::from_pkcs8_pem(pem).ok(),
            (None, None) => None,
        };
        secret.map(|secret| Self(secret.into())).ok_or(TopicKeyError::Private)
    }

    /// What publishers have to know.
    pub fn public(&self) -> TopicPublicKey {
        TopicPublicKey(*self.0.verifying_key())
    }

    /// Answers a challenge: r, s and recovery number over its Keccak-256.
    pub(crate) fn sign(&self, challenge: &[u8]) -> Vec<u8> {
        let (signature, recovery) = self.0.sign_prehash_recoverable(&Keccak256::digest(challenge));
        [&signature.to_bytes()[..], &[recovery.to_byte()]].concat()
    }
}

impl TopicPublicKey {
    /// Whether the key's owner made this answer to a challenge. Only r and s are looked at.
    pub(crate) fn made(&self, answer: &[u8], challenge: &[u8]) -> bool {
        let signature = answer.get(..SIGNATURE - 1).filter(|_| answer.len() == SIGNATURE);
        let Some(Ok(signature)) = signature.map(Signature::from_slice) else { return false };
        // Some SDKs do not care for the low half of s; the key has signed all the same.
        let signature = signature.normalize_s();
        self.0.verify_prehash(&Keccak256::digest(challenge), &signature).is_ok()
    }
}

impl FromStr for TopicPublicKey {
    type Err = TopicKeyError;

    fn from_str(text: &str) -> Result<Self, TopicKeyError> {
        let text = text.trim();
        let key = if text.contains("-----BEGIN PUBLIC KEY-----") {
            PublicKey::from_public_key_pem(text).ok()
        } else {
            let mut point = [4; 65];
            hex::decode_to_slice(text, &mut point[1..]).ok().and_then(|()| PublicKey::from_sec1_bytes(&point).ok())
        };
        key.map(|key| Self(key.into())).ok_or(TopicKeyError::Public)
    }
}

/// 128 hexadecimal digits.
impl fmt::Display for TopicPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0.to_sec1_point(false).as_bytes()[1..]))
    }
}

impl fmt::Debug for TopicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicKey").field(&self.public().to_string()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_fits_its_key_and_its_challenge_only() {
        let (key, other) = (TopicKey::generate(), TopicKey::generate());
        let answer = key.sign(b"challenge");
        assert_eq!(answer.len(), SIGNATURE);
        assert!(key.public().made(&answer, b"challenge"));
        assert!(!other.public().made(&answer, b"challenge"));
        assert!(!key.public().made(&answer, b"another"));
        for broken in [&answer[..64], &[0; 65][..], &[], &[answer.clone(), vec![0]].concat()] {
            assert!(!key.public().made(broken, b"challenge"));
        }
    }

    #[test]
    fn public_keys_are_read_as_they_are_written() {
        let public = TopicKey::generate().public();
        assert_eq!(public.to_string().parse(), Ok(public));
        for text in ["", "12", &"0".repeat(128), "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
            assert_eq!(text.parse::<TopicPublicKey>(), Err(TopicKeyError::Public), "{text}");
        }
        assert!(matches!(TopicKey::from_pem("nonsense"), Err(TopicKeyError::Private)));
    }
}
