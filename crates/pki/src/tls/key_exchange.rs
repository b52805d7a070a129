use rustls::{
    Error, NamedGroup, PeerMisbehaved, ProtocolVersion,
    crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup, aws_lc_rs::kx_group},
    ffdhe_groups::FfdheGroup,
};
use secp256k1::{PublicKey, SecretKey, ecdh};
use zeroize::Zeroize;

/// X25519 together with ML-KEM-768, then X25519 alone. What is recorded today stays closed to who has a quantum computer
/// later, as long as either of the two holds; certificates need that less, since nobody can sign into the past. For TLS 1.3
/// only; TLS 1.2 takes the second.
pub static HYBRID_GROUPS: &[&dyn SupportedKxGroup] = &[kx_group::X25519MLKEM768, kx_group::X25519];

/// The TLS code point of secp256k1, 0x0016. rustls has no name for it.
pub const SECP256K1_GROUP: NamedGroup = NamedGroup::Unknown(0x0016);

/// Ephemeral Diffie-Hellman on secp256k1, for TLS 1.2.
pub static SECP256K1: &dyn SupportedKxGroup = &Group;

#[derive(Debug)]
struct Group;

struct Exchange {
    secret: SecretKey,
    public: [u8; 65],
}

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let secret = random_secret()?;
        let public = secret.public_key().serialize_uncompressed();
        Ok(Box::new(Exchange { secret, public }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        SECP256K1_GROUP
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_2
    }
}

impl ActiveKeyExchange for Exchange {
    fn complete(mut self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let invalid = || Error::from(PeerMisbehaved::InvalidKeyShare);
        // RFC 8422: uncompressed points only. The parser refuses points off the curve; the cofactor is 1.
        let point: [u8; 65] = peer.try_into().map_err(|_| invalid())?;
        let point = PublicKey::from_byte_array_uncompressed(point).map_err(|_| invalid())?;
        let mut xy = ecdh::shared_secret_point(&point, &self.secret);
        let shared = SharedSecret::from(&xy[..32]);
        xy.zeroize();
        self.secret.non_secure_erase();
        Ok(shared)
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        SECP256K1_GROUP
    }
}

fn random_secret() -> Result<SecretKey, Error> {
    // A random scalar is out of range once in 2^128 draws.
    for _ in 0..4 {
        let mut bytes = [0_u8; 32];
        rustls::crypto::aws_lc_rs::default_provider()
            .secure_random
            .fill(&mut bytes)
            .map_err(|GetRandomFailed| Error::FailedToGetRandomBytes)?;
        let secret = SecretKey::from_secret_bytes(bytes);
        bytes.zeroize();
        if let Ok(secret) = secret {
            return Ok(secret);
        }
    }
    Err(Error::FailedToGetRandomBytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_agree_and_the_group_is_for_tls_1_2() {
        let (ours, theirs) = (SECP256K1.start().unwrap(), SECP256K1.start().unwrap());
        let (our_share, their_share) = (ours.pub_key().to_vec(), theirs.pub_key().to_vec());
        let one = ours.complete(&their_share).unwrap();
        let other = theirs.complete(&our_share).unwrap();
        assert_eq!(one.secret_bytes(), other.secret_bytes());
        assert_eq!(one.secret_bytes().len(), 32);
        assert!(SECP256K1.usable_for_version(ProtocolVersion::TLSv1_2));
        assert!(!SECP256K1.usable_for_version(ProtocolVersion::TLSv1_3));
    }

    #[test]
    fn points_that_are_none_are_refused() {
        let compressed = random_secret().unwrap().public_key().serialize().to_vec();
        let mut off_curve = vec![4; 65];
        off_curve[1..].fill(0x11);
        for bad in [Vec::new(), vec![0], vec![0; 65], compressed, off_curve] {
            assert!(SECP256K1.start().unwrap().complete(&bad).is_err(), "{bad:?}");
        }
    }
}
