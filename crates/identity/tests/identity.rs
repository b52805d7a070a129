//! The bijection, and the key files that OpenSSL writes.

use libp2p_identity::PeerId;
use nuncio_identity::{NodeId, NodeKey, ParseNodeIdError, Signature};

#[test]
fn node_id_and_peer_id_convert_into_each_other() {
    for _ in 0..100 {
        let key = NodeKey::generate();
        let peer = PeerId::from(key.node_id());
        assert_eq!(peer, key.to_libp2p().public().to_peer_id());
        assert_eq!(NodeId::try_from(peer), Ok(key.node_id()));
    }
}

#[test]
fn a_peer_without_a_secp256k1_key_has_no_node_id() {
    let ed25519: PeerId = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN".parse().unwrap();
    let rsa: PeerId = "QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC".parse().unwrap();
    assert!(NodeId::try_from(ed25519).is_err());
    assert!(NodeId::try_from(rsa).is_err());
}

#[test]
fn node_ids_read_either_case_and_refuse_what_is_not_a_key() {
    let id = NodeKey::generate().node_id();
    assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    assert_eq!("xyz".parse::<NodeId>(), Err(ParseNodeIdError::NotHex { digits: 3 }));
    assert_eq!("abcd".parse::<NodeId>(), Err(ParseNodeIdError::Length { bytes: 2 }));
    assert_eq!("11".repeat(64).parse::<NodeId>(), Err(ParseNodeIdError::NotOnCurve));
}

#[test]
fn signatures_bind_key_and_message() {
    let (key, other) = (NodeKey::generate(), NodeKey::generate());
    let signature = key.sign(b"status 7");
    assert!(key.node_id().verify(b"status 7", &signature));
    assert!(!key.node_id().verify(b"status 8", &signature));
    assert!(!other.node_id().verify(b"status 7", &signature));
    assert!(!key.node_id().verify(b"status 7", &Signature::from_bytes(&[0; 64]).unwrap()));
}

#[test]
fn a_key_is_its_secret_bytes() {
    let key = NodeKey::generate();
    assert_eq!(NodeKey::from_secret_bytes(&key.secret_bytes()).unwrap().node_id(), key.node_id());
    assert!(NodeKey::from_secret_bytes(&[0; 32]).is_none() && NodeKey::from_secret_bytes(&[0xff; 32]).is_none());
}
