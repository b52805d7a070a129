//! The topics of a node that has many, in pages of their own.
//!
//! The signed status names the digest of each page, so whoever holds a page can pass it on, and who holds it already need
//! not get it again: a query names the pages that the asker holds, and the answer leaves those out. A topic is always on
//! the same page while the number of pages stays, so a change of one topic changes one page.

use std::collections::HashSet;

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    MAX_STATUS, Topic,
    status_sync::{PageDigest, Record, Status},
};
use prost::Message as _;
use sha2::{Digest, Sha256};

use super::{bounded, record::encode_topics};
use crate::{DecodeError, proto};

/// Most pages of a status.
pub(super) const MAX_PAGES: usize = 512;

/// Most pages that a query names; those beyond are sent once more.
pub(super) const MAX_HELD: usize = 16 << 10;

/// So many topics, of so many bytes, stay in the status itself: small networks need no pages.
const INLINE: usize = 64;
const INLINE_BYTES: usize = 4 << 10;

/// How large pages are meant to be.
const PAGE_BYTES: usize = 8 << 10;

/// The encoded pages of a status; none when its topics stay in it.
pub(super) fn split(status: &Status) -> Vec<Bytes> {
    let bytes = status.topics.keys().chain(&status.multicast_topics).map(Topic::cost).sum::<usize>();
    if status.topics.len() + status.multicast_topics.len() <= INLINE && bytes <= INLINE_BYTES {
        return Vec::new();
    }
    let count = (bytes / PAGE_BYTES).next_power_of_two().min(MAX_PAGES);
    let mut pages = vec![proto::Page::default(); count];
    for entry in encode_topics(&status.topics) {
        pages[place(&entry.topic, count)].topics.push(entry);
    }
    for topic in &status.multicast_topics {
        pages[place(topic.as_str(), count)].multicast_topics.push(topic.as_str().to_owned());
    }
    // A page of nothing would have no bytes, as one that is left out.
    pages.iter().map(|page| Bytes::from(page.encode_to_vec())).filter(|page| !page.is_empty()).collect()
}

/// The page a topic is on, by FNV-1a.
fn place(topic: &str, count: usize) -> usize {
    let hash = topic
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash % count as u64) as usize
}

pub(super) fn digest(page: &[u8]) -> PageDigest {
    PageDigest(Sha256::digest(page).into())
}

/// Puts the topics of the pages into the status that names them.
pub(super) fn join(status: &mut proto::Status, pages: &[Bytes]) -> Result<Vec<PageDigest>, DecodeError> {
    bounded("pages", status.pages.len(), MAX_PAGES)?;
    let digests = read_digests(&status.pages)?;
    let has_both = !digests.is_empty() && status.topics.len() + status.multicast_topics.len() > 0;
    let mut others = digests.iter().zip(pages).filter(|(named, page)| **named != digest(page)).map(|(_, page)| page);
    // One that is left out leaves its place, so whoever passes a record on keeps their number.
    if has_both || digests.len() != pages.len() || others.clone().any(|page| !page.is_empty()) {
        return Err(DecodeError::Field { field: "pages" });
    }
    if others.next().is_some() {
        return Err(DecodeError::PagesLeftOut { node: NodeId::from_bytes(&status.node)? });
    }
    for page in pages {
        let page =
            proto::Page::decode(page.clone()).map_err(|source| DecodeError::Protobuf { message: "page", source })?;
        status.topics.extend(page.topics);
        status.multicast_topics.extend(page.multicast_topics);
    }
    Ok(digests)
}

pub(super) fn read_digests(digests: &[Bytes]) -> Result<Vec<PageDigest>, DecodeError> {
    let read = |bytes: &Bytes| <[u8; 32]>::try_from(&bytes[..]).map(PageDigest);
    digests.iter().map(read).collect::<Result<_, _>>().map_err(|_| DecodeError::Field { field: "page digest" })
}

/// A record as it travels to somebody who holds some of its pages.
pub(super) fn without(record: &Record, held: &HashSet<PageDigest>) -> Bytes {
    if !record.pages.iter().any(|page| held.contains(page)) {
        return record.bytes.clone();
    }
    // It was read before.
    let Ok(mut encoded) = proto::Record::decode(record.bytes.clone()) else { return record.bytes.clone() };
    for (page, digest) in encoded.pages.iter_mut().zip(&record.pages) {
        if held.contains(digest) {
            *page = Bytes::new();
        }
    }
    encoded.encode_to_vec().into()
}

/// Puts the pages into an encoded record that were left out of it, from the record of the same node that is held.
///
/// # Errors
/// When it is no record, or longer than one. Pages that are not held stay out; then [`super::decode_record`] will refuse it.
pub fn complete<'a>(bytes: Bytes, held: impl FnOnce(&[u8]) -> Option<&'a Record>) -> Result<Bytes, DecodeError> {
    if bytes.len() > MAX_STATUS {
        return Err(DecodeError::TooLarge { what: "status record", bytes: bytes.len(), limit: MAX_STATUS });
    }
    let record =
        |bytes| proto::Record::decode(bytes).map_err(|source| DecodeError::Protobuf { message: "record", source });
    let mut encoded = record(bytes.clone())?;
    if !encoded.pages.iter().any(Bytes::is_empty) {
        return Ok(bytes);
    }
    let status = proto::Status::decode(encoded.status.clone())
        .map_err(|source| DecodeError::Protobuf { message: "status", source })?;
    let Some(held) = held(&status.node) else { return Ok(bytes) };
    let known = record(held.bytes.clone())?.pages;
    let wanted = read_digests(&status.pages)?;
    // A page may be named often: the record would be refused, but not before it is as long as all of that.
    let mut room = MAX_STATUS;
    for (page, digest) in encoded.pages.iter_mut().zip(wanted).filter(|(page, _)| page.is_empty()) {
        let known = held.pages.iter().position(|held| *held == digest).and_then(|at| known.get(at));
        if let Some(known) = known
            && let Some(left) = room.checked_sub(known.len())
        {
            room = left;
            page.clone_from(known);
        }
    }
    Ok(encoded.encode_to_vec().into())
}
