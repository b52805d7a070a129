//! Announcements, queries, answers and the signed status records they are about.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    MAX_APPLICATION_FIELD, MAX_ISSUERS, MAX_MULTICAST_TOPIC_BYTES, MAX_NEIGHBOURS, MAX_NODES, MAX_SEALING_KEY,
    MAX_STATUS, MAX_TOPIC_BYTES, TOPIC_COST, Topic,
    peering::Address,
    status_sync::{Equivocation, IssuerId, MAX_PROOFS, Query, Record, Status, Version},
};
use prost::Message as _;

use crate::{DecodeError, SigningContext, field::decode_signature, proto, signing::Statement};

/// The name of the query protocol.
pub const PROTOCOL: &str = "/nuncio/status/2";

/// Longest encoded query, in bytes.
pub const MAX_QUERY: usize = 96 * MAX_NODES;

/// Longest encoded answer, in bytes.
pub const MAX_ANSWER: usize = (4 << 20) + MAX_STATUS + (64 << 10);

/// Most certificates in a record's chain.
pub const MAX_CHAIN: usize = 5;

/// Most bytes of revocation lists in one answer.
const MAX_LIST_BYTES: usize = 4 << 20;

const MAX_ADDRESSES: usize = 8;
const MAX_ADDRESS_LENGTH: usize = 256;
const MAX_NAME_LENGTH: usize = 256;

/// Encodes a query.
pub fn encode_query(query: &Query) -> Vec<u8> {
    let known = |node: &NodeId, version: Option<Version>| {
        let Version { epoch, seq } = version.unwrap_or(Version { epoch: 0, seq: 0 });
        proto::Known { node: Bytes::copy_from_slice(node.as_bytes()), epoch, seq }
    };
    let query = match query {
        Query::Nodes(nodes) => {
            let nodes = nodes.iter().map(|(node, version)| known(node, *version)).collect();
            proto::Query { nodes, ..proto::Query::default() }
        }
        Query::All { known: nodes } => {
            let nodes = nodes.iter().map(|(node, version)| known(node, Some(*version))).collect();
            proto::Query { nodes, all: true, ..proto::Query::default() }
        }
        Query::Revocations { held } => {
            let revocations = Some(proto::Held { numbers: encode_revocations(held) });
            proto::Query { revocations, ..proto::Query::default() }
        }
        Query::Proofs { held } => {
            let nodes = held.iter().map(|node| Bytes::copy_from_slice(node.as_bytes())).collect();
            proto::Query { proofs: Some(proto::Proven { nodes }), ..proto::Query::default() }
        }
    };
    query.encode_to_vec()
}

/// Reads a query.
///
/// # Errors
/// When it is none or names too many nodes.
pub fn decode_query(bytes: Bytes) -> Result<Query, DecodeError> {
    let query = proto::Query::decode(bytes).map_err(|source| DecodeError::Protobuf { message: "query", source })?;
    if let Some(held) = query.revocations {
        return Ok(Query::Revocations { held: decode_revocations(&held.numbers)? });
    }
    if let Some(proofs) = query.proofs {
        bounded("proven nodes", proofs.nodes.len(), MAX_PROOFS)?;
        let held = proofs.nodes.iter().map(|node| NodeId::from_bytes(node)).collect::<Result<_, _>>()?;
        return Ok(Query::Proofs { held });
    }
    bounded("nodes", query.nodes.len(), MAX_NODES)?;
    let known = query.nodes.iter().map(|known| {
        let version = Version { epoch: known.epoch, seq: known.seq };
        Ok((NodeId::from_bytes(&known.node)?, version))
    });
    let known = known.collect::<Result<Vec<_>, DecodeError>>()?;
    Ok(if query.all {
        Query::All { known }
    } else {
        let has = |version: Version| (version.epoch != 0).then_some(version);
        Query::Nodes(known.into_iter().map(|(node, version)| (node, has(version))).collect())
    })
}

/// Encodes an answer.
pub fn encode_answer(records: &[Arc<Record>], proofs: &[Equivocation], more: bool) -> Vec<u8> {
    let records = records.iter().map(|record| record.bytes.clone()).collect();
    let proof = |proof: &Equivocation| {
        let [first, second] = proof.records().map(|record| record.bytes.clone());
        proto::Proof { first, second }
    };
    let proofs = proofs.iter().map(proof).collect();
    proto::Answer { records, proofs, more, ..proto::Answer::default() }.encode_to_vec()
}

/// An answer to a query for records or proofs; nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedAnswer {
    /// Encoded records, for [`decode_record`].
    pub records: Vec<Bytes>,
    /// Two encoded records each, which should contradict each other.
    pub proofs: Vec<[Bytes; 2]>,
    /// Whether there is more.
    pub more: bool,
}

/// Reads an answer.
///
/// # Errors
/// When it is none or holds too much.
pub fn decode_answer(bytes: Bytes) -> Result<EncodedAnswer, DecodeError> {
    let proto::Answer { records, proofs, more, .. } = decode_any_answer(bytes)?;
    bounded("records", records.len(), MAX_NODES)?;
    bounded("proofs", proofs.len(), MAX_PROOFS)?;
    let proofs = proofs.into_iter().map(|proto::Proof { first, second }| [first, second]).collect();
    Ok(EncodedAnswer { records, proofs, more })
}

/// Encodes an answer to a query for revocation lists: lists and agency certificates, DER. Lists beyond
/// [`MAX_ISSUERS`] or 4 MiB in all are left out; the next query gets them.
pub fn encode_revocations_answer(lists: &[Bytes], agencies: &[Bytes]) -> Vec<u8> {
    let mut bytes = 0;
    let fits = |list: &&Bytes| {
        bytes += list.len();
        bytes <= MAX_LIST_BYTES
    };
    let lists = lists.iter().take(MAX_ISSUERS).take_while(fits).cloned().collect();
    let agencies = agencies.iter().take(MAX_ISSUERS).cloned().collect();
    proto::Answer { lists, agencies, ..proto::Answer::default() }.encode_to_vec()
}

/// An answer to a query for revocation lists; nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationsAnswer {
    /// The lists, DER.
    pub lists: Vec<Bytes>,
    /// Certificates of agencies that may have signed them, DER.
    pub agencies: Vec<Bytes>,
}

/// Reads an answer to a query for revocation lists.
///
/// # Errors
/// When it is none or holds too much.
pub fn decode_revocations_answer(bytes: Bytes) -> Result<RevocationsAnswer, DecodeError> {
    let proto::Answer { lists, agencies, .. } = decode_any_answer(bytes)?;
    bounded("lists", lists.len(), MAX_ISSUERS)?;
    bounded("agencies", agencies.len(), MAX_ISSUERS)?;
    Ok(RevocationsAnswer { lists, agencies })
}

fn decode_any_answer(bytes: Bytes) -> Result<proto::Answer, DecodeError> {
    proto::Answer::decode(bytes).map_err(|source| DecodeError::Protobuf { message: "answer", source })
}

/// Signs a status of ours and puts it behind its certificate chain.
pub fn sign_record(status: Status, chain: &[Bytes], context: &SigningContext) -> Record {
    let encoded = Bytes::from(encode_status(&status).encode_to_vec());
    let signature = context.sign(&statement(&encoded));
    let record = proto::Record {
        status: encoded,
        signature: Bytes::copy_from_slice(signature.as_bytes()),
        chain: chain.to_vec(),
    };
    Record { status, bytes: record.encode_to_vec().into() }
}

/// Reads a record and checks its owner's signature. Whether the chain behind it proves the owner's membership is the
/// caller's to check: it is returned for that, the owner's certificate first.
///
/// # Errors
/// When it is no record, a bound is passed, or the signature does not hold.
pub fn decode_record(bytes: Bytes, context: &SigningContext) -> Result<(Record, Vec<Bytes>), DecodeError> {
    if bytes.len() > MAX_STATUS {
        return Err(DecodeError::TooLarge { what: "status record", bytes: bytes.len(), limit: MAX_STATUS });
    }
    let proto::Record { status: encoded, signature, chain } =
        proto::Record::decode(bytes.clone()).map_err(|source| DecodeError::Protobuf { message: "record", source })?;
    bounded("certificates", chain.len(), MAX_CHAIN)?;
    let status =
        proto::Status::decode(encoded.clone()).map_err(|source| DecodeError::Protobuf { message: "status", source })?;
    let status = decode_status(status)?;
    let node = status.node;
    let signature = decode_signature(&signature)?;
    let signature = signature.ok_or(DecodeError::Signature { node })?;
    context.verify(node, &statement(&encoded), &signature)?;
    Ok((Record { status, bytes }, chain))
}

fn statement(encoded: &[u8]) -> Statement<'_> {
    Statement { kind: "status", fields: Vec::new(), body: encoded }
}

fn encode_status(status: &Status) -> proto::Status {
    proto::Status {
        node: Bytes::copy_from_slice(status.node.as_bytes()),
        epoch: status.version.epoch,
        seq: status.version.seq,
        addresses: status.addresses.iter().map(|address| address.as_str().to_owned()).collect(),
        neighbours: status.neighbours.iter().map(|node| Bytes::copy_from_slice(node.as_bytes())).collect(),
        topics: status
            .topics
            .iter()
            .map(|(topic, &subscribers)| proto::TopicSubscribers { topic: topic.as_str().to_owned(), subscribers })
            .collect(),
        name: status.name.clone(),
        agency: status.agency.clone(),
        software: status.software.clone(),
        multicast_topics: status.multicast_topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
        revocations: encode_revocations(&status.revocations),
        application: status.application.clone(),
        sealing_key: status.sealing_key.clone(),
        proofs: status.proofs,
        clock_ms: status.clock.as_millis() as u64,
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
        proofs: status.proofs,
        clock: Duration::from_millis(status.clock_ms),
    })
}

fn encode_revocations(numbers: &BTreeMap<IssuerId, u64>) -> Vec<proto::IssuerNumber> {
    let encode = |(issuer, &number): (&IssuerId, &u64)| proto::IssuerNumber {
        issuer: Bytes::copy_from_slice(&issuer.0),
        number,
    };
    numbers.iter().map(encode).collect()
}

fn decode_revocations(numbers: &[proto::IssuerNumber]) -> Result<BTreeMap<IssuerId, u64>, DecodeError> {
    bounded("issuers", numbers.len(), MAX_ISSUERS)?;
    let decode = |entry: &proto::IssuerNumber| {
        let id = <[u8; 32]>::try_from(&entry.issuer[..]);
        let id = id.map_err(|_| DecodeError::Field { field: "issuer" })?;
        Ok((IssuerId(id), entry.number))
    };
    numbers.iter().map(decode).collect()
}

fn bounded(what: &'static str, count: usize, limit: usize) -> Result<(), DecodeError> {
    if count > limit { Err(DecodeError::TooMany { what, count, limit }) } else { Ok(()) }
}
