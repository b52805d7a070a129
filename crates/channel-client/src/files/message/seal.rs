use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    agreement::{PrivateKey, UnparsedPublicKey, X25519, agree},
    digest::{SHA256, digest},
    hkdf::{HKDF_SHA256, Salt},
};

use super::{Hex32, Malformed};

/// Bytes before what is sealed: its number.
const NUMBER: usize = 8;

/// What keys of this kind are derived for and nothing else is.
const DOMAIN: &[u8] = b"nuncio file transfer v2";

/// Seals the messages of one direction of one transfer: AES-256-GCM, the message's number, 8 bytes big-endian, before it
/// and as nonce. A number is used once.
pub struct Seal(LessSafeKey);

/// One side's key of one transfer.
pub(in crate::files) struct KeyPair {
    private: PrivateKey,
    pub(in crate::files) public: Hex32,
}

/// What the two sides of a transfer share and nobody else has.
#[derive(Debug)]
pub(in crate::files) struct TransferKeys {
    /// Of the sender's chunks.
    pub(in crate::files) chunks: Seal,
    /// Of the receiver's receipts.
    pub(in crate::files) receipts: Seal,
}

impl Seal {
    /// With a key of its own.
    pub fn new(key: [u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("the key has the algorithm's length")))
    }

    /// Seals a message under its number, bound to `about`: the number of the chunk that a receipt answers, or nothing.
    pub fn seal(&self, number: u64, about: &[u8], mut message: Vec<u8>) -> Vec<u8> {
        self.0
            .seal_in_place_append_tag(nonce(number), Aad::from(about), &mut message)
            .expect("a message is shorter than the algorithm's limit");
        [&number.to_be_bytes()[..], &message].concat()
    }

    /// The number and the message that were sealed, bound to `about`.
    ///
    /// # Errors
    /// When they were not sealed with this key.
    pub fn open(&self, about: &[u8], sealed: &[u8]) -> Result<(u64, Vec<u8>), Malformed> {
        let (number, sealed) = sealed.split_first_chunk::<NUMBER>().ok_or(Malformed)?;
        let number = u64::from_be_bytes(*number);
        let mut message = sealed.to_vec();
        let opened = self.0.open_in_place(nonce(number), Aad::from(about), &mut message).map_err(|_| Malformed)?;
        let length = opened.len();
        message.truncate(length);
        Ok((number, message))
    }
}

impl KeyPair {
    pub(in crate::files) fn generate() -> Self {
        let private = PrivateKey::generate(&X25519).expect("the system gives random bytes");
        let public = private.compute_public_key().expect("a private key has a public one");
        let mut bytes = [0; 32];
        bytes.copy_from_slice(public.as_ref());
        Self { private, public: Hex32(bytes) }
    }

    /// The keys of the transfer that `offer` and its acceptance, with a topic, have begun.
    pub(in crate::files) fn agree(
        &self,
        other: &Hex32,
        offer: &[u8],
        acceptor: &Hex32,
        topic: &str,
    ) -> Result<TransferKeys, Malformed> {
        let offer = digest(&SHA256, offer);
        agree(&self.private, UnparsedPublicKey::new(&X25519, other.0), Malformed, |secret| {
            let key = |direction: &[u8]| {
                let info = [offer.as_ref(), &acceptor.0, topic.as_bytes(), direction];
                let mut key = [0; 32];
                let derived = Salt::new(HKDF_SHA256, DOMAIN).extract(secret);
                derived.expand(&info, HKDF_SHA256).and_then(|okm| okm.fill(&mut key)).map_err(|_| Malformed)?;
                Ok(Seal::new(key))
            };
            Ok(TransferKeys { chunks: key(b" chunks")?, receipts: key(b" receipts")? })
        })
    }
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - NUMBER..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_at_the_other_side_only() {
        let (sender, receiver, third) = (KeyPair::generate(), KeyPair::generate(), KeyPair::generate());
        let at_sender = sender.agree(&receiver.public, b"offer", &receiver.public, "t").unwrap();
        let at_receiver = receiver.agree(&sender.public, b"offer", &receiver.public, "t").unwrap();
        let sealed = at_sender.chunks.seal(7, b"", b"chunk".to_vec());
        assert_eq!(at_receiver.chunks.open(b"", &sealed), Ok((7, b"chunk".to_vec())));

        // Who has read the offer and its acceptance, and who has other ones.
        let foreign = [
            third.agree(&receiver.public, b"offer", &receiver.public, "t").unwrap(),
            third.agree(&sender.public, b"offer", &receiver.public, "t").unwrap(),
            receiver.agree(&sender.public, b"another", &receiver.public, "t").unwrap(),
            receiver.agree(&sender.public, b"offer", &receiver.public, "u").unwrap(),
        ];
        for keys in foreign {
            assert_eq!(keys.chunks.open(b"", &sealed), Err(Malformed));
        }
        assert_eq!(at_receiver.receipts.open(b"", &sealed), Err(Malformed), "directions differ");
        assert!(sender.agree(&Hex32([0; 32]), b"offer", &receiver.public, "t").is_err(), "a key of low order");
    }

    #[test]
    fn a_receipt_fits_the_chunk_it_answers_only_and_no_bit_may_change() {
        let seal = Seal::new([3; 32]);
        let sealed = seal.seal(1, b"chunk 4", b"{}".to_vec());
        assert!(seal.open(b"chunk 4", &sealed).is_ok());
        assert_eq!(seal.open(b"chunk 5", &sealed), Err(Malformed));
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(seal.open(b"chunk 4", &changed), Err(Malformed), "{place}");
            assert_eq!(seal.open(b"chunk 4", &sealed[..place]), Err(Malformed), "{place}");
        }
    }
}
