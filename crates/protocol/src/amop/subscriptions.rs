//! Who subscribes what, here and elsewhere.

mod channels;
mod elsewhere;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use self::{channels::Channels, elsewhere::Elsewhere};
use super::{
    ClientId, Payer, TenantId,
    guard::Guard,
    private::{Holder, Subscriber, names},
};
use crate::{MAX_CLIENT_TOPIC_BYTES, MAX_CLIENTS_TOPIC_BYTES, MAX_TOPIC_BYTES, TOPIC_COST, Topic, status_sync::Record};

/// What a name takes at the most, in bytes.
const TAKEN: usize = 256;

/// The topics of the clients here and of the nodes elsewhere.
///
/// Bounds: [`MAX_CLIENT_TOPIC_BYTES`] and [`MAX_CLIENTS_TOPIC_BYTES`] bytes of names here; a client that would take more is refused whole and
/// keeps what it had. Elsewhere, the topics of the known records.
#[derive(Debug)]
pub(super) struct Subscriptions {
    clients: BTreeMap<ClientId, Client>,
    /// Bytes of all names.
    bytes: usize,
    /// All topics but channels, with their subscribers.
    local: BTreeMap<Topic, Vec<ClientId>>,
    channels: Channels,
    elsewhere: Elsewhere,
}

#[derive(Debug)]
struct Client {
    topics: BTreeSet<Topic>,
    payer: Payer,
}

/// A client's topics take too many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany {
    pub(super) bytes: usize,
    pub(super) limit: usize,
}

/// What a change of topics means to others.
#[derive(Debug)]
pub(super) struct Changed {
    /// Whether other nodes are told something else now.
    pub(super) is_told: bool,
    /// The private topics to which somebody has come, or from which somebody has gone.
    pub(super) private: BTreeSet<Topic>,
}

impl Subscriptions {
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "topics that clients here subscribe",
        MAX_CLIENTS_TOPIC_BYTES / (TOPIC_COST + 1) * TAKEN,
        "a list that is too long is refused whole, and the former one stays",
    )
    .in_entries(MAX_CLIENTS_TOPIC_BYTES / (TOPIC_COST + 1));

    pub(super) fn new(seed: u64) -> Self {
        let (clients, local) = Default::default();
        Self { clients, bytes: 0, local, channels: Channels::new(seed), elsewhere: Elsewhere::default() }
    }

    pub(super) fn handle_connected(&mut self, client: ClientId, tenant: Option<TenantId>) {
        let payer = tenant.map_or(Payer::Client(client), Payer::Tenant);
        self.clients.entry(client).or_insert_with(|| Client { topics: BTreeSet::new(), payer });
    }

    /// Removes a client; says what that changes, `None` when it was not there.
    pub(super) fn handle_disconnected(&mut self, client: ClientId) -> Option<Changed> {
        let Client { topics: gone, .. } = self.clients.remove(&client)?;
        self.bytes -= bytes_of(&gone);
        let before = self.channels.advertised(client, &gone);
        for topic in &gone {
            self.remove(topic, client);
        }
        self.channels.forget(client);
        let private = gone.iter().filter_map(names::private_of).collect();
        Some(Changed { is_told: !before.is_empty() || gone.iter().any(is_told), private })
    }

    /// Sets all topics of a client; says what that changes, `None` when nothing.
    ///
    /// # Errors
    /// When they are too many: the former ones stay.
    pub(super) fn handle_subscribe(
        &mut self,
        client: ClientId,
        topics: BTreeSet<Topic>,
    ) -> Result<Option<Changed>, TooMany> {
        let Some(known) = self.clients.get_mut(&client) else { return Ok(None) };
        let (bytes, former) = (bytes_of(&topics), bytes_of(&known.topics));
        let limit = MAX_CLIENT_TOPIC_BYTES.min(MAX_CLIENTS_TOPIC_BYTES - (self.bytes - former));
        if bytes > limit && bytes > former {
            return Err(TooMany { bytes, limit });
        }
        self.bytes = self.bytes - former + bytes;
        let old = std::mem::replace(&mut known.topics, topics.clone());
        let before = self.channels.advertised(client, &old);
        for topic in old.difference(&topics) {
            self.remove(topic, client);
        }
        for topic in topics.difference(&old) {
            if !names::is_channel(topic) {
                self.local.entry(topic.clone()).or_default().push(client);
            }
        }
        let mut private: BTreeSet<_> = old.symmetric_difference(&topics).filter_map(names::private_of).collect();
        // Also of the names it had: their former owner may be gone.
        for channel in topics.iter().filter(|topic| names::is_channel(topic)) {
            if self.channels.claim(channel, client) {
                private.extend(names::private_of_channel(channel));
            }
        }
        let after = self.channels.advertised(client, &topics);
        let is_told = before != after || old.symmetric_difference(&topics).any(is_told);
        Ok((is_told || old != topics).then_some(Changed { is_told, private }))
    }

    /// Takes the topics of another node's record; says which private ones changed.
    pub(super) fn handle_record(&mut self, record: &Arc<Record>, guard: &Guard) -> BTreeSet<Topic> {
        self.elsewhere.apply(record, |record, topic| guard.may_subscribe(record, topic))
    }

    /// Other nodes may subscribe something else than before.
    pub(super) fn handle_rights_changed(&mut self, guard: &Guard) {
        self.elsewhere.review(|record, topic| guard.may_subscribe(record, topic));
    }

    /// Says which private topics the node had.
    pub(super) fn handle_forgotten(&mut self, node: &NodeId) -> BTreeSet<Topic> {
        self.elsewhere.forget(node)
    }

    /// The private topics of another node.
    pub(super) fn private_at(&self, node: &NodeId) -> BTreeSet<Topic> {
        self.elsewhere.private_at(node)
    }

    /// Who pays for a client that is there.
    pub(super) fn payer_of(&self, client: ClientId) -> Option<Payer> {
        self.clients.get(&client).map(|known| known.payer)
    }

    pub(super) fn local(&self, topic: &Topic) -> &[ClientId] {
        self.local.get(topic).map_or(&[], Vec::as_slice)
    }

    /// The nodes elsewhere with subscribers of a topic, and how many.
    pub(super) fn nodes(&self, topic: &Topic) -> impl Iterator<Item = (NodeId, usize)> {
        self.elsewhere.nodes(topic).map(|(node, count)| (node, count as usize))
    }

    /// Subscribers elsewhere.
    pub(super) fn count_elsewhere(&self, topic: &Topic) -> usize {
        self.elsewhere.total(topic)
    }

    /// Subscribers at one node.
    pub(super) fn count_at(&self, topic: &Topic, node: &NodeId) -> usize {
        self.elsewhere.count(topic, node) as usize
    }

    /// The private topics that somebody here publishes to.
    pub(super) fn privately_published(&self) -> impl Iterator<Item = Topic> {
        let near = names::beginning_of_publishers().into_iter().flat_map(|first| self.local.range(first..));
        let names = near.take_while(|(name, _)| names::is_publisher_channel(name));
        names.filter_map(|(name, _)| names::private_of_publisher(name))
    }

    /// The sessions here that publish to a private topic, each with who pays for it.
    pub(super) fn private_publishers(&self, topic: &Topic) -> Vec<(ClientId, Payer)> {
        let clients = names::publishers_of(topic).map(|name| self.local(&name)).unwrap_or_default();
        clients.iter().filter_map(|client| Some((*client, self.payer_of(*client)?))).collect()
    }

    /// The sessions that subscribe a private topic, each with its channel. Nodes out of reach do not count: what they say
    /// may be over.
    pub(super) fn private_subscribers(
        &self,
        topic: &Topic,
        is_reachable: impl Fn(&NodeId) -> bool,
    ) -> Vec<(Subscriber, Topic)> {
        let here = self.channels.of(topic).filter(|(_, owner)| self.subscribes(*owner, topic));
        let here = here.filter_map(|(channel, owner)| {
            let subscriber = Subscriber { holder: Holder::Here(owner), session: self.channels.session_of(owner)? };
            Some((subscriber, channel.clone()))
        });
        let there = self.elsewhere.channels(topic);
        let there = there.filter(|(_, node, ..)| is_reachable(node) && self.count_at(topic, node) > 0);
        let there = there.map(|(channel, node, epoch, session)| {
            (Subscriber { holder: Holder::At { node, epoch }, session }, channel.clone())
        });
        here.chain(there).collect()
    }

    /// The sessions here that a message of another node may go to: at an address the session it names, if it still
    /// subscribes the private topic; at a channel its owner.
    pub(super) fn receivers(&self, topic: &Topic) -> Cow<'_, [ClientId]> {
        let one = |client: Option<ClientId>, private: &Topic| {
            client.filter(|client| self.subscribes(*client, private)).into_iter().collect::<Vec<_>>().into()
        };
        if let Some((private, session)) = names::at_address(topic) {
            return one(self.channels.client_of(session), &private);
        }
        if let Some(private) = names::private_of_channel(topic) {
            return one(self.channels.owner(topic), &private);
        }
        let nobody = names::is_private(topic) || topic.is_block_notification() || names::is_publisher_channel(topic);
        if nobody { Cow::Borrowed(&[]) } else { Cow::Borrowed(self.local(topic)) }
    }

    /// What the own status says: topics with their subscribers, but for those that mean something at this node only. Of a
    /// channel it says which session owns it.
    pub(super) fn told(&self) -> BTreeMap<Topic, u32> {
        let counts = self.local.iter().filter(|(topic, _)| is_told(topic));
        let counts = counts.map(|(topic, clients)| (topic.clone(), u32::try_from(clients.len()).unwrap_or(u32::MAX)));
        let owned = self.clients.iter().flat_map(|(client, known)| self.channels.advertised(*client, &known.topics));
        counts.chain(owned).collect()
    }

    /// The same where the status cannot hold all: everybody's topics in turn, by their bytes, so that nobody's many keep another's
    /// few out. Of each payer those come first that were named before.
    pub(super) fn told_in_turn(&self, is_named: impl Fn(&Topic) -> bool) -> Vec<(Topic, u32)> {
        let told = self.told();
        if told.keys().map(Topic::cost).sum::<usize>() <= MAX_TOPIC_BYTES {
            return told.into_iter().collect();
        }
        let mut theirs: BTreeMap<Payer, BTreeSet<(bool, &Topic)>> = BTreeMap::new();
        for Client { topics, payer } in self.clients.values() {
            let topics = topics.iter().filter(|topic| told.contains_key(topic));
            theirs.entry(*payer).or_default().extend(topics.map(|topic| (!is_named(topic), topic)));
        }
        // Behind how many bytes of the same payer a topic comes, where it comes soonest.
        let mut turns: BTreeMap<&Topic, usize> = BTreeMap::new();
        for topics in theirs.values() {
            let mut behind = 0;
            for (_, topic) in topics {
                let turn = turns.entry(topic).or_insert(behind);
                *turn = behind.min(*turn);
                behind += topic.cost();
            }
        }
        let mut told: Vec<_> = told.into_iter().collect();
        told.sort_by_key(|(topic, _)| turns.get(topic).copied());
        told
    }

    fn subscribes(&self, client: ClientId, topic: &Topic) -> bool {
        self.clients.get(&client).is_some_and(|known| known.topics.contains(topic))
    }

    fn remove(&mut self, topic: &Topic, client: ClientId) {
        self.channels.release(topic, client);
        if let Some(clients) = self.local.get_mut(topic) {
            clients.retain(|other| *other != client);
            if clients.is_empty() {
                self.local.remove(topic);
            }
        }
    }
}

fn bytes_of(topics: &BTreeSet<Topic>) -> usize {
    topics.iter().map(Topic::cost).sum()
}

/// Whether other nodes are told of a topic's subscribers. Of channels they are told if the session that owns it
/// subscribes the private topic, too.
fn is_told(topic: &Topic) -> bool {
    !(topic.is_block_notification() || names::is_publisher_channel(topic) || names::is_channel(topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: &str = "#!$TopicNeedVerify_t";

    /// Whether others are told.
    fn set(subscriptions: &mut Subscriptions, client: u64, topics: &[&str]) -> Option<bool> {
        let topics = topics.iter().map(|topic| Topic::new(topic).unwrap()).collect();
        subscriptions.handle_connected(ClientId(client), None);
        subscriptions.handle_subscribe(ClientId(client), topics).unwrap().map(|changed| changed.is_told)
    }

    fn leave(subscriptions: &mut Subscriptions, client: u64) -> Option<bool> {
        subscriptions.handle_disconnected(ClientId(client)).map(|changed| changed.is_told)
    }

    #[test]
    fn others_are_told_only_what_is_news_to_them() {
        let mut subscriptions = Subscriptions::new(1);
        let (own, told) = (Some(false), Some(true));
        let channel = format!("#!$VerifyChannel_{PRIVATE}_{}", "a".repeat(32));
        assert_eq!(set(&mut subscriptions, 1, &["_block_notify_1", "#!$PushChannel_#!$TopicNeedVerify_t"]), own);
        assert_eq!(leave(&mut subscriptions, 1), own);
        assert_eq!(set(&mut subscriptions, 2, &["t"]), told);
        assert_eq!(set(&mut subscriptions, 2, &["t"]), None);
        assert_eq!(set(&mut subscriptions, 2, &["t", &channel]), own, "a channel without its topic");
        assert_eq!(set(&mut subscriptions, 2, &["t", &channel, PRIVATE]), told);
        assert_eq!(set(&mut subscriptions, 3, &[&channel]), own, "it has an owner");
        assert_eq!(leave(&mut subscriptions, 3), own);
        assert_eq!(subscriptions.told().len(), 3);
        assert_eq!(leave(&mut subscriptions, 2), told);
        assert!(subscriptions.told().is_empty() && subscriptions.bytes == 0);
    }

    #[test]
    fn only_private_topics_that_somebody_came_to_or_left_are_to_be_reviewed() {
        let mut subscriptions = Subscriptions::new(1);
        let (push, channel) =
            (format!("#!$PushChannel_{PRIVATE}"), format!("#!$VerifyChannel_{PRIVATE}_{}", "a".repeat(32)));
        let mut review = |client, topics: &[&str]| {
            let topics = topics.iter().map(|topic| Topic::new(topic).unwrap()).collect();
            subscriptions.handle_connected(ClientId(client), None);
            let changed = subscriptions.handle_subscribe(ClientId(client), topics).unwrap();
            changed.map(|changed| changed.private.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(review(1, &[&push]), Some(vec![PRIVATE.to_owned()]));
        assert_eq!(review(1, &[&push, "x"]), Some(vec![]), "another topic is none of theirs");
        assert_eq!(review(2, &[&channel, PRIVATE]), Some(vec![PRIVATE.to_owned()]));
        assert_eq!(review(3, &[&channel, "y"]), Some(vec![PRIVATE.to_owned()]));
        assert_eq!(review(2, &["z"]), Some(vec![PRIVATE.to_owned()]));
        assert_eq!(review(3, &[&channel]), Some(vec![PRIVATE.to_owned()]), "its former owner has gone");
        let changed = subscriptions.handle_disconnected(ClientId(2)).unwrap();
        assert!(changed.private.is_empty());
    }

    #[test]
    fn who_pays_for_a_client_is_known_while_it_is_there() {
        let mut subscriptions = Subscriptions::new(1);
        subscriptions.handle_connected(ClientId(1), Some(TenantId(7)));
        subscriptions.handle_connected(ClientId(2), None);
        set(&mut subscriptions, 1, &["t"]);
        let payers = [1, 2, 3].map(|client| subscriptions.payer_of(ClientId(client)));
        assert_eq!(payers, [Some(Payer::Tenant(TenantId(7))), Some(Payer::Client(ClientId(2))), None]);
        subscriptions.handle_disconnected(ClientId(1));
        assert_eq!(subscriptions.payer_of(ClientId(1)), None);
    }
}
