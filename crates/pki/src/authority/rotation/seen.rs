//! Who shows certificates of which authority.

use std::collections::BTreeSet;

use rustls_pki_types::UnixTime;

use super::{MAX_NODES, Rank, Rotation, RotationError};
use crate::{
    Certificate,
    path::{Anchors, Leaf},
};

/// A node as the network sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its ID, hexadecimal.
    pub node_id: String,
    /// The name in its certificate.
    pub name: String,
    /// What it shows: its own certificate first.
    pub chain: Vec<Certificate>,
    /// Whether a path leads to it.
    pub reachable: bool,
}

/// What a node's certificates say of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shown {
    /// It would be cut off if the old authority were gone.
    Old,
    /// The new authority, or one above which it stands, vouches for it.
    New,
    /// It has to do with neither.
    Other,
}

impl Rotation {
    /// What a node shows.
    pub fn shown_by(&self, chain: &[Certificate]) -> Shown {
        let Some(leaf) = chain.first() else { return Shown::Other };
        let (old, new) = (self.old(), self.new_authority());
        let is_new = new.is_some_and(|new| match self.state.rank {
            Rank::Agency => leaf.is_signed_by(new),
            Rank::Root => Anchors::new(vec![new.clone()]).faults(chain, UnixTime::now(), Leaf::Client).is_empty(),
        });
        let is_old = match self.state.rank {
            Rank::Agency => leaf.is_signed_by(old),
            Rank::Root => chain.iter().any(|one| one.is_signed_by(old)),
        };
        match (is_new, is_old) {
            (true, _) => Shown::New,
            (false, true) => Shown::Old,
            (false, false) => Shown::Other,
        }
    }

    /// Remembers the nodes of this authority, so that one that has gone away is missed.
    ///
    /// # Errors
    /// When the state cannot be written, or they are more than 4096.
    pub fn note(&mut self, seen: &[Seen]) -> Result<(), RotationError> {
        let ours: Vec<_> = seen.iter().filter(|seen| self.shown_by(&seen.chain) != Shown::Other).collect();
        let before = self.state.nodes.len();
        for seen in ours {
            self.state.nodes.entry(seen.node_id.clone()).or_insert_with(|| nuncio_plain::short(&seen.name, 64));
        }
        if self.state.nodes.len() > MAX_NODES {
            return Err(RotationError::Folder { reason: format!("more than {MAX_NODES} nodes") });
        }
        if self.state.nodes.len() > before { self.save() } else { Ok(()) }
    }

    /// Refuses while a node shows the old authority, or one that did so once is not seen any more, unless it is given up.
    pub(super) fn refuse_early(&self, seen: &[Seen], given_up: &BTreeSet<String>) -> Result<(), RotationError> {
        if seen.iter().all(|seen| self.shown_by(&seen.chain) == Shown::Other) {
            return Err(RotationError::NothingSeen);
        }
        let counts = |node: &String| !given_up.contains(node);
        let old: Vec<_> = seen
            .iter()
            .filter(|seen| counts(&seen.node_id) && self.shown_by(&seen.chain) == Shown::Old)
            .cloned()
            .collect();
        let is_unseen = |node: &String| counts(node) && !seen.iter().any(|seen| seen.node_id == *node);
        let unseen: Vec<_> =
            self.state.nodes.iter().filter(|(node, _)| is_unseen(node)).map(|(a, b)| (a.clone(), b.clone())).collect();
        if old.is_empty() && unseen.is_empty() { Ok(()) } else { Err(RotationError::TooEarly { old, unseen }) }
    }
}
