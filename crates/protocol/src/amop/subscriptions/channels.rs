use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::super::{ClientId, private::names};
use crate::Topic;

/// Whose the channels of private topics are: a channel belongs to the session that listed it first, for as long as that
/// lists it. Who lists it later has no part in it, and does not get it when its owner goes, before it lists its topics
/// again.
///
/// A session that has had a channel is known by a number, drawn at random, so that other nodes see when a name changes
/// hands or a session its channel.
///
/// Bound: the names that clients subscribe, and one number for each client.
#[derive(Debug)]
pub(super) struct Channels {
    owners: BTreeMap<Topic, ClientId>,
    sessions: BTreeMap<ClientId, u32>,
    clients: BTreeMap<u32, ClientId>,
    rng: SmallRng,
}

impl Channels {
    pub(super) fn new(seed: u64) -> Self {
        let (owners, sessions, clients) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { owners, sessions, clients, rng: SmallRng::seed_from_u64(seed) }
    }

    /// Says whether it is the client's now, and was not.
    pub(super) fn claim(&mut self, channel: &Topic, client: ClientId) -> bool {
        let (before, owners) = (self.owners.len(), &mut self.owners);
        owners.entry(channel.clone()).or_insert(client);
        let is_new = owners.len() > before;
        if !self.sessions.contains_key(&client) {
            let session = self.draw();
            self.sessions.insert(client, session);
            self.clients.insert(session, client);
        }
        is_new
    }

    pub(super) fn release(&mut self, channel: &Topic, client: ClientId) {
        if self.owners.get(channel) == Some(&client) {
            self.owners.remove(channel);
        }
    }

    pub(super) fn forget(&mut self, client: ClientId) {
        if let Some(session) = self.sessions.remove(&client) {
            self.clients.remove(&session);
        }
    }

    pub(super) fn owner(&self, channel: &Topic) -> Option<ClientId> {
        self.owners.get(channel).copied()
    }

    pub(super) fn session_of(&self, client: ClientId) -> Option<u32> {
        self.sessions.get(&client).copied()
    }

    pub(super) fn client_of(&self, session: u32) -> Option<ClientId> {
        self.clients.get(&session).copied()
    }

    /// The channels of a private topic, with their owners.
    pub(super) fn of(&self, private: &Topic) -> impl Iterator<Item = (&Topic, ClientId)> {
        let first = names::beginning_of_channels(private);
        let near = first.into_iter().flat_map(|first| {
            let begins = first.clone();
            self.owners.range(first..).take_while(move |(channel, _)| channel.as_str().starts_with(begins.as_str()))
        });
        near.filter(|(channel, _)| names::private_of_channel(channel).as_ref() == Some(private))
            .map(|(channel, owner)| (channel, *owner))
    }

    /// The channels that a client with these topics owns and listens at, with its session.
    pub(super) fn advertised(&self, client: ClientId, topics: &BTreeSet<Topic>) -> Vec<(Topic, u32)> {
        let Some(session) = self.session_of(client) else { return Vec::new() };
        let its = topics.iter().filter(|topic| self.owners.get(topic) == Some(&client));
        let heard = its.filter(|channel| names::private_of_channel(channel).is_some_and(|of| topics.contains(&of)));
        heard.map(|channel| (channel.clone(), session)).collect()
    }

    /// Never 0: that would be nobody's.
    fn draw(&mut self) -> u32 {
        loop {
            let session = self.rng.random_range(1..=u32::MAX);
            if !self.clients.contains_key(&session) {
                return session;
            }
        }
    }
}
