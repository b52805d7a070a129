//! What each process of a measurement does.

pub(super) mod amop;
pub(super) mod fairness;
pub(super) mod fan_in;
pub(super) mod multicast;
pub(super) mod unicast;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nuncio_daemon::{Daemon, Shutdown, Source};
use nuncio_node::NodeHandle;
use tokio::io::{AsyncReadExt, stdin};

use super::{
    participants::say,
    point::{Point, Work},
};
use crate::{
    failure::{Failure, causes},
    testnet::condition::until,
};

/// How long nodes may take to link.
pub(super) const LINK: Duration = Duration::from_secs(30);

/// How long nothing new is said before nodes are taken to be at rest.
const REST: Duration = Duration::from_millis(500);

/// One kind of process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// A node whose application answers requests.
    Responder,
    /// A node whose application counts multicasts.
    Subscriber,
    /// A node with a gateway.
    Node,
    /// A node whose application asks node 0 without end.
    Publisher,
    /// An SDK client that answers.
    AmopSubscriber,
    /// What makes the load.
    Load,
}

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Responder => "responder",
            Self::Subscriber => "subscriber",
            Self::Node => "node",
            Self::Publisher => "publisher",
            Self::AmopSubscriber => "amop-subscriber",
            Self::Load => "load",
        }
    }
}

/// Plays a role until the load is done, or standard input ends.
pub(crate) async fn run(role: Role, point: &Point, directory: &Path, index: usize) -> Result<(), Failure> {
    // On the main task each message would cost a wake-up of the main thread.
    let role = tokio::spawn(play(role, point.clone(), directory.to_owned(), index));
    tokio::select! {
        ended = role => ended.map_err(|error| Failure::operation("internal", error))?,
        () = end_of_input() => Ok(()),
    }
}

async fn play(role: Role, point: Point, directory: PathBuf, index: usize) -> Result<(), Failure> {
    match (role, point.work) {
        (Role::Responder, Work::FairnessOfMulticasts) => fairness::cast::respond(&directory, index).await,
        (Role::Responder, _) => unicast::respond(&point, &directory, index).await,
        (Role::Subscriber, _) => multicast::subscribe(&point, &directory, index).await,
        (Role::Node, _) => {
            let _node = start(&directory, index).await?;
            say("ready");
            std::future::pending().await
        }
        (Role::Publisher, _) => fan_in::publish(&point, &directory, index).await,
        (Role::AmopSubscriber, _) => amop::subscribe(&directory).await,
        (Role::Load, Work::Unicast | Work::Bulk) => unicast::load(&point, &directory, index).await,
        (Role::Load, Work::Fairness) => fairness::load(&point, &directory, index).await,
        (Role::Load, Work::FairnessOfMulticasts) => fairness::cast::load(&point, &directory, index).await,
        (Role::Load, Work::FairnessOfAmop) => fairness::amop::load(&point, &directory).await,
        (Role::Load, Work::Multicast) => multicast::load(&point, &directory, index).await,
        (Role::Load, Work::FanIn) => fan_in::load(&point, &directory, index).await,
        (Role::Load, Work::Amop) => amop::load(&point, &directory).await,
    }
}

/// A node of the network, running in this process.
pub(super) async fn start(directory: &Path, index: usize) -> Result<NodeHandle, Failure> {
    let config = directory.join(format!("node{index}/nuncio.toml"));
    let daemon = Daemon::from_source(Source::File(config)).map_err(|error| failed(&error))?;
    let bound = daemon.build().await.map_err(|error| failed(&error))?;
    let handle = bound.handle();
    tokio::spawn(async move {
        if let Err(error) = bound.run(Shutdown::new()).await {
            tracing::error!(%error, "the node ended");
        }
    });
    Ok(handle)
}

pub(in crate::bench) fn failed(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::operation("bench", causes(error))
}

/// Waits until so many other nodes are reached, and their status is known.
pub(super) async fn linked(node: &NodeHandle, others: usize) -> Result<(), Failure> {
    until("the nodes are linked", LINK, || async {
        let known = node.snapshot().nodes.iter().filter(|other| other.reachable && other.seq > 0).count();
        if known > others { Ok(()) } else { Err(format!("{known} nodes known")) }
    })
    .await
}

/// Waits until so many other nodes are reached over a link, none over another one, and all of them are at rest: that they link
/// each other, too, is no part of what is measured.
pub(super) async fn meshed(node: &NodeHandle, peers: usize) -> Result<(), Failure> {
    linked(node, peers).await?;
    until("there is a link to each node", LINK, || async {
        let links = node.snapshot().peers.len();
        if links >= peers { Ok(()) } else { Err(format!("{links} links")) }
    })
    .await?;
    let (mut known, mut since) = (Vec::new(), Instant::now());
    until("no node has anything new to say", LINK, || {
        let now: Vec<_> = node.snapshot().nodes.iter().map(|other| (other.node_id, other.seq)).collect();
        if known != now {
            (known, since) = (now, Instant::now());
        }
        std::future::ready(if since.elapsed() >= REST { Ok(()) } else { Err("they still link each other".to_owned()) })
    })
    .await
}

async fn end_of_input() {
    let mut ignored = [0; 64];
    while stdin().read(&mut ignored).await.is_ok_and(|bytes| bytes > 0) {}
}
