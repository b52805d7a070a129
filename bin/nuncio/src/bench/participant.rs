//! A participant of a comparison: a harness starts one process for each role of each system, and measures all of them with
//! the same load.
//!
//! It starts `PROGRAM role --role R --work W …`; the process says `@ready` when the next may start. The one that makes the
//! load says `@begin` when it is warm, waits for `@go`, and says `@end` and `@result {…}`; receivers of one-way work say
//! their `@result` after `@stop`. When standard input ends, so does the process.

mod control;
mod message;
mod one_way;
mod recorder;
mod roles;
mod round_trips;

use std::{path::PathBuf, time::Duration};

use nuncio_protocol::Priority;
use serde::Serialize;

use self::{control::Control, roles::Part};
use super::{
    load::Latencies,
    point::{Beside, Point, Work},
};
use crate::{
    failure::Failure,
    testnet::create::{Plan, create},
};

/// What the harness asks for. It knows more flags than a node needs: whose process this is, and ports that are free, where
/// the network finds its own.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// What this process is
    #[arg(long, value_enum)]
    role: Role,
    /// W1: requests, W2: multicast, W3: AMOP unicasts, W4: bulk one way
    #[arg(long, value_parser = work)]
    work: Work,
    /// Bytes in a message
    #[arg(long, default_value_t = 64)]
    payload: usize,
    /// Messages under way at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    in_flight: u32,
    /// Subscribers of a multicast
    #[arg(long, default_value_t = 1)]
    subs: usize,
    /// Which of the processes
    #[arg(long, default_value_t = 0)]
    index: usize,
    /// A directory that all participants share
    #[arg(long = "dir")]
    directory: PathBuf,
    /// Milliseconds measured
    #[arg(long, default_value_t = 1000)]
    measure_ms: u64,
    /// Milliseconds before that
    #[arg(long, default_value_t = 300)]
    warmup_ms: u64,
    /// Messages at the most, before and while it is measured
    #[arg(long, default_value_t = u64::MAX)]
    max_msgs: u64,
    #[arg(long, hide = true)]
    system: Option<String>,
    #[arg(long, hide = true)]
    ports: Option<String>,
}

impl Arguments {
    fn point(&self) -> Point {
        Point {
            work: self.work,
            label: None,
            payload: self.payload,
            in_flight: self.in_flight as usize,
            // A harness names subscribers for every work; bulk has one receiver.
            subscribers: if self.work == Work::Bulk { 1 } else { self.subs },
            publishers: 1,
            relays: 0,
            priority: Priority::Normal,
            beside: Beside::Idle,
            warmup: Duration::from_millis(self.warmup_ms),
            measure: Duration::from_millis(self.measure_ms),
            max_messages: self.max_msgs,
        }
    }

    /// Where the nodes of the measurement have their directories.
    fn network(&self) -> PathBuf {
        self.directory.join("net")
    }

    /// Nodes that the work needs.
    const fn nodes(&self) -> usize {
        match self.work {
            Work::Multicast => self.subs + 1,
            // No harness has a fan-in, or what is measured beside others: its label is refused.
            Work::Unicast | Work::Amop | Work::Bulk | Work::FanIn => 2,
            Work::Fairness | Work::FairnessOfMulticasts | Work::FairnessOfAmop => 2,
        }
    }
}

/// What a process is in a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// Who is asked
    Server,
    /// Who asks
    Client,
    /// A subscriber
    Sub,
    /// The publisher
    Pub,
    /// The node of an SDK that subscribes
    Node0,
    /// The node of an SDK that publishes
    Node1,
}

/// What a process measured, as the harness reads it.
#[derive(Debug, Serialize)]
struct Outcome {
    /// Round trips or deliveries within the measured time.
    count: u64,
    /// The measured time; 0 where the process does not know it.
    elapsed_ns: u64,
    /// Latencies in nanoseconds, and how often each.
    hist: Vec<(u64, u64)>,
    /// Why the figures do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Outcome {
    fn new(count: u64, elapsed: Duration, latencies: &Latencies) -> Self {
        let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        Self { count, elapsed_ns, hist: latencies.pairs(), error: None }
    }
}

/// Plays a role until the harness has what it wants, which ends standard input.
///
/// # Errors
/// When the network cannot be set up, the work has no such role, or a message is lost, cut or late.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let part = Part::of(arguments.work, arguments.role).ok_or_else(|| {
        Failure::usage(format_args!("--role {:?} takes no part in {}", arguments.role, arguments.work.name()))
    })?;
    if arguments.payload < message::HEADER {
        return Err(Failure::usage(format_args!("--payload: at least {} bytes", message::HEADER)));
    }
    if arguments.index == 0 {
        create(&Plan::on_loopback(arguments.network(), arguments.nodes(), 1)?, || ())?;
    }
    let (control, end_of_input) = Control::start();
    // On the main task each message would cost a wake-up of the main thread.
    let role = tokio::spawn(part.play(arguments, control));
    tokio::select! {
        ended = role => ended.map_err(|error| Failure::operation("internal", error))?,
        () = end_of_input => Ok(()),
    }
}

fn work(label: &str) -> Result<Work, String> {
    Work::of_label(label).filter(|work| !matches!(work, Work::FanIn)).ok_or_else(|| "W1, W2, W3 or W4".to_owned())
}
