//! From what an operator writes to a node ID.

use nuncio_identity::NodeId;
use nuncio_node::Snapshot;

use crate::api::{ErrorCode, Failure};

/// Fewest digits of a prefix.
const MIN_PREFIX: usize = 6;

/// Takes a whole node ID, known or not, or a prefix of at least six digits that fits exactly one known node.
pub(crate) fn node(text: &str, snapshot: &Snapshot) -> Result<NodeId, Failure> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_prefix("0x").unwrap_or(&text);
    if text.len() == 2 * NodeId::LENGTH {
        return text.parse().map_err(|error| bad(format!("{error}")));
    }
    if !is_prefix(text) {
        return Err(bad(format!(
            "`{text}` is not a node ID: 128 hexadecimal digits, or at least the first {MIN_PREFIX}"
        )));
    }
    let known = snapshot.nodes.iter().map(|node| node.node_id.as_str());
    let peers = snapshot.peers.iter().filter_map(|peer| peer.node_id.as_deref());
    let own = std::iter::once(snapshot.node_id.as_str());
    let mut fitting: Vec<_> = known.chain(peers).chain(own).filter(|id| id.starts_with(text)).collect();
    fitting.sort_unstable();
    fitting.dedup();
    match fitting[..] {
        [] => Err(Failure::new(ErrorCode::NotFound, format!("no known node's ID starts with {text}"))
            .with_hint("see `nuncio nodes`, or write all 128 digits")),
        [one] => one.parse().map_err(|error| bad(format!("{error}"))),
        _ => Err(Failure::new(ErrorCode::Ambiguous, format!("the IDs of {} nodes start with {text}", fitting.len()))
            .with_hint("write more digits")),
    }
}

/// Whether the text can be the beginning of a node ID, rather than an address.
pub fn is_prefix(text: &str) -> bool {
    (MIN_PREFIX..=2 * NodeId::LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn bad(message: String) -> Failure {
    Failure::new(ErrorCode::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use nuncio_identity::NodeKey;

    use super::*;

    fn snapshot(ids: &[String]) -> Snapshot {
        Snapshot {
            node_id: ids[0].clone(),
            name: String::new(),
            agency: String::new(),
            epoch: 1,
            seq: 1,
            version: String::new(),
            started: Instant::now(),
            listen: vec![],
            peers: vec![],
            nodes: ids
                .iter()
                .map(|id| nuncio_node::NodeSnapshot {
                    node_id: id.clone(),
                    seq: 1,
                    epoch: 1,
                    reachable: true,
                    hops: Some(1),
                    next_hop: None,
                    name: String::new(),
                    agency: String::new(),
                    equivocates: false,
                    record: None,
                    linked_under: None,
                })
                .collect(),
            certificate_not_after: 0,
            ready: true,
            duplicate_identities: 0,
            missed: 0,
            lost: 0,
            denied: 0,
            over_quota: 0,
            strikes: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn whole_ids_and_unambiguous_prefixes_are_found() {
        let id = NodeKey::generate().node_id();
        let stranger = NodeKey::generate().node_id();
        let known = snapshot(&[id.to_string()]);
        assert_eq!(node(&id.to_string(), &known), Ok(id));
        assert_eq!(node(&stranger.to_string(), &known), Ok(stranger));
        assert_eq!(node(&id.to_string()[..6], &known), Ok(id));
        assert_eq!(node(&id.to_string()[..9].to_uppercase(), &known), Ok(id));
        let code = |text: &str| node(text, &known).unwrap_err().error;
        assert_eq!(code(&id.to_string()[..5]), ErrorCode::BadRequest);
        assert_eq!(code("127.0.0.1:30300"), ErrorCode::BadRequest);
        assert_eq!(code(&"f".repeat(128)), ErrorCode::BadRequest);
        assert_eq!(code(&stranger.to_string()[..20]), ErrorCode::NotFound);
    }

    #[test]
    fn a_prefix_of_several_nodes_is_refused() {
        let ids = ["abcdef1".to_owned(), "abcdef2".to_owned()];
        assert_eq!(node("abcdef", &snapshot(&ids)).unwrap_err().error, ErrorCode::Ambiguous);
    }
}
