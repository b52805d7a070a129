use std::{fmt, path::Path, str::FromStr};

use k256::ecdsa::{Signature, SigningKey, VerifyingKey, signature::hazmat::PrehashVerifier};
use nuncio_identity::{NodeId, NodeKey};
use nuncio_pki::{KeyError, KeyFile, KeyFileError};
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
    /// Neither a PEM public key on secp256k1 nor its 128 hexadecimal digits.
    #[error("not one public key on secp256k1: PEM (BEGIN PUBLIC KEY), DER or 128 hexadecimal digits")]
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

    /// Reads a file that nobody else can read, as `openssl ecparam -name secp256k1 -genkey` and FISCO BCOS's
    /// `get_account.sh` write it.
    ///
    /// # Errors
    /// When others can read it too, or it holds no secp256k1 key in clear.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        Ok(Self::of(KeyFile::load_held(path)?.into_node_key()?))
    }

    /// Reads the bytes of such a file.
    ///
    /// # Errors
    /// When they hold no secp256k1 key in clear.
    pub fn from_pem(file: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Ok(Self::of(KeyFile::read(file.as_ref())?.into_node_key()?))
    }

    fn of(key: NodeKey) -> Self {
        Self(SigningKey::from_slice(&*key.secret_bytes()).expect("both libraries hold the same valid scalar"))
    }

    /// What publishers have to know.
    pub fn public(&self) -> TopicPublicKey {
        TopicPublicKey(*self.0.verifying_key())
    }

    /// Answers a challenge: r, s and recovery number over its Keccak-256, 65 bytes. Whoever signs what he is given proves
    /// somebody else: a [`PrivateSubscription`](crate::PrivateSubscription) looks at it first.
    pub fn sign(&self, challenge: &[u8]) -> Vec<u8> {
        let (signature, recovery) = self.0.sign_prehash_recoverable(&Keccak256::digest(challenge));
        [&signature.to_bytes()[..], &[recovery.to_byte()]].concat()
    }
}

impl TopicPublicKey {
    /// Reads the bytes of a file: PEM, DER or the 128 hexadecimal digits.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn from_file(file: &[u8]) -> Result<Self, TopicKeyError> {
        let written = || str::from_utf8(file).ok()?.parse::<NodeId>().ok();
        let node = nuncio_pki::read_public_key(file).or_else(written).ok_or(TopicKeyError::Public)?;
        let point = [&[4], &node.as_bytes()[..]].concat();
        VerifyingKey::from_sec1_bytes(&point).map(Self).map_err(|_| TopicKeyError::Public)
    }

    /// Whether the key's owner made this answer to a challenge. Only r and s are looked at.
    pub fn made(&self, answer: &[u8], challenge: &[u8]) -> bool {
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
        Self::from_file(text.as_bytes())
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
        assert!(matches!(TopicKey::from_pem("nonsense"), Err(KeyError::NoKey)));
    }
}
