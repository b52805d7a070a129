//! Announcements, queries, answers and the signed status records they are about.

mod pages;
mod record;

pub use pages::complete;
pub use record::{MAX_CHAIN, chain_of, decode_record, sign_record};

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    MAX_ISSUERS, MAX_NODES, MAX_STATUS,
    status_sync::{Equivocation, IssuerId, MAX_PROOFS, PageDigest, Query, Record, TableDigest, Version},
};
use prost::Message as _;

use crate::{DecodeError, proto};

/// The name of the query protocol.
pub const PROTOCOL: &str = "/nuncio/status/2";

/// Longest encoded query, in bytes.
pub const MAX_QUERY: usize = 96 * MAX_NODES + 34 * pages::MAX_HELD;

/// Longest encoded answer, in bytes.
pub const MAX_ANSWER: usize = (4 << 20) + MAX_STATUS + (64 << 10);

/// Most bytes of revocation lists in one answer.
const MAX_LIST_BYTES: usize = 4 << 20;

/// Encodes a query by a node that holds these pages.
pub fn encode_query(query: &Query, held: impl IntoIterator<Item = PageDigest>) -> Vec<u8> {
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
        Query::Same { digest } => {
            proto::Query { same: Bytes::copy_from_slice(&digest.to_bytes()), ..proto::Query::default() }
        }
    };
    let held = held.into_iter().take(pages::MAX_HELD);
    let pages = held.map(|digest| Bytes::copy_from_slice(&digest.0)).collect();
    proto::Query { pages, ..query }.encode_to_vec()
}

/// Reads a query, and which pages the asker holds: as many as it names, each as often.
///
/// # Errors
/// When it is none or names too much.
pub fn decode_query(bytes: Bytes) -> Result<(Query, Vec<PageDigest>), DecodeError> {
    let mut query = proto::Query::decode(bytes).map_err(|source| DecodeError::Protobuf { message: "query", source })?;
    bounded("pages", query.pages.len(), pages::MAX_HELD)?;
    let held = pages::read_digests(&std::mem::take(&mut query.pages))?;
    Ok((read_query(query)?, held))
}

fn read_query(query: proto::Query) -> Result<Query, DecodeError> {
    if let Some(held) = query.revocations {
        return Ok(Query::Revocations { held: decode_revocations(&held.numbers)? });
    }
    if let Some(proofs) = query.proofs {
        bounded("proven nodes", proofs.nodes.len(), MAX_PROOFS)?;
        let held = proofs.nodes.iter().map(|node| NodeId::from_bytes(node)).collect::<Result<_, _>>()?;
        return Ok(Query::Proofs { held });
    }
    if !query.same.is_empty() {
        let digest = query.same[..].try_into().map_err(|_| DecodeError::Field { field: "same" })?;
        return Ok(Query::Same { digest: TableDigest::from_bytes(digest) });
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

/// Encodes an answer to somebody who holds these pages.
pub fn encode_answer(
    records: &[Arc<Record>],
    held: &HashSet<PageDigest>,
    proofs: &[Equivocation],
    more: bool,
) -> Vec<u8> {
    let records = records.iter().map(|record| pages::without(record, held)).collect();
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
    /// Encoded records, for [`decode_record`], where pages were left out after [`complete`].
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
