use std::collections::BTreeMap;

use axum::{Json, extract::State};
use nuncio_node::NodeSnapshot;

use crate::{
    api::{HeldList, NodeCertificate, SdkCertificate, SdksAt},
    lifetime::DAY,
};

use super::{Context, network::now};

pub(super) async fn list(State(context): State<Context>) -> Json<Vec<NodeCertificate>> {
    let (snapshot, held, now) = (context.node.snapshot(), context.operator.lists(), now());
    Json(snapshot.nodes.iter().filter_map(|node| describe(node, &held, now)).collect())
}

pub(super) async fn sdks(State(context): State<Context>) -> Json<Vec<SdkCertificate>> {
    Json(context.operator.sdk_certificates())
}

pub(super) async fn network_sdks(State(context): State<Context>) -> Json<Vec<SdksAt>> {
    Json(context.operator.network_sdks().await)
}

/// `None` while the node's record is not known.
fn describe(node: &NodeSnapshot, held: &[HeldList], now: u64) -> Option<NodeCertificate> {
    let chain = node.chain();
    let leaf = chain.first()?;
    let not_after = chain.iter().map(|one| one.not_after().as_secs()).min()?;
    let left = i64::try_from(not_after).ok()? - i64::try_from(now).ok()?;
    let roles: Vec<_> = leaf.stated_roles().roles().iter().map(|role| role.as_str()).collect();
    Some(NodeCertificate {
        node_id: node.node_id.clone(),
        name: leaf.common_name().unwrap_or_default(),
        role: (!roles.is_empty()).then(|| roles.join(", ")),
        issuer: leaf.issuer(),
        serial: leaf.serial(),
        not_after,
        days_left: left.div_euclid(i64::try_from(DAY).ok()?),
        reachable: node.reachable,
        lists: lists(node, held),
        chain: chain.iter().map(|one| one.to_pem()).collect(),
    })
}

fn lists(node: &NodeSnapshot, held: &[HeldList]) -> BTreeMap<String, String> {
    let name = |series: &String| held.iter().find(|list| list.series == *series).map(|list| list.issuer.clone());
    let told = node.revocations().into_iter();
    told.map(|(series, place)| (name(&series).unwrap_or(series), place.to_string())).collect()
}
