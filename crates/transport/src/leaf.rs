//! The ephemeral leaf of libp2p's TLS: a self-signed certificate of a key made for this process, in which the node's key says
//! that it is its own (<https://github.com/libp2p/specs/blob/master/tls/tls.md>). libp2p-tls makes one only from the secret
//! itself; here whatever signs for the node is enough. It reads them, so that peers judge by its rules.

use der::{Encode, Sequence, asn1::OctetString};
use libp2p::PeerId;
use nuncio_identity::Signer;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::error::SetupError;

/// libp2p's public key extension.
const EXTENSION: [u64; 9] = [1, 3, 6, 1, 4, 1, 53594, 1, 1];

/// What stands before the leaf's public key in what is signed.
const PREFIX: &[u8] = b"libp2p-tls-handshake:";

/// Bytes of a peer ID before the public key that it inlines: the multihash's code and its length.
const MULTIHASH_HEAD: usize = 2;

#[derive(Sequence)]
struct SignedKey {
    public_key: OctetString,
    signature: OctetString,
}

/// A new leaf and its key.
pub(crate) fn generate(signer: &Signer) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), SetupError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.custom_extensions.push(extension(signer, &key)?);
    let leaf = parameters.self_signed(&key)?;
    Ok((leaf.into(), PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
}

fn extension(signer: &Signer, key: &KeyPair) -> Result<CustomExtension, SetupError> {
    let signature = signer.sign(&[PREFIX, &key.public_key_der()].concat())?;
    let signature = signature.to_der().ok_or(SetupError::LeafSignature)?;
    let peer = PeerId::from(signer.node_id()).to_bytes();
    let signed = OctetString::new(&peer[MULTIHASH_HEAD..])
        .and_then(|public_key| SignedKey { public_key, signature: OctetString::new(signature)? }.to_der());
    let content = signed.map_err(|_| SetupError::LeafSignature)?;
    Ok(CustomExtension::from_oid_content(&EXTENSION, content))
}
