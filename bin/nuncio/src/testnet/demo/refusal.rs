//! Who does not belong: a node with a certificate of another chain.

use std::time::Instant;

use super::{LIMIT, Stage};
use crate::{
    failure::Failure,
    testnet::{
        condition::until,
        create::{NodePlan, Plan, create},
        processes::NodeProcess,
        topology::Topology,
    },
};

/// A stranger dials a node. Both say why it stays outside, and the network stays as it was.
pub(super) async fn foreign_certificate(stage: &Stage) -> Result<String, Failure> {
    let host = &stage.alive()[0].p2p;
    let directory = stage.path().join("foreign");
    let ports = crate::testnet::ports::free_ports(2)?;
    let plan = Plan {
        directory: directory.clone(),
        chain: "foreign",
        agencies: 1,
        topology: Topology::Full,
        bind: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        nodes: vec![NodePlan { host: "127.0.0.1".to_owned(), p2p: ports[0], gateway: ports[1] }],
    };
    let created = tokio::task::spawn_blocking(move || create(&plan, || ()))
        .await
        .map_err(|error| Failure::operation("internal", error))??;
    let stranger = created.nodes.into_iter().next().ok_or_else(|| Failure::usage("no node was made"))?;
    let mut process = NodeProcess::spawn(&stranger.directory)?;
    let verdict = judge(stage, host, &mut process, &stranger.node_id).await;
    process.stop().await;
    verdict
}

async fn judge(stage: &Stage, host: &str, stranger: &mut NodeProcess, node_id: &str) -> Result<String, Failure> {
    stranger.wait_until_alive(LIMIT).await?;
    let started = Instant::now();
    let client = stranger.client().clone();
    client.add_peer(host).await?;
    let reason = until("the stranger is told why it is refused", LIMIT, || async {
        let peers = client.peers().await.map_err(|error| error.to_string())?;
        if peers.iter().any(|peer| peer.state == "linked") {
            return Err("it is linked, which must not be".to_owned());
        }
        peers.into_iter().find_map(|peer| peer.last_error).ok_or_else(|| "it has heard no reason".to_owned())
    })
    .await?;
    let took = started.elapsed();
    for site in stage.alive() {
        let peers = site.client().peers().await?;
        if peers.iter().any(|peer| peer.state == "linked" && peer.node_id.as_deref() == Some(node_id)) {
            return Err(Failure::operation("admitted", format_args!("{} admitted the stranger", site.name)));
        }
    }
    let short = crate::cli::text::short(node_id);
    let admitting = stage.alive()[0];
    until("the node says whom it refused", LIMIT, || async {
        let log = admitting.log_tail();
        let told = log.lines().any(|line| line.contains(&short[..8]));
        if told { Ok(()) } else { Err(format!("{} does not name {short}", admitting.name)) }
    })
    .await?;
    Ok(format!("refused after {took:.0?}, both sides say why: {reason}"))
}
