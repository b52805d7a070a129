use std::collections::BTreeMap;

use axum::{Json, extract::State};
use nuncio_node::NodeSnapshot;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::{Failure, HeldList, NodeCertificate, SdkCertificate, SdksAt},
    lifetime::DAY,
};

use super::{Context, Parameters, network::now};

/// Query of the certificates.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Detail {
    /// 0: without the certificates themselves.
    chain: Option<String>,
}

pub(super) async fn list(
    State(context): State<Context>,
    Parameters(detail): Parameters<Detail>,
) -> Result<Json<Vec<NodeCertificate>>, Failure> {
    let (snapshot, held, now) = (context.node.snapshot(), context.operator.lists(), now());
    let mut all: Vec<_> = snapshot.nodes.iter().filter_map(|node| describe(node, &held, now)).collect();
    if detail.chain.as_deref() == Some("0") {
        all.iter_mut().for_each(|one| one.chain.clear());
    }
    Ok(Json(all))
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
        node_id: node.node_id.to_string(),
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
