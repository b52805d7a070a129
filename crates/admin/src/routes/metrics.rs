//! The numbers an operator's monitoring wants: what the node counts, and what its snapshot, certificates and audit show now.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::extract::State;
use bytes::Bytes;
use nuncio_audit::Audit;
use nuncio_metrics::{NodeTables, Row};
use nuncio_node::{NodeSnapshot, PeerState, Snapshot};
use tokio::time::Instant;

use super::{
    Context,
    answered::Numbers,
    health,
    network::{self, links},
};
use crate::{Lifetime, api::Info};

/// Between two looks for who need not prove who he is.
const PAUSE: Duration = Duration::from_secs(1);

/// What strangers are told: looked at for all of them together, at most once in each pause.
///
/// Bound: one text.
#[derive(Debug, Default)]
pub(super) struct LastLook(Mutex<Option<(Instant, Bytes)>>);

impl LastLook {
    fn get(&self, look: impl FnOnce() -> Bytes) -> Bytes {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, text)) if at.elapsed() < PAUSE => text.clone(),
            _ => last.insert((Instant::now(), look())).1.clone(),
        }
    }
}

pub(super) async fn metrics(State(context): State<Context>) -> Numbers {
    Numbers(look(&context))
}

/// The same for anybody.
pub(super) async fn of_anybody(State(context): State<Context>) -> Numbers {
    Numbers(context.numbers.get(|| look(&context)))
}

fn look(context: &Context) -> Bytes {
    let (snapshot, operator) = (context.node.snapshot(), &*context.operator);
    let metrics = context.node.metrics();
    let tables = &metrics.tables;
    let ready = health::readiness(&snapshot, operator).iter().all(|check| check.ok);
    tables.ready.set_one(f64::from(u8::from(ready)));
    show_build(tables, &operator.info());
    show_network(tables, &snapshot);
    show_counts(tables, &snapshot);
    show_audit(tables, operator.audit(), operator.audit_status().failing.is_none());
    tables.days_left.set(days_left(&operator.lifetimes(), network::now()));
    metrics.encode().into()
}

fn show_build(tables: &NodeTables, info: &Info) {
    let unknown = || "unknown".to_owned();
    let [commit, date] = [&info.commit, &info.commit_date].map(|known| known.clone().unwrap_or_else(unknown));
    tables.build.set([(vec![info.version.clone(), commit, date], 1.0)]);
}

fn show_network(tables: &NodeTables, snapshot: &Snapshot) {
    let reachable = snapshot.nodes.iter().filter(|node| node.reachable);
    let mut hops: BTreeMap<u8, u32> = BTreeMap::new();
    for count in reachable.clone().filter_map(|node| node.hops) {
        *hops.entry(count).or_default() += 1;
    }
    let (topics, subscribers) = snapshot.count_topics();
    let banned = snapshot.peers.iter().filter(|peer| peer.state == PeerState::Banned).count();
    tables.links.set_one(links(snapshot) as f64);
    tables.peers_banned.set_one(banned as f64);
    tables.nodes.set_one(snapshot.nodes.len() as f64);
    tables.nodes_reachable.set_one(reachable.count() as f64);
    tables.hops.set(hops.into_iter().map(|(hops, nodes)| (vec![hops.to_string()], f64::from(nodes))));
    tables.topics.set_one(topics as f64);
    tables.subscribers.set_one(subscribers as f64);
    tables.revocation_lists.set(revocation_lists(snapshot));
}

fn show_counts(tables: &NodeTables, snapshot: &Snapshot) {
    tables.status_seq.set_one(snapshot.seq as f64);
    tables.certificate_expiry.set_one(snapshot.certificate_not_after as f64);
    tables.uptime.set_one(snapshot.started.elapsed().as_secs() as f64);
    tables.duplicates.set_one(snapshot.duplicate_identities as f64);
    tables.missed.set_one(snapshot.missed as f64);
    tables.lost.set_one(snapshot.lost as f64);
    tables.denied.set_one(snapshot.denied as f64);
    tables.over_quota.set_one(snapshot.over_quota as f64);
    tables.strikes.set(snapshot.strikes.iter().map(|(kind, count)| row(*kind, *count as f64)));
}

/// What was judged and done, by kind, and whether the audit log holds it.
fn show_audit(tables: &NodeTables, audit: &Audit, is_written: bool) {
    tables.audit_events.set(audit.counts().map(|(kind, count)| row(kind, count as f64)));
    tables.audit_missed.set_one(audit.missed() as f64);
    tables.audit_written.set_one(f64::from(u8::from(is_written)));
}

/// The fewest days that anything of a kind is valid, which is when somebody has to act.
fn days_left(lifetimes: &[Lifetime], now: u64) -> Vec<Row> {
    let mut left: BTreeMap<&str, i64> = BTreeMap::new();
    for lifetime in lifetimes {
        let days = lifetime.days_left(now);
        left.entry(lifetime.kind).and_modify(|fewest| *fewest = days.min(*fewest)).or_insert(days);
    }
    left.into_iter().map(|(kind, days)| row(kind, days as f64)).collect()
}

/// The newest list of each issuer that this node holds, by the issuer's series.
fn revocation_lists(snapshot: &Snapshot) -> Vec<Row> {
    let own = snapshot.node(snapshot.node_id);
    let numbers = own.map(NodeSnapshot::revocations).into_iter().flatten();
    numbers.map(|(series, number)| row(series, number as f64)).collect()
}

fn row(label: impl ToString, number: f64) -> Row {
    (vec![label.to_string()], number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_strangers_have_one_look_in_each_pause() {
        let (last, made) = (LastLook::default(), std::cell::Cell::new(0));
        let ask = || {
            last.get(|| {
                made.set(made.get() + 1);
                format!("look {}", made.get()).into()
            })
        };
        assert!((0..100).all(|_| ask() == "look 1"));
        tokio::time::sleep(PAUSE).await;
        assert!((0..100).all(|_| ask() == "look 2"));
    }
}
