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
            "`{}` is not a node ID: 128 hexadecimal digits, or at least the first {MIN_PREFIX}",
            nuncio_plain::short(text, 2 * NodeId::LENGTH)
        )));
    }
    let known = snapshot.nodes.iter().map(|node| node.node_id);
    let peers = snapshot.peers.iter().filter_map(|peer| peer.node_id);
    one(text, known.chain(peers).chain([snapshot.node_id]))
}

/// The one of those that a prefix fits.
fn one(prefix: &str, known: impl Iterator<Item = NodeId>) -> Result<NodeId, Failure> {
    // The digits that are whole bytes first: of a thousand nodes few are written out.
    let whole = hex::decode(&prefix[..prefix.len() & !1]).unwrap_or_default();
    let fits = |id: &NodeId| id.as_bytes().starts_with(&whole) && id.to_string().starts_with(prefix);
    let mut fitting: Vec<_> = known.filter(fits).collect();
    fitting.sort_unstable();
    fitting.dedup();
    match fitting[..] {
        [] => Err(Failure::new(ErrorCode::NotFound, format!("no known node's ID starts with {prefix}"))
            .with_hint("see `nuncio nodes`, or write all 128 digits")),
        [one] => Ok(one),
        _ => Err(Failure::new(ErrorCode::Ambiguous, format!("the IDs of {} nodes start with {prefix}", fitting.len()))
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
    use std::collections::HashMap;

    use nuncio_identity::NodeKey;

    use super::*;

    #[test]
    fn a_prefix_finds_the_one_node_that_it_fits() {
        let id = NodeKey::generate().node_id();
        let stranger = NodeKey::generate().node_id();
        let find = |digits: &str| one(digits, [id, id].into_iter());
        for digits in [6, 7, 9, 127, 128] {
            assert_eq!(find(&id.to_string()[..digits]), Ok(id), "{digits}");
        }
        assert_eq!(find(&stranger.to_string()[..20]).unwrap_err().error, ErrorCode::NotFound);
        let mut other_half = id.to_string();
        other_half.replace_range(8..9, if &other_half[8..9] == "0" { "1" } else { "0" });
        assert_eq!(find(&other_half[..9]).unwrap_err().error, ErrorCode::NotFound);
    }

    #[test]
    fn a_prefix_of_several_nodes_is_refused() {
        let mut seen = HashMap::new();
        let (prefix, twins) = loop {
            let id = NodeKey::generate().node_id();
            let prefix = id.to_string()[..MIN_PREFIX].to_owned();
            if let Some(other) = seen.insert(prefix.clone(), id) {
                break (prefix, [id, other]);
            }
        };
        assert_eq!(one(&prefix, twins.into_iter()).unwrap_err().error, ErrorCode::Ambiguous);
    }

    #[test]
    fn what_is_no_prefix_is_told_from_one() {
        for text in ["abcde", "127.0.0.1:30300", "", "abcdeg", "äbcdef"] {
            assert!(!is_prefix(text), "{text}");
        }
        assert!(is_prefix("abcdef") && is_prefix(&"f".repeat(128)) && !is_prefix(&"f".repeat(129)));
    }
}
