use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Start,
    peering::Address,
    status_sync::{Record, Status},
};
use secp256k1::SecretKey;

/// Node IDs made before: each costs a point multiplication. Further ones are made anew.
static KNOWN: [OnceLock<NodeId>; 32 << 10] = [const { OnceLock::new() }; 32 << 10];

/// The node ID of the `n`-th simulated node: the same in every run.
pub fn node_id(n: usize) -> NodeId {
    KNOWN.get(n).map_or_else(|| make(n), |known| *known.get_or_init(|| make(n)))
}

/// What the `n`-th simulated node is when it starts.
pub(super) fn start(n: usize, epoch: u64, seed: u64) -> Start {
    let (name, agency) = (format!("node-{n}"), "agency".to_owned());
    let (software, sealing_key) = ("nuncio/simulated".to_owned(), Bytes::new());
    Start { node: node_id(n), name, agency, software, epoch, sealing_key, issues: false, seed }
}

/// The address of the `n`-th simulated node.
pub fn address(n: usize) -> Address {
    Address::new(&format!("node-{n}:30300"))
}

/// Which simulated node an address leads to.
pub(super) fn node_at(address: &Address) -> Option<usize> {
    address.as_str().strip_prefix("node-")?.strip_suffix(":30300")?.parse().ok()
}

/// A status "signed" as the simulator does it: plain bytes that differ when the status does.
pub fn sign(status: Status) -> Arc<Record> {
    let mut bytes = Vec::with_capacity(256 + 64 * status.neighbours.len());
    bytes.extend_from_slice(status.node.as_bytes());
    bytes.extend_from_slice(&status.version.epoch.to_be_bytes());
    bytes.extend_from_slice(&status.version.seq.to_be_bytes());
    for topic in &status.multicast_topics {
        bytes.extend_from_slice(topic.as_str().as_bytes());
    }
    for (issuer, number) in &status.revocations {
        bytes.extend_from_slice(&issuer.0);
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    for neighbour in &status.neighbours {
        bytes.extend_from_slice(neighbour.as_bytes());
    }
    for (topic, count) in &status.topics {
        bytes.extend_from_slice(topic.as_str().as_bytes());
        bytes.extend_from_slice(&count.to_be_bytes());
    }
    for address in &status.addresses {
        bytes.extend_from_slice(address.as_str().as_bytes());
    }
    bytes.extend_from_slice(&status.proofs.to_be_bytes());
    bytes.extend_from_slice(&status.application);
    bytes.extend_from_slice(&status.sealing_key);
    bytes.extend_from_slice(&(status.clock.as_millis() as u64).to_be_bytes());
    Arc::new(Record { status, bytes: Bytes::from(bytes), pages: Vec::new(), agency_path: None })
}

fn make(n: usize) -> NodeId {
    let mut secret = [0; 32];
    secret[24..].copy_from_slice(&(n as u64 + 1).to_be_bytes());
    let key = SecretKey::from_secret_bytes(secret).expect("a small number above zero is a secret key");
    NodeId::from_bytes(&key.public_key().serialize_uncompressed()[1..]).expect("a public key is a node ID")
}
