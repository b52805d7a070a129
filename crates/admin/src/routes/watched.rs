//! What an operator watches, each by itself; `watch` sends the same as it changes.

use std::collections::HashMap;

use axum::{Json, extract::State};
use nuncio_identity::NodeId;
use nuncio_metrics::{CounterBy, Label, MessageKind, PeerClass};
use nuncio_node::{PeerState, Snapshot};
use nuncio_protocol::MAX_NODES;

use super::{
    Context,
    network::{self, now},
};
use crate::api::{Ban, Ending, RefusalCount, Refusals, Topic, TopicCount, Topology, TopologyNode, Traffic};

/// Topics that a dashboard is told.
const MAX_TOPICS: usize = 500;

pub(super) async fn traffic(State(context): State<Context>) -> Json<Vec<Traffic>> {
    Json(traffic_of(&context))
}

pub(super) async fn refusals(State(context): State<Context>) -> Json<Refusals> {
    Json(refusals_of(&context, &context.node.snapshot()))
}

pub(super) async fn topology(State(context): State<Context>) -> Json<Topology> {
    Json(topology_of(&context, &context.node.snapshot()))
}

pub(super) async fn lifetimes(State(context): State<Context>) -> Json<Vec<Ending>> {
    Json(endings(&context))
}

/// What there was any of.
pub(super) fn traffic_of(context: &Context) -> Vec<Traffic> {
    let links = &context.node.metrics().links;
    let kinds = <(MessageKind, PeerClass)>::all().into_iter();
    let row = |of: (MessageKind, PeerClass)| Traffic {
        kind: word(of.0),
        peer: word(of.1),
        messages_received: links.messages_received.read(of),
        messages_sent: links.messages_sent.read(of),
        bytes_received: links.bytes_received.read(of),
        bytes_sent: links.bytes_sent.read(of),
    };
    kinds.map(row).filter(|row| row.messages_received + row.messages_sent > 0).collect()
}

pub(super) fn refusals_of(context: &Context, snapshot: &Snapshot) -> Refusals {
    let metrics = context.node.metrics();
    let rule = |(rule, count): (&&str, &u64)| RefusalCount {
        what: "rule".to_owned(),
        cause: (*rule).to_owned(),
        count: *count,
    };
    let links = counted(&metrics.links.refused, |pairs| (format!("link_{}", pairs[0]), pairs[1].to_owned()));
    // Links are told by who dialled, and rules of the gate beside them.
    let doors = metrics.refused.doors().into_iter().filter(|(door, _)| !matches!(*door, "p2p" | "gate"));
    let doors = doors.flat_map(|(door, causes)| {
        causes.into_iter().map(|(cause, count)| RefusalCount { what: door.to_owned(), cause: cause.to_owned(), count })
    });
    let messages = counted(&metrics.links.dropped, |pairs| ("message".to_owned(), pairs[0].to_owned()));
    let mut counts: Vec<_> = links.chain(doors).chain(messages).chain(snapshot.strikes.iter().map(rule)).collect();
    counts.retain(|one| one.count > 0);
    let banned = snapshot.peers.iter().filter(|peer| peer.state == PeerState::Banned);
    let bans = banned.map(|peer| Ban {
        node_id: peer.node_id.map(|node| node.to_string()).unwrap_or_default(),
        name: peer.name.clone(),
        agency: peer.agency.clone(),
        reason: peer.last_error.clone().unwrap_or_default(),
    });
    Refusals { counts, bans: bans.collect(), last: context.refused.last() }
}

/// Each of a counter, by the words of its labels.
fn counted<L: Label>(
    counter: &CounterBy<L>,
    named: impl Fn(Vec<&'static str>) -> (String, String),
) -> impl Iterator<Item = RefusalCount> {
    L::all().into_iter().map(move |of| {
        let (what, cause) = named(of.pairs().into_iter().map(|(_, word)| word).collect());
        RefusalCount { what, cause, count: counter.read(of) }
    })
}

/// Nodes and links, but none that this node may not see.
pub(super) fn topology_of(context: &Context, snapshot: &Snapshot) -> Topology {
    let seen: Vec<_> = snapshot.nodes.iter().filter(|node| context.node.sees(node)).take(MAX_NODES).collect();
    let places: HashMap<NodeId, usize> = seen.iter().enumerate().map(|(place, node)| (node.node_id, place)).collect();
    let names = |from: usize, to: usize| {
        let record = seen[from].record.as_ref();
        record.is_some_and(|record| record.status.neighbours.contains(&seen[to].node_id))
    };
    let (mut links, mut claims) = (Vec::new(), Vec::new());
    for (from, node) in seen.iter().enumerate() {
        for to in node.record.iter().flat_map(|record| &record.status.neighbours) {
            let Some(to) = places.get(to).copied() else { continue };
            match names(to, from) {
                // Of two that say the same, one is told.
                true if from < to => links.push([from, to]),
                true => {}
                false => claims.push([from, to]),
            }
        }
    }
    let shown = |node: &&nuncio_node::NodeSnapshot| TopologyNode {
        node_id: node.node_id.to_string(),
        name: node.name.clone(),
        agency: node.agency.clone(),
        reachable: node.reachable,
        hops: node.hops,
        equivocates: node.equivocates,
    };
    Topology { nodes: seen.iter().map(shown).collect(), links, claims }
}

/// The topics with the most subscribers.
pub(super) fn topics_of(context: &Context, snapshot: &Snapshot) -> Vec<TopicCount> {
    let topics = network::topics_of(context, snapshot, false).into_iter();
    let count = |of: Topic| TopicCount { topic: of.topic, nodes: of.nodes.len(), subscribers: of.subscribers };
    let mut topics: Vec<_> = topics.map(count).collect();
    topics.sort_by(|one, other| (other.subscribers, &one.topic).cmp(&(one.subscribers, &other.topic)));
    topics.truncate(MAX_TOPICS);
    topics
}

/// What ends first comes first.
pub(super) fn endings(context: &Context) -> Vec<Ending> {
    let now = now();
    let lifetimes = context.operator.lifetimes().into_iter();
    let mut endings: Vec<_> = lifetimes
        .map(|lifetime| Ending {
            kind: lifetime.kind.to_owned(),
            not_after: lifetime.not_after,
            days_left: lifetime.days_left(now),
            is_close: lifetime.is_close(now),
            subject: lifetime.subject,
        })
        .collect();
    endings.sort_by(|one, other| (one.not_after, &one.subject).cmp(&(other.not_after, &other.subject)));
    endings
}

fn word(label: impl Label) -> String {
    label.pairs().first().map_or("", |(_, word)| word).to_owned()
}
