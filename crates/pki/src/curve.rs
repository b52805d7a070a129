//! The curve secp256k1 as keys name it: by its object identifier, or by all its parameters.

use der::{
    Sequence, Tagged,
    asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, UintRef},
};

pub(crate) const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
const PRIME_FIELD: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.1.1");

/// Whether the parameters of an EC key are those of secp256k1. Every one of them counts: with a generator of one's own,
/// anybody can have anybody's public key.
pub(crate) fn is_secp256k1(parameters: AnyRef<'_>) -> bool {
    if parameters.tag() == der::Tag::ObjectIdentifier {
        return parameters.decode_as::<ObjectIdentifier>().is_ok_and(|oid| oid == SECP256K1);
    }
    parameters.decode_as::<Explicit<'_>>().is_ok_and(|explicit| explicit.is_secp256k1())
}

/// SpecifiedECDomain (SEC 1, C.2).
#[derive(Sequence)]
struct Explicit<'a> {
    version: u8,
    field: Field<'a>,
    curve: Coefficients<'a>,
    generator: &'a OctetStringRef,
    order: UintRef<'a>,
    #[asn1(optional = "true")]
    cofactor: Option<UintRef<'a>>,
}

#[derive(Sequence)]
struct Field<'a> {
    kind: ObjectIdentifier,
    prime: UintRef<'a>,
}

#[derive(Sequence)]
struct Coefficients<'a> {
    a: &'a OctetStringRef,
    b: &'a OctetStringRef,
    #[asn1(optional = "true")]
    seed: Option<BitStringRef<'a>>,
}

impl Explicit<'_> {
    fn is_secp256k1(&self) -> bool {
        self.field.kind == PRIME_FIELD
            && hex::encode(self.field.prime.as_bytes()) == PRIME
            && number(self.curve.a).is_empty()
            && number(self.curve.b) == [7]
            && is_generator(self.generator.as_bytes())
            && hex::encode(self.order.as_bytes()) == ORDER
            && self.cofactor.is_none_or(|cofactor| cofactor.as_bytes() == [1])
    }
}

const PRIME: &str = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

/// An element of the field without its leading zeros.
fn number(element: &OctetStringRef) -> &[u8] {
    let bytes = element.as_bytes();
    &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]
}

fn is_generator(point: &[u8]) -> bool {
    let mut one = [0; 32];
    one[31] = 1;
    let generator = secp256k1::SecretKey::from_secret_bytes(one).map(|one| one.public_key());
    generator.is_ok_and(|generator| secp256k1::PublicKey::from_slice(point).is_ok_and(|point| point == generator))
}
