use super::Record;
use crate::{
    MAX_APPLICATION_FIELD, MAX_ISSUERS, MAX_MULTICAST_TOPIC_BYTES, MAX_NEIGHBOURS, MAX_SEALING_KEY, MAX_STATUS,
    MAX_TOPIC_BYTES, Topic,
};

/// Most addresses in a status.
pub(crate) const MAX_ADDRESSES: usize = 8;

/// What makes a record too big to keep.
pub(super) fn fault(record: &Record) -> Option<&'static str> {
    let status = &record.status;
    if record.bytes.len() > MAX_STATUS {
        Some("bytes")
    } else if status.neighbours.len() > MAX_NEIGHBOURS {
        Some("neighbours")
    } else if status.topics.keys().map(Topic::cost).sum::<usize>() > MAX_TOPIC_BYTES {
        Some("topics")
    } else if status.multicast_topics.iter().map(Topic::cost).sum::<usize>() > MAX_MULTICAST_TOPIC_BYTES {
        Some("multicast topics")
    } else if status.revocations.len() > MAX_ISSUERS {
        Some("issuers of revocation lists")
    } else if status.addresses.len() > MAX_ADDRESSES {
        Some("addresses")
    } else if status.application.len() > MAX_APPLICATION_FIELD {
        Some("application field")
    } else if status.sealing_key.len() > MAX_SEALING_KEY {
        Some("sealing key")
    } else {
        None
    }
}
