//! What operators changed at run time, kept across restarts beside the configuration: `peers.toml` and `access.toml`
//! in the data directory. The configuration file itself is never written.

mod remains;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
};

use nuncio_admin::api::Rule;
use nuncio_audit::Event;
use nuncio_identity::NodeId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    config::{Access, Node, Peer},
    data_dir::{DataDir, StateFile},
};

/// Peers added to and removed from those of the configuration file. An address is in one list at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PeerChanges {
    added: Vec<Peer>,
    removed: Vec<Peer>,
}

impl PeerChanges {
    pub(crate) fn load(data: &DataDir) -> Result<Self, ChangesError> {
        load(data)
    }

    pub(crate) fn store(&self, data: &DataDir) -> Result<(), ChangesError> {
        store(data, self).map(drop)
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
        load(data)
    }

    pub(crate) fn store(&self, data: &DataDir) -> Result<(), ChangesError> {
        store(data, self).map(drop)
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

    /// What there is to say as long as a copy of a broken file lies beside: whoever was denied in it and could not be read is
    /// let in, which nobody but an operator can tell.
    pub(crate) fn broken(&self, data: &DataDir) -> Option<Event> {
        let copy = data.broken_copy::<Self>()?;
        Some(Event::AccessBroken {
            copy: copy.display().to_string().into(),
            denied: self.deny.len(),
            allowed: self.allow.len(),
        })
    }
}

impl StateFile for PeerChanges {
    const NAME: &'static str = "peers.toml";
    const LOST: &'static str = "compare `nuncio peers` with the copy, and add or remove peers again";

    fn parse(text: &str) -> Result<Self, String> {
        parse(text)
    }

    fn salvage(text: &str) -> (Self, String) {
        let mut left = Self::default();
        for (list, peer) in remains::quoted(text, &["added", "removed"]) {
            match list {
                Some("added") => left.added.push(peer),
                Some(_) => left.removed.push(peer),
                None => {}
            }
        }
        let words = format!("{} peers added and {} removed", left.added.len(), left.removed.len());
        (left, words)
    }

    fn to_text(&self) -> String {
        to_text("peers added and removed by `nuncio peers`", self)
    }
}

impl StateFile for AccessChanges {
    const NAME: &'static str = "access.toml";
    const LOST: &'static str =
        "whom else you denied or allowed at run time is so no more: compare `nuncio access` with the copy";

    fn parse(text: &str) -> Result<Self, String> {
        parse(text)
    }

    fn salvage(text: &str) -> (Self, String) {
        let mut left = Self::default();
        for (list, Node(node)) in remains::ids(text, &["allow", "deny"]) {
            // Of whom it cannot be told was denied rather than allowed: that lets nobody in.
            let rule = if list == Some("allow") && !left.deny.contains(&Node(node)) { Rule::Allow } else { Rule::Deny };
            left.set(node, Some(rule));
        }
        let words = format!("{} nodes denied and {} allowed", left.deny.len(), left.allow.len());
        (left, words)
    }

    fn to_text(&self) -> String {
        to_text("nodes allowed and denied by `nuncio access`", self)
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
}

fn to_text(about: &str, changes: &impl Serialize) -> String {
    let lists = toml::to_string(changes).expect("lists of words are TOML");
    format!("# {about}; written by the node\n{lists}")
}

/// What operators changed cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct ChangesError {
    /// The file.
    path: PathBuf,
    /// Why.
    source: io::Error,
}

impl ChangesError {
    /// What the operator can do about it.
    pub fn hint(&self) -> String {
        let Self { path, source } = self;
        match source.kind() {
            io::ErrorKind::StorageFull => format!("free space on the disk of {}", path.display()),
            io::ErrorKind::IsADirectory => format!("{} must be a file: move the directory away", path.display()),
            io::ErrorKind::FileTooLarge => format!("no node writes so much: move {} away", path.display()),
            _ => format!("make {} readable and writable for the user that runs the node", path.display()),
        }
    }
}

/// Reads a file of the data directory.
///
/// # Errors
/// See [`DataDir::load`].
pub(crate) fn load<T: StateFile>(data: &DataDir) -> Result<T, ChangesError> {
    data.load().map_err(|source| ChangesError { path: data.path().join(T::NAME), source })
}

/// Keeps a file of the data directory for the next start, and says how many bytes that took.
///
/// # Errors
/// See [`DataDir::write`].
pub(crate) fn store<T: StateFile>(data: &DataDir, changes: &T) -> Result<usize, ChangesError> {
    let text = changes.to_text();
    let written = data.write(T::NAME, &text);
    written.map(|()| text.len()).map_err(|source| ChangesError { path: data.path().join(T::NAME), source })
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
    fn a_torn_file_keeps_whoever_stands_whole_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path()).unwrap();
        let [a, b] = [(); 2].map(|()| NodeKey::generate().node_id());
        let mut changes = AccessChanges::default();
        changes.set(a, Some(Rule::Deny));
        changes.set(b, Some(Rule::Deny));
        let whole = changes.to_text();
        let mut denied = Vec::new();
        for length in 0..whole.len() {
            data.write(AccessChanges::NAME, &whole[..length]).unwrap();
            denied.push(AccessChanges::load(&data).unwrap().deny.len());
            assert_eq!(AccessChanges::load(&data).unwrap().deny.len(), denied[length], "it is mended");
        }
        assert!(denied.is_sorted() && denied.contains(&1) && denied.last() == Some(&2), "{denied:?}");
        data.write(AccessChanges::NAME, &format!("{}\0\0\0", &whole[..whole.len() - 9])).unwrap();
        assert_eq!(AccessChanges::load(&data).unwrap().deny.len(), 1);
    }

    #[test]
    fn a_damaged_entry_takes_no_other_with_it_and_is_told_until_somebody_has_looked() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path()).unwrap();
        let [a, b, c] = [(); 3].map(|()| NodeKey::generate().node_id());
        let mut changes = AccessChanges::default();
        for (node, rule) in [(a, Rule::Allow), (b, Rule::Deny), (c, Rule::Deny)] {
            changes.set(node, Some(rule));
        }
        changes.store(&data).unwrap();
        assert_eq!(AccessChanges::load(&data).unwrap().broken(&data), None);
        let first = changes.deny.first().unwrap().to_string();
        for damage in ["g", "\0\0\0\0\0\0\0\0"] {
            let text = changes.to_text().replace(&first, &format!("{damage}{}", &first[damage.len()..]));
            data.write(AccessChanges::NAME, &text).unwrap();
            for _ in 0..2 {
                let left = AccessChanges::load(&data).unwrap();
                assert_eq!(
                    (left.allow.len(), left.deny.iter().collect::<Vec<_>>()),
                    (1, vec![changes.deny.last().unwrap()])
                );
                let told = left.broken(&data).expect("also at the next start");
                assert!(matches!(told, Event::AccessBroken { denied: 1, allowed: 1, .. }), "{told:?}");
            }
            std::fs::remove_file(dir.path().join("access.toml.broken")).unwrap();
            assert_eq!(AccessChanges::load(&data).unwrap().broken(&data), None);
        }
        data.write(AccessChanges::NAME, "").unwrap();
        assert!(AccessChanges::load(&data).unwrap().broken(&data).is_some(), "nobody knows what stood there");
    }

    #[test]
    fn of_broken_peers_those_are_left_that_stand_whole() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path()).unwrap();
        data.write(PeerChanges::NAME, "added = [\"a:1\", \"b:2\"]\nremoved = [\"c:x\", \"d:4\"]\n").unwrap();
        let left = PeerChanges::load(&data).unwrap();
        assert_eq!(left, PeerChanges { added: vec![peer("a:1"), peer("b:2")], removed: vec![] });
        data.write(PeerChanges::NAME, "added = [\"a:1\", \"b:2\"]\nremoved = [\"d:4\", \"c:3").unwrap();
        let left = PeerChanges::load(&data).unwrap();
        assert_eq!(left, PeerChanges { added: vec![peer("a:1"), peer("b:2")], removed: vec![peer("d:4")] });
    }

    #[test]
    fn nonsense_stops_no_start_but_a_directory_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path()).unwrap();
        for nonsense in ["added = [\"nonsense\"]", "unheard = 1", "\0", "\"", "[[[["] {
            data.write(PeerChanges::NAME, nonsense).unwrap();
            assert_eq!(PeerChanges::load(&data).unwrap(), PeerChanges::default(), "{nonsense:?}");
        }
        std::fs::remove_file(dir.path().join(PeerChanges::NAME)).unwrap();
        std::fs::create_dir(dir.path().join(PeerChanges::NAME)).unwrap();
        let error = PeerChanges::load(&data).unwrap_err();
        assert!(error.to_string().contains("peers.toml: ") && error.hint().contains("must be a file"), "{error}");
    }
}
