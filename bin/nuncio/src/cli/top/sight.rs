//! What the node says at one moment, and how fast it goes since the last one.

use std::{collections::HashMap, time::Instant};

use nuncio_admin::{
    api::{Ending, Peer, Refusals, Status, Topic, Traffic},
    client::{Client, ClientError},
};
use serde::Serialize;

/// All that is shown, of one moment.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Sight {
    pub(super) status: Status,
    pub(super) links: Vec<Peer>,
    pub(super) topics: Vec<Topic>,
    pub(super) traffic: Vec<Traffic>,
    pub(super) refusals: Refusals,
    pub(super) lifetimes: Vec<Ending>,
    #[serde(skip)]
    pub(super) at: Instant,
}

impl Sight {
    pub(super) async fn of(client: &Client) -> Result<Self, ClientError> {
        let (status, links, topics, traffic, refusals, lifetimes) = tokio::try_join!(
            client.status(),
            client.peers(),
            client.topics(),
            client.traffic(),
            client.refusals(),
            client.lifetimes(),
        )?;
        Ok(Self { status, links, topics, traffic, refusals, lifetimes, at: Instant::now() })
    }
}

/// The last sight, the one before it, and why there is no newer one.
#[derive(Debug)]
pub(super) struct Sights {
    pub(super) now: Sight,
    before: Option<Sight>,
    pub(super) trouble: Option<String>,
}

impl Sights {
    pub(super) fn new(now: Sight) -> Self {
        Self { now, before: None, trouble: None }
    }

    /// A newer one, or why there is none.
    pub(super) fn take(&mut self, looked: Result<Sight, ClientError>) {
        match looked {
            Ok(sight) => {
                self.before = Some(std::mem::replace(&mut self.now, sight));
                self.trouble = None;
            }
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }

    /// Bytes a second of each link, received and sent, in the order of the links; `None` while unknown.
    pub(super) fn link_rates(&self) -> Vec<Option<[f64; 2]>> {
        let before: HashMap<_, _> =
            self.before.iter().flat_map(|sight| &sight.links).map(|link| (&link.node_id, link)).collect();
        let rate = |link: &Peer| {
            let then = before.get(&link.node_id)?;
            // A link that came anew counts from zero.
            let received = link.bytes_received?.checked_sub(then.bytes_received?)?;
            let sent = link.bytes_sent?.checked_sub(then.bytes_sent?)?;
            Some([received, sent].map(|bytes| bytes as f64 / self.seconds()))
        };
        self.now.links.iter().map(rate).collect()
    }

    /// Messages and bytes a second of each row of the traffic, in its order.
    pub(super) fn traffic_rates(&self) -> Vec<Option<[f64; 2]>> {
        let before: HashMap<_, _> = self
            .before
            .iter()
            .flat_map(|sight| &sight.traffic)
            .map(|row| ((&row.kind, &row.peer), (messages(row), bytes(row))))
            .collect();
        let rate = |row: &Traffic| {
            self.before.as_ref()?;
            let (then_messages, then_bytes) = before.get(&(&row.kind, &row.peer)).copied().unwrap_or_default();
            let grown = [messages(row).saturating_sub(then_messages), bytes(row).saturating_sub(then_bytes)];
            Some(grown.map(|count| count as f64 / self.seconds()))
        };
        self.now.traffic.iter().map(rate).collect()
    }

    fn seconds(&self) -> f64 {
        let before = self.before.as_ref().map_or(self.now.at, |sight| sight.at);
        self.now.at.saturating_duration_since(before).as_secs_f64().max(1e-3)
    }
}

pub(super) fn messages(row: &Traffic) -> u64 {
    row.messages_received.saturating_add(row.messages_sent)
}

pub(super) fn bytes(row: &Traffic) -> u64 {
    row.bytes_received.saturating_add(row.bytes_sent)
}
