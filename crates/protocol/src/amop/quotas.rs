use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use nuncio_bounds::Bound;
use nuncio_rights::Allowance;

use super::ClientId;
use crate::Topic;

/// How many bytes clients may publish in a second: payloads and topics, uncompressed. `None` is no limit.
///
/// A limit lets through what comes while its allowance is not used up; a second's worth of it is saved at most, and a
/// message larger than what is left is let through and paid off. Messages of other nodes are never limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublishLimits {
    /// What leaves for other nodes; a multicast counts once for each node with subscribers.
    pub outgoing: Option<u64>,
    /// What one client publishes.
    pub per_client: Option<u64>,
    /// What is published to one topic by the clients here.
    pub per_topic: Option<u64>,
}

/// Most topics, and most clients, whose allowance is remembered; when full, whoever published longest ago starts anew.
const MAX_REMEMBERED: usize = 4096;

/// What is left of the allowances.
#[derive(Debug)]
pub(super) struct Quotas {
    limits: PublishLimits,
    outgoing: Option<Allowance>,
    clients: Allowances<ClientId>,
    topics: Allowances<Topic>,
}

/// Allowances by name, of which the oldest go first.
#[derive(Debug)]
struct Allowances<K> {
    known: BTreeMap<K, Allowance>,
    by_age: BTreeSet<(Instant, K)>,
}

impl Quotas {
    pub(super) const BOUND: Bound = Bound::of_entries::<[(Topic, Allowance, ClientId); 2]>(
        "allowances of topics and clients",
        MAX_REMEMBERED,
        Topic::MAX_LENGTH + 32,
        "whoever published longest ago starts anew",
    );

    pub(super) const fn new(limits: PublishLimits) -> Self {
        Self { limits, outgoing: None, clients: Allowances::new(), topics: Allowances::new() }
    }

    /// Takes a publish from the allowances of its client and its topic, and from the node's what of it leaves at once for
    /// other nodes; false, and nothing taken, when one of them is used up.
    pub(super) fn admit(
        &mut self,
        client: ClientId,
        topic: &Topic,
        bytes: usize,
        outgoing: usize,
        now: Instant,
    ) -> bool {
        let of_client = self.limits.per_client.map(|limit| Allowance::refilled(self.clients.get(&client), limit, now));
        let of_topic = self.limits.per_topic.map(|limit| Allowance::refilled(self.topics.get(topic), limit, now));
        let of_node = self.limits.outgoing.filter(|_| outgoing > 0);
        let of_node = of_node.map(|limit| Allowance::refilled(self.outgoing.as_ref(), limit, now));
        if [of_client, of_topic, of_node].into_iter().flatten().any(Allowance::is_used_up) {
            return false;
        }
        if let Some(allowance) = of_client {
            self.clients.set(client, allowance.less(bytes));
        }
        if let Some(allowance) = of_topic {
            self.topics.set(topic.clone(), allowance.less(bytes));
        }
        if let Some(allowance) = of_node {
            self.outgoing = Some(allowance.less(outgoing));
        }
        true
    }

    /// Takes what leaves for another node later; false, and nothing taken, when that is used up.
    pub(super) fn admit_outgoing(&mut self, bytes: usize, now: Instant) -> bool {
        let Some(limit) = self.limits.outgoing else { return true };
        let allowance = Allowance::refilled(self.outgoing.as_ref(), limit, now);
        let admitted = !allowance.is_used_up();
        self.outgoing = Some(if admitted { allowance.less(bytes) } else { allowance });
        admitted
    }

    pub(super) fn forget(&mut self, client: ClientId) {
        self.clients.remove(&client);
    }
}

impl<K: Ord + Clone> Allowances<K> {
    const fn new() -> Self {
        Self { known: BTreeMap::new(), by_age: BTreeSet::new() }
    }

    fn get(&self, name: &K) -> Option<&Allowance> {
        self.known.get(name)
    }

    fn set(&mut self, name: K, allowance: Allowance) {
        self.remove(&name);
        if self.known.len() >= MAX_REMEMBERED
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.known.remove(&oldest);
        }
        self.by_age.insert((allowance.at, name.clone()));
        self.known.insert(name, allowance);
    }

    fn remove(&mut self, name: &K) {
        if let Some(Allowance { at, .. }) = self.known.remove(name) {
            self.by_age.remove(&(at, name.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_is_saved_and_credit_is_paid_off() {
        let start = Instant::now();
        let mut quotas = Quotas::new(PublishLimits { outgoing: Some(1000), ..PublishLimits::default() });
        assert!(quotas.admit_outgoing(1000, start));
        assert!(!quotas.admit_outgoing(1, start));
        let later = start + Duration::from_secs(60);
        assert!(quotas.admit_outgoing(3000, later), "however large, while something is left");
        assert!(!quotas.admit_outgoing(1, later + Duration::from_secs(2)));
        assert!(quotas.admit_outgoing(1, later + Duration::from_millis(2001)));
    }

    #[test]
    fn what_the_node_may_not_send_is_taken_from_nobody() {
        let now = Instant::now();
        let limits = PublishLimits { outgoing: Some(100), per_client: Some(100), per_topic: None };
        let (mut quotas, topic) = (Quotas::new(limits), Topic::new("t").unwrap());
        assert!(quotas.admit(ClientId(1), &topic, 50, 150, now), "three nodes get it");
        assert!(!quotas.admit(ClientId(2), &topic, 100, 300, now), "the node's is used up");
        assert!(quotas.admit(ClientId(2), &topic, 100, 0, now), "and nothing was taken from the client");
    }

    #[test]
    fn clients_and_topics_have_allowances_of_their_own() {
        let now = Instant::now();
        let limits = PublishLimits { outgoing: None, per_client: Some(100), per_topic: Some(250) };
        let mut quotas = Quotas::new(limits);
        let (a, b) = (Topic::new("a").unwrap(), Topic::new("b").unwrap());
        assert!(quotas.admit(ClientId(1), &a, 100, 0, now) && !quotas.admit(ClientId(1), &a, 1, 0, now));
        assert!(quotas.admit(ClientId(2), &a, 150, 0, now));
        assert!(!quotas.admit(ClientId(3), &a, 1, 0, now), "the topic's is used up");
        assert!(quotas.admit(ClientId(3), &b, 1, 0, now), "and nothing was taken from the client");
        quotas.forget(ClientId(1));
        assert!(quotas.admit(ClientId(1), &b, 1, 0, now));
        assert!(quotas.admit_outgoing(usize::MAX, now));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
        let (now, topic) = (Instant::now(), Topic::new("t").unwrap());
        let mut quotas = Quotas::new(PublishLimits { per_client: Some(1000), ..PublishLimits::default() });
        let most = MAX_REMEMBERED as u64;
        for client in (0..=most).rev() {
            assert!(quotas.admit(ClientId(client), &topic, 2000, 0, now + Duration::from_micros(most - client)));
        }
        assert_eq!((quotas.clients.known.len(), quotas.clients.by_age.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        let later = now + Duration::from_micros(most);
        assert!(quotas.admit(ClientId(most), &topic, 1, 0, later), "forgotten");
        assert!(!quotas.admit(ClientId(0), &topic, 1, 0, later), "the lowest name is not");
    }
}
