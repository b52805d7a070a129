use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use nuncio_identity::NodeId;

use super::{ClientId, DeliveryId};
use crate::{Topic, status_sync::Record};

/// Most topics of one client; further ones are left out.
const MAX_TOPICS_PER_CLIENT: usize = 512;
/// No node counts for more subscribers than this, whatever it says.
const MAX_WEIGHT: u32 = 4096;

/// Who subscribes what, here and elsewhere.
///
/// Bound: the gateway's clients with [`MAX_TOPICS_PER_CLIENT`] topics each, and the topics of the known records.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    clients: BTreeMap<ClientId, Client>,
    local: BTreeMap<Topic, Vec<ClientId>>,
    remote: BTreeMap<Topic, Remote>,
    records: BTreeMap<NodeId, Arc<Record>>,
}

/// A connected client.
#[derive(Debug, Default)]
pub(super) struct Client {
    topics: BTreeSet<Topic>,
    /// Its publishes that have no reply yet.
    pub(super) publishes: BTreeSet<u64>,
    /// Deliveries it has not acknowledged.
    pub(super) deliveries: BTreeSet<DeliveryId>,
}

/// The subscribers of a topic at other nodes.
#[derive(Debug, Default)]
pub(super) struct Remote {
    pub(super) nodes: BTreeMap<NodeId, u32>,
    pub(super) total: usize,
}

impl Subscriptions {
    pub(super) fn connect(&mut self, client: ClientId) {
        self.clients.entry(client).or_default();
    }

    /// Removes a client and gives it back with what it left open.
    pub(super) fn disconnect(&mut self, client: ClientId) -> Option<Client> {
        let gone = self.clients.remove(&client)?;
        for topic in &gone.topics {
            self.remove_local(topic, client);
        }
        Some(gone)
    }

    pub(super) fn client_mut(&mut self, client: ClientId) -> Option<&mut Client> {
        self.clients.get_mut(&client)
    }

    /// Sets all topics of a client; says whether anything changed.
    pub(super) fn subscribe(&mut self, client: ClientId, mut topics: BTreeSet<Topic>) -> bool {
        while topics.len() > MAX_TOPICS_PER_CLIENT {
            topics.pop_last();
        }
        let Some(entry) = self.clients.get_mut(&client) else { return false };
        let old = std::mem::replace(&mut entry.topics, topics.clone());
        if old == topics {
            return false;
        }
        for topic in old.difference(&topics) {
            self.remove_local(topic, client);
        }
        for topic in topics.difference(&old) {
            self.local.entry(topic.clone()).or_default().push(client);
        }
        true
    }

    /// Takes the topics of another node's record.
    pub(super) fn apply(&mut self, record: &Arc<Record>) {
        let node = record.status.node;
        if self.records.get(&node).is_some_and(|old| old.status.topics == record.status.topics) {
            return;
        }
        self.forget(&node);
        for (topic, &count) in record.status.topics.iter().filter(|(topic, _)| !topic.is_block_notification()) {
            let count = count.min(MAX_WEIGHT);
            if count > 0 {
                let remote = self.remote.entry(topic.clone()).or_default();
                remote.nodes.insert(node, count);
                remote.total += count as usize;
            }
        }
        self.records.insert(node, Arc::clone(record));
    }

    pub(super) fn forget(&mut self, node: &NodeId) {
        let Some(record) = self.records.remove(node) else { return };
        for topic in record.status.topics.keys() {
            let Some(remote) = self.remote.get_mut(topic) else { continue };
            remote.total -= remote.nodes.remove(node).unwrap_or(0) as usize;
            if remote.nodes.is_empty() {
                self.remote.remove(topic);
            }
        }
    }

    pub(super) fn local(&self, topic: &Topic) -> &[ClientId] {
        self.local.get(topic).map_or(&[], Vec::as_slice)
    }

    pub(super) fn remote(&self, topic: &Topic) -> Option<&Remote> {
        self.remote.get(topic)
    }

    /// What the own status says: topics with their subscribers, block notifications left out.
    pub(super) fn counts(&self) -> BTreeMap<Topic, u32> {
        let advertised = self.local.iter().filter(|(topic, _)| !topic.is_block_notification());
        advertised.map(|(topic, clients)| (topic.clone(), u32::try_from(clients.len()).unwrap_or(u32::MAX))).collect()
    }

    fn remove_local(&mut self, topic: &Topic, client: ClientId) {
        if let Some(clients) = self.local.get_mut(topic) {
            clients.retain(|other| *other != client);
            if clients.is_empty() {
                self.local.remove(topic);
            }
        }
    }
}
