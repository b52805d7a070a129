use std::time::{SystemTime, UNIX_EPOCH};

use axum::{Json, extract::State};
use nuncio_identity::NodeId;
use nuncio_node::{NodeSnapshot, PeerState, Snapshot, TopicSnapshot};
use nuncio_rights::Act;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    Operator,
    api::{DeniedTopic, ErrorCode, Failure, Hop, Info, Node, Route, Status, Topic},
    resolve,
};

use super::{Context, Parameters, Segment, health};

pub(super) async fn status(State(context): State<Context>) -> Json<Status> {
    Json(status_of(&context, &context.node.snapshot()))
}

pub(super) fn status_of(context: &Context, snapshot: &Snapshot) -> Status {
    let ready = health::readiness(snapshot, &*context.operator).iter().all(|check| check.ok);
    Status {
        node_id: snapshot.node_id.to_string(),
        seq: snapshot.seq,
        epoch: snapshot.epoch,
        version: snapshot.version.clone(),
        uptime_s: snapshot.started.elapsed().as_secs(),
        peers: links(snapshot),
        nodes: snapshot.nodes.len(),
        topics: snapshot.topics().len(),
        ready,
        name: snapshot.name.clone(),
        agency: snapshot.agency.clone(),
        listen: snapshot.listen.clone(),
        gateway: context.operator.info().gateway,
        certificate_not_after: snapshot.certificate_not_after,
        duplicate_identities: snapshot.duplicate_identities,
        warnings: warnings(snapshot, &*context.operator, now()),
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn warnings(snapshot: &Snapshot, operator: &dyn Operator, now: u64) -> Vec<String> {
    let close = operator.lifetimes().into_iter().filter(|lifetime| lifetime.is_close(now));
    let close = close.map(|lifetime| lifetime.warning(now));
    let count = snapshot.duplicate_identities;
    let duplicates =
        (count > 0).then(|| format!("a second host with the key of a node was seen {count} times: see the log"));
    close.chain(operator.warnings()).chain(duplicates).collect()
}

/// Query of lists: whether also what is in others' namespaces, or not to be seen here, is shown.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    /// 1 or true for everything that this node knows.
    all: Option<String>,
}

impl Scope {
    fn is_all(&self) -> bool {
        self.all.as_deref().is_some_and(|all| matches!(all, "1" | "true"))
    }
}

pub(super) async fn nodes(
    State(context): State<Context>,
    Parameters(scope): Parameters<Scope>,
) -> Result<Json<Vec<Node>>, Failure> {
    let snapshot = context.node.snapshot();
    Ok(Json(
        snapshot
            .nodes
            .iter()
            .filter(|node| scope.is_all() || context.node.sees(node))
            .map(|node| Node {
                node_id: node.node_id.to_string(),
                seq: node.seq,
                epoch: node.epoch,
                reachable: node.reachable,
                hops: node.hops,
                next_hop: node.next_hop.map(|hop| hop.to_string()),
                topics: seen_topics(&context, scope.is_all(), node),
                name: node.name.clone(),
                agency: node.agency.clone(),
                addresses: node.addresses(),
                application: hex::encode(node.application()),
                revocations: node.revocations(),
                equivocates: node.equivocates,
            })
            .collect(),
    ))
}

pub(super) async fn route(State(context): State<Context>, Segment(node): Segment) -> Result<Json<Route>, Failure> {
    let snapshot = context.node.snapshot();
    let target = resolve::node(&node, &snapshot)?;
    let Some(path) = context.node.route(target).await else {
        return Err(Failure::new(ErrorCode::NoRoute, format!("no path leads to node {}", target.short()))
            .with_hint("see `nuncio nodes` for who can be reached, and `nuncio peers` for this node's links"));
    };
    let hop = |node: &NodeId| {
        let known = snapshot.node(*node);
        let named = |name: fn(&NodeSnapshot) -> &String| known.map(name).cloned().unwrap_or_default();
        Hop { name: named(|node| &node.name), agency: named(|node| &node.agency), node_id: node.to_string() }
    };
    let path: Vec<Hop> = path.iter().map(hop).collect();
    Ok(Json(Route { node_id: target.to_string(), hops: path.len().saturating_sub(1), path }))
}

pub(super) async fn topics(
    State(context): State<Context>,
    Parameters(scope): Parameters<Scope>,
) -> Result<Json<Vec<Topic>>, Failure> {
    Ok(Json(topics_of(&context, &context.node.snapshot(), scope.is_all())))
}

pub(super) fn topics_of(context: &Context, snapshot: &Snapshot, is_all: bool) -> Vec<Topic> {
    let topics = snapshot.topics().into_iter().filter(|shown| is_seen(context, is_all, &shown.topic));
    let shown = |TopicSnapshot { topic, nodes, subscribers, .. }| Topic {
        topic: topic.to_string(),
        nodes: nodes.iter().map(ToString::to_string).collect(),
        subscribers,
    };
    topics.map(shown).collect()
}

fn seen_topics(context: &Context, is_all: bool, node: &NodeSnapshot) -> Vec<String> {
    let seen = node.topics().into_iter().filter(|topic| is_seen(context, is_all, topic));
    seen.map(|topic| topic.to_string()).collect()
}

/// Whether this node is shown a topic.
fn is_seen(context: &Context, is_all: bool, topic: &nuncio_protocol::Topic) -> bool {
    is_all || context.node.judge(Act::See, topic).is_ok()
}

pub(super) async fn denied_topics(State(context): State<Context>) -> Json<Vec<DeniedTopic>> {
    Json(context.operator.denied_topics())
}

pub(super) async fn info(State(context): State<Context>) -> Json<Info> {
    Json(context.operator.info())
}

pub(super) fn links(snapshot: &Snapshot) -> usize {
    snapshot.peers.iter().filter(|peer| peer.state == PeerState::Linked).count()
}
