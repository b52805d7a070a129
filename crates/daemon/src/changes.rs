//! What operators changed at run time, kept across restarts beside the configuration: `peers.toml` and `access.toml`
//! in the data directory. The configuration file itself is never written.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
};

use nuncio_admin::api::Rule;
use nuncio_identity::NodeId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    config::{Access, Node, Peer},
    data_dir::DataDir,
};

const PEERS_FILE: &str = "peers.toml";
const ACCESS_FILE: &str = "access.toml";

/// Peers added to and removed from those of the configuration file. An address is in one list at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PeerChanges {
    added: Vec<Peer>,
    removed: Vec<Peer>,
}

impl PeerChanges {
    pub(crate) fn load(data: &DataDir) -> Result<Self, ChangesError> {
        load(data, PEERS_FILE)
    }

    pub(crate) fn store(&self, data: &DataDir) -> Result<(), ChangesError> {
        store(data, PEERS_FILE, self, "peers added and removed by `nuncio peers`")
    }

    /// The peers that are wanted.
    pub(crate) fn apply_to(&self, configured: &[Peer]) -> Vec<Peer> {
        let mut wanted: Vec<Peer> = Vec::new();
        for peer in configured.iter().chain(&self.added) {
            if !self.removed.contains(peer) && !wanted.contains(peer) {
                wanted.push(peer.clone());
            }
        }
        wanted
    }

    pub(crate) fn add(&mut self, peer: Peer, configured: &[Peer]) {
        self.removed.retain(|other| *other != peer);
        if !configured.contains(&peer) && !self.added.contains(&peer) {
            self.added.push(peer);
        }
    }

    pub(crate) fn remove(&mut self, peer: &Peer, configured: &[Peer]) {
        self.added.retain(|other| other != peer);
        if configured.contains(peer) && !self.removed.contains(peer) {
            self.removed.push(peer.clone());
        }
    }
}

/// Nodes allowed and denied at run time; these come before the configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccessChanges {
    allow: BTreeSet<Node>,
    deny: BTreeSet<Node>,
}

impl AccessChanges {
    pub(crate) fn load(data: &DataDir) -> Result<Self, ChangesError> {
        load(data, ACCESS_FILE)
    }

    pub(crate) fn store(&self, data: &DataDir) -> Result<(), ChangesError> {
        store(data, ACCESS_FILE, self, "nodes allowed and denied by `nuncio access`")
    }

    /// Sets a rule, or takes it back; says whether anything changed.
    pub(crate) fn set(&mut self, node: NodeId, rule: Option<Rule>) -> bool {
        let before = self.clone();
        let node = Node(node);
        self.allow.remove(&node);
        self.deny.remove(&node);
        match rule {
            Some(Rule::Allow) => drop(self.allow.insert(node)),
            Some(Rule::Deny) => drop(self.deny.insert(node)),
            None => {}
        }
        *self != before
    }

    /// The rule of every node that has one, and whether it comes from the configuration.
    pub(crate) fn apply_to(&self, configured: &Access) -> BTreeMap<NodeId, (Rule, bool)> {
        let mut rules = BTreeMap::new();
        // In this order, so that later ones win: deny beats allow, run time beats file.
        rules.extend(configured.allow.iter().map(|node| (node.0, (Rule::Allow, true))));
        rules.extend(configured.deny.iter().map(|node| (node.0, (Rule::Deny, true))));
        rules.extend(self.allow.iter().map(|node| (node.0, (Rule::Allow, false))));
        rules.extend(self.deny.iter().map(|node| (node.0, (Rule::Deny, false))));
        rules
    }
}

/// Why changes cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangesError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file says something that cannot be.
    #[error("{}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

impl ChangesError {
    /// What the operator can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::File { path, source } if source.kind() == io::ErrorKind::StorageFull => {
                format!("free space on the disk of {}", path.display())
            }
            Self::File { path, .. } => {
                format!("make {} readable and writable for the user that runs the node", path.display())
            }
            Self::Invalid { path, .. } => {
                format!("correct {} or remove it; the configuration file alone holds then", path.display())
            }
        }
    }
}

fn load<T: DeserializeOwned + Default>(data: &DataDir, name: &str) -> Result<T, ChangesError> {
    let path = data.path().join(name);
    match data.read(name) {
        Ok(None) => Ok(T::default()),
        Ok(Some(text)) => toml::from_str(&text)
            .map_err(|error: toml::de::Error| ChangesError::Invalid { path, message: error.message().to_owned() }),
        Err(source) => Err(ChangesError::File { path, source }),
    }
}

fn store(data: &DataDir, name: &str, changes: &impl Serialize, about: &str) -> Result<(), ChangesError> {
    let path = data.path().join(name);
    let text = toml::to_string(changes)
        .map_err(|error| ChangesError::Invalid { path: path.clone(), message: error.to_string() })?;
    let text = format!("# {about}; written by the node\n{text}");
    data.write(name, &text).map_err(|source| ChangesError::File { path, source })
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    fn peer(text: &str) -> Peer {
        text.parse().unwrap()
    }

    #[test]
    fn peer_changes_last_and_undo_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path()).unwrap();
        let configured = [peer("a:1"), peer("b:2")];
        let mut changes = PeerChanges::load(&data).unwrap();
        assert_eq!(changes.apply_to(&configured), configured);
        changes.add(peer("c:3"), &configured);
        changes.add(peer("c:3"), &configured);
        changes.remove(&peer("a:1"), &configured);
        changes.store(&data).unwrap();
        let mut changes = PeerChanges::load(&data).unwrap();
        assert_eq!(changes.apply_to(&configured), [peer("b:2"), peer("c:3")]);
        changes.add(peer("a:1"), &configured);
        changes.remove(&peer("c:3"), &configured);
        assert_eq!(changes, PeerChanges::default());
    }

    #[test]
    fn run_time_rules_come_before_the_file_and_deny_before_allow() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path()).unwrap();
        let [a, b, c] = [(); 3].map(|()| NodeKey::generate().node_id());
        let configured = Access { allow: vec![Node(a), Node(b)], deny: vec![Node(b)] };
        let mut changes = AccessChanges::load(&data).unwrap();
        assert_eq!(changes.apply_to(&configured), [(a, (Rule::Allow, true)), (b, (Rule::Deny, true))].into());
        assert!(
            changes.set(a, Some(Rule::Deny)) && changes.set(b, Some(Rule::Allow)) && changes.set(c, Some(Rule::Allow))
        );
        changes.store(&data).unwrap();
        let mut changes = AccessChanges::load(&data).unwrap();
        let expected = [(a, (Rule::Deny, false)), (b, (Rule::Allow, false)), (c, (Rule::Allow, false))];
        assert_eq!(changes.apply_to(&configured), expected.into());
        assert!(changes.set(a, None) && !changes.set(a, None));
        assert_eq!(changes.apply_to(&configured)[&a], (Rule::Allow, true));
    }

    #[test]
    fn a_broken_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path()).unwrap();
        data.write(PEERS_FILE, "added = [\"nonsense\"]").unwrap();
        let error = PeerChanges::load(&data).unwrap_err();
        assert!(error.to_string().contains("peers.toml: ") && error.hint().contains("remove it"), "{error}");
    }
}
