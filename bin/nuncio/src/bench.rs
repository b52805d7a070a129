//! Measurements over real processes: every node and every client is one of its own, on loopback, with the
//! certificates, the TLS and the defaults that users get.

pub(crate) mod growth;
mod load;
pub(crate) mod participant;
mod participants;
pub(crate) mod point;
mod process;
pub(crate) mod roles;

use std::ops::Range;

use serde::Serialize;

use self::{
    participants::Participants,
    point::{Point, Work},
    roles::Role,
};
use crate::{
    failure::Failure,
    testnet::{
        create::{Plan, create},
        topology::Topology,
    },
};

/// One line of output.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    system: &'static str,
    work: String,
    payload: usize,
    in_flight: usize,
    relays: usize,
    msgs_per_s: f64,
    mb_per_s: f64,
    /// The same again, as programs that compare systems read it.
    #[serde(rename = "MB_per_s")]
    mb_per_s_again: f64,
    p50_us: f64,
    p99_us: f64,
    cpu_s: f64,
    cpu_us_per_msg: f64,
    count: u64,
    elapsed_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    least_share: Option<f64>,
    /// How urgent the messages were, and what was under way beside them.
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    beside: Option<&'static str>,
    /// How much of that there was, and how much at the most there can be of what was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    beside_mb_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_msgs_per_s: Option<f64>,
    security: &'static str,
}

/// Sets up the processes of one point, measures, and takes them down.
pub(crate) async fn measure(point: &Point) -> Result<Line, Failure> {
    let directory = directory()?;
    let network = directory.path().join("net");
    let (nodes, topology) = match point.work {
        Work::Multicast => (point.subscribers + 1, Topology::Full),
        Work::Amop | Work::FairnessOfAmop => (2, Topology::Full),
        Work::Unicast | Work::Bulk | Work::Fairness | Work::FairnessOfMulticasts => (point.relays + 2, Topology::Line),
        Work::FanIn => (point.publishers + 1, Topology::Star),
    };
    create(&Plan { topology, ..Plan::on_loopback(network.clone(), nodes, 1)? }, || ())?;

    let mut participants = Participants::default();
    for (role, places) in passive(point) {
        for index in places {
            participants.start(role, index, point, &network).await?;
        }
    }
    let load = if point.work == Work::FanIn { 0 } else { nodes - 1 };
    let load = participants.start(Role::Load, load, point, &network).await?;
    let (outcome, cpu_s) = participants.measure(load).await?;
    participants.stop().await;
    let per_second = outcome.count as f64 / outcome.elapsed_s;
    let mb_per_s = per_second * point.payload as f64 / 1e6;
    let has_priority = matches!(point.work, Work::Unicast | Work::Bulk) || point.work.is_fairness();
    Ok(Line {
        system: "nuncio",
        work: point.label.clone().unwrap_or_else(|| point.work.name().to_owned()),
        payload: point.payload,
        in_flight: point.under_way(),
        relays: point.relays,
        msgs_per_s: per_second,
        mb_per_s,
        mb_per_s_again: mb_per_s,
        p50_us: outcome.p50_us,
        p99_us: outcome.p99_us,
        cpu_s,
        cpu_us_per_msg: cpu_s * 1e6 / outcome.count.max(1) as f64,
        count: outcome.count,
        elapsed_s: outcome.elapsed_s,
        least_share: outcome.least_share,
        priority: has_priority.then(|| point.priority.name()),
        beside: point.work.is_fairness().then(|| point.beside.name()),
        beside_mb_per_s: outcome.beside_mb_per_s,
        peak_msgs_per_s: outcome.peak_msgs_per_s,
        security: "TLS 1.3 with CA admission",
    })
}

/// Where a measurement has its network; gone with it.
fn directory() -> Result<tempfile::TempDir, Failure> {
    let made = tempfile::Builder::new().prefix("nuncio-bench-").tempdir();
    made.map_err(|error| Failure::operation("file", format_args!("cannot make a directory: {error}")))
}

/// The processes that wait for the load, in the order of their start, and which of the nodes they are.
fn passive(point: &Point) -> Vec<(Role, Range<usize>)> {
    match point.work {
        Work::Unicast | Work::Bulk | Work::Fairness | Work::FairnessOfMulticasts => {
            vec![(Role::Responder, 0..1), (Role::Node, 1..point.relays + 1)]
        }
        Work::Multicast => vec![(Role::Subscriber, 0..point.subscribers)],
        Work::FanIn => vec![(Role::Publisher, 1..point.publishers + 1)],
        Work::Amop | Work::FairnessOfAmop => vec![(Role::Node, 0..2), (Role::AmopSubscriber, 0..1)],
    }
}
