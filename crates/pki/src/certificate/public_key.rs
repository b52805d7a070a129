//! Public keys, of certificates and requests.

use std::fmt;

use der::{
    Decode, Encode, Sequence, Tag, Tagged,
    asn1::{AnyRef, BitStringRef, ObjectIdentifier},
};
use nuncio_identity::NodeId;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use sha2::{Digest, Sha256};

use super::key_id_of_node;
use crate::{curve, pss};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

#[derive(Sequence)]
pub(crate) struct Spki<'a> {
    algorithm: AlgorithmIdentifier<'a>,
    bits: BitStringRef<'a>,
}

#[derive(Sequence)]
struct AlgorithmIdentifier<'a> {
    oid: ObjectIdentifier,
    #[asn1(optional = "true")]
    parameters: Option<AnyRef<'a>>,
}

/// What kind of key a certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// A key on secp256k1, the curve of FISCO BCOS nodes.
    Secp256k1,
    /// An RSA key, as SDK certificates have by default since FISCO BCOS 2.9.
    Rsa {
        /// Bits of the modulus.
        bits: usize,
    },
    /// Anything else, by the object identifier of its algorithm or curve, or in words where that would not tell it apart.
    Other(String),
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secp256k1 => f.write_str("secp256k1"),
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::Other(what) => match OTHERS.iter().find(|(known, _)| *known == &**what) {
                Some((_, name)) => f.write_str(name),
                None if what.starts_with(|first: char| first.is_ascii_digit()) => write!(f, "algorithm {what}"),
                None => f.write_str(what),
            },
        }
    }
}

/// Kinds of keys by their usual names.
const OTHERS: [(&str, &str); 9] = [
    (P256, "P-256"),
    (P384, "P-384"),
    (P521, "P-521"),
    (ED25519, "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.156.10197.1.301", "SM2"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.132.0.33", "P-224"),
];

const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const P521: &str = "1.3.132.0.35";
const ED25519: &str = "1.3.101.112";

/// The public key of a certificate or request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// SubjectPublicKeyInfo; of a key on secp256k1 always the same, however it was written.
    pub(super) der: SubjectPublicKeyInfoDer<'static>,
    algorithm: Vec<u8>,
    bits: Vec<u8>,
    pub(crate) kind: KeyKind,
    pub(super) node: Option<NodeId>,
    curve_is_written_out: bool,
    odd: Option<&'static str>,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo.
    pub(crate) fn from_der(der: &[u8]) -> der::Result<Self> {
        Self::read(&Spki::from_der(der)?)
    }

    pub(super) fn read(spki: &Spki<'_>) -> der::Result<Self> {
        let (AlgorithmIdentifier { oid, parameters }, bits) = (&spki.algorithm, spki.bits.raw_bytes());
        let is_name = |curve: &AnyRef<'_>| curve.tag() == Tag::ObjectIdentifier;
        let kind = match (*oid, parameters) {
            (EC_PUBLIC_KEY, Some(curve)) if curve::is_secp256k1(*curve) => KeyKind::Secp256k1,
            (EC_PUBLIC_KEY, Some(curve)) => {
                let named = curve.decode_as::<ObjectIdentifier>();
                KeyKind::Other(named.map_or_else(|_| "explicit curve parameters".to_owned(), |curve| curve.to_string()))
            }
            (RSA | pss::OID, _) => KeyKind::Rsa { bits: modulus_bits(bits) },
            _ => KeyKind::Other(oid.to_string()),
        };
        let odd = odd(&kind, *oid, bits);
        let kind = odd.map_or(kind.clone(), |odd| KeyKind::Other(format!("{kind} {odd}")));
        let node = (kind == KeyKind::Secp256k1).then(|| node_of(bits)).flatten();
        let der = node.map_or_else(|| spki.to_der(), |node| Ok(crate::tls::spki_of(node)))?;
        // Said anew, so that one key has one form.
        let written = Spki::from_der(&der)?;
        Ok(Self {
            algorithm: AnyRef::from_der(&written.algorithm.to_der()?)?.value().to_vec(),
            bits: written.bits.raw_bytes().to_vec(),
            der: der.clone().into(),
            kind,
            node,
            curve_is_written_out: *oid == EC_PUBLIC_KEY && !parameters.as_ref().is_some_and(is_name),
            odd,
        })
    }

    /// The SHA-256 of the key: of a node ID where there is one, else of the whole structure.
    pub(crate) fn id(&self) -> [u8; 32] {
        self.node.as_ref().map_or_else(|| Sha256::digest(&self.der).into(), key_id_of_node)
    }

    /// Whether its curve is not named.
    pub(crate) const fn curve_is_written_out(&self) -> bool {
        self.curve_is_written_out
    }

    pub(crate) const fn der(&self) -> &SubjectPublicKeyInfoDer<'static> {
        &self.der
    }

    pub(crate) const fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// The content of its AlgorithmIdentifier.
    pub(crate) fn algorithm(&self) -> &[u8] {
        &self.algorithm
    }

    /// What stands in its bit string.
    pub(crate) fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// Whether a handshake can be signed by it, and that be checked here.
    pub(crate) fn signs_in_tls(&self) -> bool {
        match &self.kind {
            KeyKind::Secp256k1 => self.node.is_some(),
            KeyKind::Rsa { bits } => (2048..=8192).contains(bits),
            KeyKind::Other(oid) => [P256, P384, P521, ED25519].contains(&&**oid),
        }
    }

    /// What it has that no library here reads, in a key of a kind that they know.
    pub(crate) const fn odd(&self) -> Option<&'static str> {
        self.odd
    }

    pub(crate) const fn rsa_bits(&self) -> Option<usize> {
        match self.kind {
            KeyKind::Rsa { bits } => Some(bits),
            _ => None,
        }
    }

    /// The PKCS#1 form of an RSA key.
    pub(crate) fn rsa(&self) -> Option<&[u8]> {
        self.rsa_bits().map(|_| &*self.bits)
    }
}

pub(crate) fn node_of(point: &[u8]) -> Option<NodeId> {
    let key = secp256k1::PublicKey::from_slice(point).ok()?;
    NodeId::from_bytes(&key.serialize_uncompressed()[1..]).ok()
}

/// Longest public exponent that is read, in bits, as OpenSSL limits it for long keys.
const MAX_EXPONENT: usize = 33;

fn odd(kind: &KeyKind, algorithm: ObjectIdentifier, bits: &[u8]) -> Option<&'static str> {
    match kind {
        // Both coordinates, and the sign that would tell one of them.
        KeyKind::Other(_) if algorithm == EC_PUBLIC_KEY && matches!(bits.first(), Some(6 | 7)) => {
            Some("with its point in the hybrid form")
        }
        KeyKind::Rsa { .. } if rsa_bits(bits).1 > MAX_EXPONENT => Some("with a public exponent of more than 33 bits"),
        _ => None,
    }
}

fn modulus_bits(public_key: &[u8]) -> usize {
    rsa_bits(public_key).0
}

/// Of the modulus and of the public exponent.
fn rsa_bits(public_key: &[u8]) -> (usize, usize) {
    #[derive(Sequence)]
    struct RsaPublicKey<'a> {
        modulus: der::asn1::UintRef<'a>,
        public_exponent: der::asn1::UintRef<'a>,
    }
    let bits = |number: der::asn1::UintRef<'_>| {
        let bytes = number.as_bytes();
        bytes.len() * 8 - bytes.first().map_or(0, |byte| byte.leading_zeros() as usize)
    };
    RsaPublicKey::from_der(public_key).map_or((0, 0), |key| (bits(key.modulus), bits(key.public_exponent)))
}
