//! Who shows certificates of which authority.

use std::collections::BTreeSet;

use rustls_pki_types::UnixTime;

use super::{
    ID_DIGITS, MAX_NAME, MAX_NODES, Rank, Rotation, RotationError,
    succession::{is_same, line},
};
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

/// What is issued anew of that which only the network shows. A thief of the old key shows certificates too, and what is
/// issued anew for them outlives that key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chosen {
    /// Of these nodes, by their whole IDs.
    Nodes(BTreeSet<String>),
    /// Of every node, where nobody else ever had the old key.
    AllSeen,
}

impl Chosen {
    pub(super) fn takes(&self, seen: &Seen) -> bool {
        match self {
            Self::Nodes(nodes) => nodes.contains(&seen.node_id),
            Self::AllSeen => true,
        }
    }
}

impl Default for Chosen {
    fn default() -> Self {
        Self::Nodes(BTreeSet::new())
    }
}

impl Seen {
    pub(super) fn label(&self) -> String {
        label(&self.node_id, &self.name)
    }
}

/// The SDKs that have sessions at one node, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdksAt {
    /// The node's ID, hexadecimal.
    pub node_id: String,
    /// The name in its certificate.
    pub name: String,
    /// Who issued their certificates, and who issued that, up to the authority that the node trusts; and how many sessions.
    pub issuers: Vec<(Vec<Certificate>, u32)>,
    /// Why it is not known of some or all of them.
    pub unknown: Option<String>,
}

/// What is known of SDKs when an authority is retired.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Sdks<'a> {
    /// Each node was asked.
    Told(&'a [SdksAt]),
    /// Those that show the old authority still may be cut off.
    CutOff,
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
            Rank::Root => {
                let ends = |one: &Certificate| is_same(one, old) || new.is_some_and(|new| is_same(one, new));
                let line = line(chain, ends, |one| one.is_valid_at(UnixTime::now()));
                line.into_iter().any(|one| one.is_signed_by(old))
            }
        };
        match (is_new, is_old) {
            (true, _) => Shown::New,
            (false, true) => Shown::Old,
            (false, false) => Shown::Other,
        }
    }

    /// What SDKs show whose certificates came from the first of these authorities, below the others.
    pub fn shown_by_issuers(&self, issuers: &[Certificate]) -> Shown {
        let decides = match self.state.rank {
            Rank::Agency => issuers.first(),
            // Where the node found its way up: of two roots that it trusts, the one that lasts longer.
            Rank::Root => issuers.last(),
        };
        match decides {
            Some(one) if self.new_authority().is_some_and(|new| is_same(one, new)) => Shown::New,
            Some(one) if is_same(one, self.old()) => Shown::Old,
            _ => Shown::Other,
        }
    }

    /// Remembers the nodes of this authority, so that one that has gone away is missed: 16,384 of them. Where there are more,
    /// one that is reachable takes the place of one that is not.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub fn note(&mut self, seen: &[Seen]) -> Result<(), RotationError> {
        let is_new = |one: &&Seen| one.node_id.len() <= ID_DIGITS && !self.state.nodes.contains_key(&one.node_id);
        let mut ours: Vec<_> =
            seen.iter().filter(is_new).filter(|seen| self.shown_by(&seen.chain) != Shown::Other).collect();
        if ours.is_empty() {
            return Ok(());
        }
        ours.sort_by_key(|seen| !seen.reachable);
        let reachable: BTreeSet<_> = seen.iter().filter(|one| one.reachable).map(|one| &one.node_id).collect();
        let unreachable = |node: &&String| !reachable.contains(node);
        let mut droppable: Vec<_> = self.state.nodes.keys().filter(unreachable).cloned().collect();
        for one in ours {
            if self.state.nodes.len() >= MAX_NODES {
                let Some(dropped) = droppable.pop().filter(|_| one.reachable) else { break };
                self.state.nodes.remove(&dropped);
            }
            self.state.nodes.insert(one.node_id.clone(), remembered(&one.name));
        }
        self.save()
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

    /// The same for SDKs: refuses while some show the old authority, or a node does not say what its SDKs show.
    pub(super) fn refuse_early_for_sdks(
        &self,
        seen: &[Seen],
        sdks: Sdks<'_>,
        given_up: &BTreeSet<String>,
    ) -> Result<(), RotationError> {
        let Sdks::Told(nodes) = sdks else { return Ok(()) };
        let (mut old, mut unknown) = (Vec::new(), Vec::new());
        for node in nodes.iter().filter(|node| !given_up.contains(&node.node_id)) {
            let is_old = |(issuers, _): &&(Vec<Certificate>, u32)| self.shown_by_issuers(issuers) == Shown::Old;
            let sessions: u64 = node.issuers.iter().filter(is_old).map(|(_, sessions)| u64::from(*sessions)).sum();
            old.extend((sessions > 0).then(|| (node.label(), sessions)));
            unknown.extend(node.unknown.as_ref().map(|reason| (node.label(), nuncio_plain::short(reason, 120))));
        }
        let is_asked = |node: &str| nodes.iter().any(|asked| asked.node_id == node);
        let unasked = seen.iter().filter(|seen| !given_up.contains(&seen.node_id) && !is_asked(&seen.node_id));
        unknown.extend(unasked.map(|seen| (seen.label(), "it was not asked".to_owned())));
        if old.is_empty() && unknown.is_empty() { Ok(()) } else { Err(RotationError::SdksTooEarly { old, unknown }) }
    }
}

impl SdksAt {
    fn label(&self) -> String {
        label(&self.node_id, &self.name)
    }
}

/// The beginning of a name, which somebody else chose: characters of any width.
fn remembered(name: &str) -> String {
    let mut shown = nuncio_plain::short(name, MAX_NAME);
    shown.truncate(shown.floor_char_boundary(MAX_NAME));
    shown
}

/// For whoever reads it: the name is of the node's own choice.
fn label(node_id: &str, name: &str) -> String {
    format!("{} ({})", nuncio_plain::short(name, 64), node_id.get(..8).unwrap_or(node_id))
}
