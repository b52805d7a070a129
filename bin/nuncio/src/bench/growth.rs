//! What grows with the network: memory and processor time as nodes, sessions of SDKs and topics become more.

mod many_nodes;
mod sessions;
mod topics;

use std::{path::PathBuf, time::Duration};

use serde::Serialize;

use super::{directory, process::Process};
use crate::{failure::Failure, interruption::Interruption, output::Output, testnet::topology::Topology};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Nodes in one process; may be given several times
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=1000))]
    nodes: Vec<u16>,
    /// Link each of these nodes to each, instead of leaving that to them
    #[arg(long, requires = "nodes")]
    full: bool,
    /// Idle sessions of SDKs at one node; may be given several times
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sessions: Vec<u32>,
    /// Topics that clients of one node subscribe; may be given several times
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=200_000))]
    topics: Vec<u32>,
    #[command(flatten)]
    effort: Effort,
    /// Run these nodes in this process: for this command itself
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
}

/// How long, and how often, it is measured.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Effort {
    /// Milliseconds for which something that rests is looked at
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    rest_ms: u64,
    /// Requests between two nodes
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
}

/// One line of output.
#[derive(Debug, Serialize)]
struct Line {
    system: &'static str,
    work: &'static str,
    /// What there were: nodes, sessions, topics.
    of: &'static str,
    /// How many.
    n: usize,
    /// Memory that each of them takes, in KiB.
    each_kib: f64,
    /// Links of a node in the middle.
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<usize>,
    /// From the start until each knew all.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_s: Option<f64>,
    /// Share of a core that each takes when nothing happens, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_percent: Option<f64>,
    /// Processor time of a small request and its answer between two neighbours, at both ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_cpu_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_p99_us: Option<f64>,
}

impl Line {
    fn new(of: &'static str, n: usize, bytes: u64) -> Self {
        Self {
            system: "nuncio",
            work: "growth",
            of,
            n,
            each_kib: bytes as f64 / 1024.0 / n.max(1) as f64,
            links: None,
            settled_s: None,
            idle_percent: None,
            request_cpu_us: None,
            request_p99_us: None,
        }
    }
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let Arguments { nodes, full, sessions, topics, effort, inside } = arguments;
    let topology = if full { Topology::Full } else { Topology::Ring };
    if let (Some(directory), Some(n)) = (&inside, nodes.first()) {
        let measured = many_nodes::measure(directory, usize::from(*n), topology, effort).await?;
        return output.object(&measured);
    }
    if nodes.is_empty() && sessions.is_empty() && topics.is_empty() {
        return Err(Failure::usage("say what grows: --nodes, --sessions or --topics"));
    }
    let mut interruption = Interruption::new()?;
    let measuring = output.steps(nodes.len() + sessions.len() + topics.len());
    for n in nodes {
        measuring.say(&format!("{n} nodes in one process"));
        let line = interruption.end(many_nodes::in_its_own_process(n.into(), topology, effort)).await?;
        measuring.aside(|| output.object(&line))?;
        measuring.step();
    }
    for n in sessions {
        measuring.say(&format!("{n} sessions"));
        let line = interruption.end(sessions::measure(n as usize, effort)).await?;
        measuring.aside(|| output.object(&line))?;
        measuring.step();
    }
    for n in topics {
        measuring.say(&format!("{n} topics"));
        let line = interruption.end(topics::measure(n as usize)).await?;
        measuring.aside(|| output.object(&line))?;
        measuring.step();
    }
    Ok(())
}

/// Processor time that a process takes while nothing happens, in seconds for each second.
async fn idle(process: Process, effort: Effort) -> Result<f64, Failure> {
    let (before, rest) = (process.cpu_seconds()?, Duration::from_millis(effort.rest_ms));
    tokio::time::sleep(rest).await;
    Ok((process.cpu_seconds()? - before) / rest.as_secs_f64())
}
