use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use nuncio_bounds::Bound;

use super::NodeId;

/// Which nodes wait for a renewal, each with one request: nobody takes the places of others.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<BTreeSet<NodeId>>>);

/// A node's turn; dropped when its request is answered.
#[derive(Debug)]
pub(super) struct Turn {
    node: NodeId,
    turns: Turns,
}

impl Turns {
    /// Most nodes that wait.
    pub(super) const MAX: usize = 64;

    /// The requests themselves, too.
    pub(super) const BOUND: Bound = Bound::of_entries::<NodeId>(
        "renewals that wait for the issuer",
        Self::MAX,
        nuncio_protocol::MAX_QUESTION,
        "further ones are refused, and a second one of a node is",
    );

    /// # Errors
    /// Why not, fit to be told to who asked.
    pub(super) fn take(&self, node: NodeId) -> Result<Turn, &'static str> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.contains(&node) {
            return Err("a former request of this node is not answered yet");
        }
        if waiting.len() >= Self::MAX {
            return Err("too many nodes wait for their renewal");
        }
        waiting.insert(node);
        Ok(Turn { node, turns: self.clone() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.node);
    }
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    #[test]
    fn a_node_has_one_turn_and_takes_none_of_others() {
        let (turns, [loud, quiet]) = (Turns::default(), [(); 2].map(|()| NodeKey::generate().node_id()));
        let first = turns.take(loud).unwrap();
        assert!((0..10_000).all(|_| turns.take(loud).is_err()));
        let second = turns.take(quiet).unwrap();
        drop(first);
        assert!(turns.take(loud).is_ok() && turns.take(quiet).is_err());
        drop(second);
        let many: Vec<_> = (0..10 * Turns::MAX).map(|_| turns.take(NodeKey::generate().node_id())).collect();
        assert_eq!(many.iter().filter(|one| one.is_ok()).count(), Turns::MAX);
        drop(many);
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
