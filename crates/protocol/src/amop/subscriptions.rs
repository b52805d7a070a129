use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use nuncio_identity::NodeId;

use super::{
    ClientId, DeliveryId,
    private::{Holder, Subscriber, names},
};
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
    /// The records of nodes with topics.
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

    /// Takes the topics of another node's record; says whether they changed.
    pub(super) fn apply(&mut self, record: &Arc<Record>) -> bool {
        let node = record.status.node;
        let topics = &record.status.topics;
        if self.records.get(&node).map_or(topics.is_empty(), |old| old.status.topics == *topics) {
            return false;
        }
        self.forget(&node);
        if topics.is_empty() {
            return true;
        }
        for (topic, &count) in topics.iter().filter(|(topic, _)| !topic.is_block_notification()) {
            let count = count.min(MAX_WEIGHT);
            if count > 0 {
                let remote = self.remote.entry(topic.clone()).or_default();
                remote.nodes.insert(node, count);
                remote.total += count as usize;
            }
        }
        self.records.insert(node, Arc::clone(record));
        true
    }

    /// Says whether there was anything to forget.
    pub(super) fn forget(&mut self, node: &NodeId) -> bool {
        let Some(record) = self.records.remove(node) else { return false };
        for topic in record.status.topics.keys() {
            let Some(remote) = self.remote.get_mut(topic) else { continue };
            remote.total -= remote.nodes.remove(node).unwrap_or(0) as usize;
            if remote.nodes.is_empty() {
                self.remote.remove(topic);
            }
        }
        true
    }

    pub(super) fn local(&self, topic: &Topic) -> &[ClientId] {
        self.local.get(topic).map_or(&[], Vec::as_slice)
    }

    pub(super) fn remote(&self, topic: &Topic) -> Option<&Remote> {
        self.remote.get(topic)
    }

    /// The sessions here that publish privately, and the topics they publish to.
    pub(super) fn private_publishers(&self) -> Vec<(ClientId, Topic)> {
        let Some(first) = names::beginning_of_publishers() else { return Vec::new() };
        let names = self.local.range(first..).take_while(|(name, _)| names::is_publisher_channel(name));
        names
            .filter_map(|(name, clients)| Some((names::private_of_publisher(name)?, clients)))
            .flat_map(|(topic, clients)| clients.iter().map(move |client| (*client, topic.clone())))
            .collect()
    }

    /// The sessions that subscribe a private topic through a channel that is theirs alone. Nodes out of reach do not
    /// count: what they say may be over.
    pub(super) fn private_subscribers(&self, topic: &Topic, is_reachable: impl Fn(&NodeId) -> bool) -> Vec<Subscriber> {
        let Some(first) = names::beginning_of_channels(topic) else { return Vec::new() };
        let is_near = |channel: &Topic| channel.as_str().starts_with(first.as_str());
        let is_its = |channel: &Topic| names::private_of_channel(channel).as_ref() == Some(topic);
        let here = self.local.range(first.clone()..).take_while(|(channel, _)| is_near(channel));
        let owners_at = |channel: &Topic| {
            let nodes = self.remote(channel).into_iter().flat_map(|remote| &remote.nodes);
            nodes.filter(|(node, _)| is_reachable(node)).map(|(node, &count)| (*node, count)).collect::<Vec<_>>()
        };
        let here = here.filter(|(channel, _)| is_its(channel)).filter_map(|(channel, clients)| match clients[..] {
            [client] if owners_at(channel).is_empty() && self.local(topic).contains(&client) => {
                Some(Subscriber { holder: Holder::Here(client), channel: channel.clone() })
            }
            _ => None,
        });
        let subscribed_at = |node: &NodeId| self.remote(topic).is_some_and(|remote| remote.nodes.contains_key(node));
        let there = self.remote.range(first.clone()..).take_while(|(channel, _)| is_near(channel));
        let there =
            there.filter(|(channel, _)| is_its(channel)).filter_map(|(channel, _)| match owners_at(channel)[..] {
                [(node, 1)] if !self.local.contains_key(channel) && subscribed_at(&node) => {
                    Some(Subscriber { holder: Holder::At(node), channel: channel.clone() })
                }
                _ => None,
            });
        here.chain(there).collect()
    }

    /// The sessions here that a message of another node may go to: at an address its one owner, if it subscribes the
    /// private topic as well.
    pub(super) fn sessions_at(&self, topic: &Topic, is_reachable: impl Fn(&NodeId) -> bool) -> &[ClientId] {
        let Some(channel) = names::channel_at(topic) else {
            return if names::is_private(topic) { &[] } else { self.local(topic) };
        };
        let mut others = self.remote(&channel).into_iter().flat_map(|remote| remote.nodes.keys());
        if others.any(is_reachable) {
            return &[];
        }
        match (self.local(&channel), names::private_of_channel(&channel)) {
            (owner @ [client], Some(private)) if self.local(&private).contains(client) => owner,
            _ => &[],
        }
    }

    /// What the own status says: topics with their subscribers, but for those that mean something at this node only.
    pub(super) fn counts(&self) -> BTreeMap<Topic, u32> {
        let is_own = |topic: &Topic| topic.is_block_notification() || names::is_publisher_channel(topic);
        let advertised = self.local.iter().filter(|(topic, _)| !is_own(topic));
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
