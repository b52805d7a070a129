//! Many nodes in one process, each with the links that nodes make by themselves.

use std::{
    env,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use nuncio_node::{Incoming, Node};
use tokio::process::Command;

use super::{Effort, Line, directory, idle};
use crate::{
    bench::{
        process::Process,
        roles::{failed, unicast::ask},
    },
    failure::Failure,
    testnet::{
        condition::until,
        create::{CreatedNode, Plan, create},
        topology::Topology,
    },
};

/// How long all of them may take to know each other.
const LIMIT: Duration = Duration::from_secs(300);

/// Requests under way at once.
const IN_FLIGHT: usize = 64;

/// Measures in a process that does nothing else.
pub(super) async fn in_its_own_process(
    n: usize,
    topology: Topology,
    effort: Effort,
) -> Result<serde_json::Value, Failure> {
    let directory = directory()?;
    let broken = |error: &dyn std::fmt::Display| {
        Failure::operation("bench", format_args!("the process with {n} nodes: {error}"))
    };
    let program = env::current_exe().map_err(|error| broken(&error))?;
    let child = Command::new(program)
        .args(["bench", "growth", "--nodes", &n.to_string()])
        .args(["--rest-ms", &effort.rest_ms.to_string(), "--requests", &effort.requests.to_string(), "--inside"])
        .arg(directory.path())
        .args(topology.is_full().then_some("--full"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| broken(&error))?;
    let ended = child.wait_with_output().await.map_err(|error| broken(&error))?;
    serde_json::from_slice(&ended.stdout).map_err(|_| broken(&ended.status))
}

/// Measures in this process.
pub(super) async fn measure(directory: &Path, n: usize, topology: Topology, effort: Effort) -> Result<Line, Failure> {
    // In a ring each is told two: further links they make themselves, as many as nodes make by default.
    let plan = Plan { topology, ..Plan::on_loopback(directory.join("net"), n, 1)? };
    let created = create(&plan, || ())?.nodes;
    let process = Process::this();
    let (before, begun) = (process.resident()?, Instant::now());
    let mut nodes = Vec::with_capacity(n);
    for (index, node) in created.iter().enumerate() {
        let peers = topology.peers(index, n).into_iter().map(|peer| created[peer].p2p.as_str());
        nodes.push(spawn(node, peers)?);
    }
    for node in &nodes {
        until("all nodes know each other", LIMIT, || async {
            let known = node.snapshot().nodes.iter().filter(|other| other.reachable && other.seq > 0).count();
            if known >= n { Ok(()) } else { Err(format!("{known} of {n} known")) }
        })
        .await?;
    }
    let settled_s = begun.elapsed().as_secs_f64();
    let idle = idle(process, effort).await?;
    let resident = process.resident()?.saturating_sub(before);
    let links = nodes[n / 2].snapshot().peers.len();
    let request_cpu_us = requests(&nodes[0], &nodes[1], (effort.requests, idle)).await?;
    for node in nodes {
        node.stop().await;
    }
    Ok(Line {
        links: Some(links),
        settled_s: Some(settled_s),
        idle_percent: Some(idle * 100.0 / n as f64),
        request_cpu_us: Some(request_cpu_us),
        ..Line::new("nodes", n, resident)
    })
}

fn spawn<'a>(node: &CreatedNode, peers: impl Iterator<Item = &'a str>) -> Result<Node, Failure> {
    let builder = Node::builder().directory(&node.directory).listen(&node.p2p);
    let told = peers.fold(builder, |builder, peer| builder.peer(peer));
    told.spawn().map_err(|error| failed(&error))
}

/// Processor time of one small request and its answer, without what the others take meanwhile.
async fn requests(asker: &Node, answerer: &Node, (count, idle): (u32, f64)) -> Result<f64, Failure> {
    let mut listener = answerer.listen(Vec::new(), true).await;
    let answering = tokio::spawn(async move {
        while let Some(incoming) = listener.next().await {
            if let Incoming::Unicast { body, responder, .. } = incoming {
                responder.reply(body);
            }
        }
    });
    let (target, process, body) = (answerer.snapshot().node_id, Process::this(), Bytes::from_static(&[0x5a; 64]));
    let (before, begun) = (process.cpu_seconds()?, Instant::now());
    let all = stream::iter(0..count).map(|_| ask(asker.handle(), target, body.clone(), body.len()));
    all.buffer_unordered(IN_FLIGHT).try_for_each(|()| async { Ok(()) }).await?;
    let spent = process.cpu_seconds()? - before - idle * begun.elapsed().as_secs_f64();
    answering.abort();
    Ok(spent.max(0.0) * 1e6 / f64::from(count))
}
