use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use nuncio_identity::{NodeId, SignError};
use nuncio_protocol::{
    MAX_APPLICATION_FIELD, MAX_MULTICAST_TOPIC_BYTES, MAX_NEIGHBOURS, MAX_SEALING_KEY, MAX_STATUS, MAX_TOPIC_BYTES,
    TOPIC_COST, Topic,
    peering::Address,
    status_sync::{PageDigest, Record, Status, Version},
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use super::{bounded, decode_revocations, encode_revocations, pages};
use crate::{DecodeError, SigningContext, field::decode_signature, proto, signing::Statement};

/// Most certificates in a record's chain.
pub const MAX_CHAIN: usize = 5;

const MAX_ADDRESSES: usize = 8;
const MAX_ADDRESS_LENGTH: usize = 256;
const MAX_NAME_LENGTH: usize = 256;

/// Signs a status of ours and puts it behind its certificate chain.
///
/// # Errors
/// When the node's key does not sign now.
pub fn sign_record(status: Status, chain: &[Bytes], context: &SigningContext) -> Result<Record, SignError> {
    let pages = pages::split(&status);
    let digests: Vec<_> = pages.iter().map(|page| pages::digest(page)).collect();
    let encoded = Bytes::from(encode_status(&status, &digests, chain).encode_to_vec());
    let signature = context.sign(&statement(&encoded))?;
    let record = proto::Record {
        status: encoded,
        signature: Bytes::copy_from_slice(signature.as_bytes()),
        chain: chain.to_vec(),
        pages,
    };
    Ok(Record { status, bytes: record.encode_to_vec().into(), pages: digests, agency_path: None })
}

/// Reads a record and checks its owner's signature, and that it has the certificates that its owner sent with it. Whether
/// they prove the owner's membership is the caller's to check: they are returned for that, the owner's certificate first.
///
/// # Errors
/// When it is no record, a bound is passed, or the signature does not hold.
pub fn decode_record(bytes: Bytes, context: &SigningContext) -> Result<(Record, Vec<Bytes>), DecodeError> {
    if bytes.len() > MAX_STATUS {
        return Err(DecodeError::TooLarge { what: "status record", bytes: bytes.len(), limit: MAX_STATUS });
    }
    let proto::Record { status: encoded, signature, chain, pages } =
        proto::Record::decode(bytes.clone()).map_err(|source| DecodeError::Protobuf { message: "record", source })?;
    bounded("certificates", chain.len(), MAX_CHAIN)?;
    let mut status =
        proto::Status::decode(encoded.clone()).map_err(|source| DecodeError::Protobuf { message: "status", source })?;
    let pages = pages::join(&mut status, &pages)?;
    let is_its_chain = status.chain == chain_digest(&chain)[..];
    let status = decode_status(status)?;
    let node = status.node;
    let signature = decode_signature(&signature)?;
    let signature = signature.ok_or(DecodeError::Signature { node })?;
    context.verify(node, &statement(&encoded), &signature)?;
    if !is_its_chain {
        return Err(DecodeError::ForeignChain { node });
    }
    Ok((Record { status, bytes, pages, agency_path: None }, chain))
}

/// The certificates in an encoded record, DER, the owner's first. Nothing is verified.
///
/// # Errors
/// When it is no record.
pub fn chain_of(bytes: Bytes) -> Result<Vec<Bytes>, DecodeError> {
    let record = proto::Record::decode(bytes).map_err(|source| DecodeError::Protobuf { message: "record", source })?;
    Ok(record.chain)
}

fn chain_digest(chain: &[Bytes]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for certificate in chain {
        hash.update((certificate.len() as u32).to_be_bytes());
        hash.update(certificate);
    }
    hash.finalize().into()
}

fn statement(encoded: &[u8]) -> Statement<'_> {
    Statement { kind: "status", fields: Vec::new(), body: encoded }
}

pub(super) fn encode_topics(topics: &BTreeMap<Topic, u32>) -> impl Iterator<Item = proto::TopicSubscribers> {
    topics.iter().map(|(topic, &subscribers)| proto::TopicSubscribers { topic: topic.as_str().to_owned(), subscribers })
}

/// With these pages, or, without any, with all topics in it.
fn encode_status(status: &Status, pages: &[PageDigest], chain: &[Bytes]) -> proto::Status {
    let is_inline = pages.is_empty();
    let (none, no_multicast) = (BTreeMap::new(), BTreeSet::new());
    let topics = if is_inline { &status.topics } else { &none };
    let multicast_topics = if is_inline { &status.multicast_topics } else { &no_multicast };
    proto::Status {
        node: Bytes::copy_from_slice(status.node.as_bytes()),
        epoch: status.version.epoch,
        seq: status.version.seq,
        addresses: status.addresses.iter().map(|address| address.as_str().to_owned()).collect(),
        neighbours: status.neighbours.iter().map(|node| Bytes::copy_from_slice(node.as_bytes())).collect(),
        topics: encode_topics(topics).collect(),
        name: status.name.clone(),
        agency: status.agency.clone(),
        software: status.software.clone(),
        multicast_topics: multicast_topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
        pages: pages.iter().map(|digest| Bytes::copy_from_slice(&digest.0)).collect(),
        revocations: encode_revocations(&status.revocations),
        application: status.application.clone(),
        sealing_key: status.sealing_key.clone(),
        issues: status.issues,
        proofs: status.proofs,
        clock_ms: status.clock.as_millis() as u64,
        chain: Bytes::copy_from_slice(&chain_digest(chain)),
        takes_batches: status.takes_batches,
        traces: status.traces,
        takes_priorities: status.takes_priorities,
    }
}

fn decode_status(status: proto::Status) -> Result<Status, DecodeError> {
    bounded("addresses", status.addresses.len(), MAX_ADDRESSES)?;
    bounded("neighbours", status.neighbours.len(), MAX_NEIGHBOURS)?;
    let longest_address = status.addresses.iter().map(String::len).max().unwrap_or(0);
    bounded("address bytes", longest_address, MAX_ADDRESS_LENGTH)?;
    for name in [&status.name, &status.agency, &status.software] {
        bounded("name bytes", name.len(), MAX_NAME_LENGTH)?;
    }
    bounded("application bytes", status.application.len(), MAX_APPLICATION_FIELD)?;
    bounded("sealing key bytes", status.sealing_key.len(), MAX_SEALING_KEY)?;
    let topic_bytes = status.topics.iter().map(|entry| entry.topic.len() + TOPIC_COST).sum();
    bounded("topic bytes", topic_bytes, MAX_TOPIC_BYTES)?;
    let multicast_topic_bytes = status.multicast_topics.iter().map(|topic| topic.len() + TOPIC_COST).sum();
    bounded("multicast topic bytes", multicast_topic_bytes, MAX_MULTICAST_TOPIC_BYTES)?;
    let topics = status.topics.into_iter().map(|entry| Ok((Topic::new(&entry.topic)?, entry.subscribers)));
    let multicast_topics = status.multicast_topics.iter().map(|topic| Ok(Topic::new(topic)?));
    let neighbours = status.neighbours.iter().map(|node| NodeId::from_bytes(node));
    Ok(Status {
        node: NodeId::from_bytes(&status.node)?,
        version: Version { epoch: status.epoch, seq: status.seq },
        addresses: status.addresses.iter().map(|text| Address::new(text)).collect(),
        neighbours: neighbours.collect::<Result<_, _>>()?,
        topics: topics.collect::<Result<_, DecodeError>>()?,
        name: status.name,
        agency: status.agency,
        software: status.software,
        multicast_topics: multicast_topics.collect::<Result<_, DecodeError>>()?,
        revocations: decode_revocations(&status.revocations)?,
        application: status.application,
        sealing_key: status.sealing_key,
        issues: status.issues,
        proofs: status.proofs,
        takes_batches: status.takes_batches,
        traces: status.traces,
        takes_priorities: status.takes_priorities,
        clock: Duration::from_millis(status.clock_ms),
    })
}
