//! `nuncio simulate` and `nuncio replay`: the real core, hundreds of times, on a virtual clock.

use std::{
    env, fs, io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use nuncio_pki::open_file;
use nuncio_testkit::simulator::{Report, Scenario, ScenarioKind, Simulator, Violation, follow, shrink, watch};
use serde_json::json;

use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Nodes at the start
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(2..=Scenario::MAX_NODES as u64))]
    nodes: u64,
    /// What happens to them
    #[arg(long, value_enum, default_value_t = Kind::Churn)]
    scenario: Kind,
    /// The same seed gives the same run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds that the network rests before its traffic at rest is measured
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=Scenario::MAX_REST_S))]
    rest: u64,
    /// Where a failing run is written, made as small as it goes
    #[arg(long, value_name = "FILE", default_value = "nuncio-trace.json")]
    trace: PathBuf,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// All nodes start, each knowing one address
    Join,
    /// One node in ten joins, leaves, crashes or restarts
    Churn,
    /// Two halves, apart and together again
    Partition,
    /// A revocation list is loaded on one node
    Revoke,
    /// One node in twenty follows the protocol badly
    Hostile,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArguments {
    /// A trace that `nuncio simulate` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print every event
    #[arg(long)]
    events: bool,
}

/// How often it is said how far a run is.
const TELLING: Duration = Duration::from_millis(500);

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let kind = match arguments.scenario {
        Kind::Join => ScenarioKind::Join,
        Kind::Churn => ScenarioKind::Churn,
        Kind::Partition => ScenarioKind::Partition,
        Kind::Revoke => ScenarioKind::Revoke,
        Kind::Hostile => ScenarioKind::Hostile,
    };
    let generated = Scenario::generate(kind, arguments.nodes as usize, arguments.seed);
    let scenario = Scenario { rest_s: arguments.rest, ..generated };
    take_large_pages(&scenario);
    let outcome = follow(&scenario, telling(output));
    match outcome {
        Ok(report) => show(&report, output),
        Err(violation) => {
            // First, what is known: whoever has no patience for the smaller one has it all.
            keep(&scenario, &arguments.trace)?;
            output.note(&format!(
                "a promise was not kept {violation}; looking for a smaller run, for two minutes at most"
            ));
            let smaller = {
                let _line = output.passing("looking for a smaller run");
                shrink(&scenario, &violation)
            };
            keep(&smaller, &arguments.trace)?;
            Err(broken(&violation).hint(format!("run it again with: nuncio replay {}", arguments.trace.display())))
        }
    }
}

/// Cores of so many nodes lie in more memory than a processor finds its way through quickly.
const MANY: usize = 256;

/// A thousand cores are met in no order, and with pages of 4 KiB a third of the time goes into looking up where one lies. glibc
/// asks for large pages if it is told so when a program starts: so this one starts anew.
fn take_large_pages(scenario: &Scenario) {
    const TUNABLES: &str = "GLIBC_TUNABLES";
    let mut given = env::args_os();
    if scenario.nodes >= MANY
        && env::var_os(TUNABLES).is_none()
        && let (Ok(program), Some(name)) = (env::current_exe(), given.next())
    {
        // Comes back only where that cannot be; then the run takes longer.
        let _ = Command::new(program).arg0(name).args(given).env(TUNABLES, "glibc.malloc.hugetlb=1").exec();
    }
}

fn keep(scenario: &Scenario, trace: &Path) -> Result<(), Failure> {
    fs::write(trace, scenario.to_json())
        .map_err(|error| Failure::operation("trace", format_args!("cannot write {}: {error}", trace.display())))
}

pub(crate) fn replay(arguments: &ReplayArguments, output: Output) -> Result<(), Failure> {
    let file = arguments.file.display();
    let text = open_file(&arguments.file)
        .and_then(io::read_to_string)
        .map_err(|error| Failure::operation("trace", format_args!("cannot read {file}: {error}")))?;
    let scenario = Scenario::from_json(&text)
        .map_err(|error| Failure::operation("trace", format_args!("{file} is no trace: {error}")))?;
    take_large_pages(&scenario);
    let mut lost = None;
    let outcome = if arguments.events {
        watch(&scenario, |network| {
            if let Some(entry) = network.journal().last() {
                lost = lost.take().or(output.line(&entry.to_string()).err());
            }
        })
    } else {
        follow(&scenario, telling(output))
    };
    match (lost, outcome) {
        (Some(failure), _) => Err(failure),
        (None, Ok(report)) => show(&report, output),
        (None, Err(violation)) => Err(broken(&violation)),
    }
}

/// Says how far a run is, until it is dropped.
fn telling(output: Output) -> impl FnMut(&Simulator) {
    let (mut events, mut told, line) = (0_u64, Instant::now(), output.passing("starting the nodes"));
    move |network| {
        events += 1;
        // A look at the clock costs as much as a small event.
        if events.is_multiple_of(1024) && told.elapsed() >= TELLING {
            told = Instant::now();
            let (time, links) = (network.now().as_secs_f64(), network.link_count());
            line.say(&format!("{time:.1} s of the network's time: {events} events, {links} links"));
        }
    }
}

fn show(report: &Report, output: Output) -> Result<(), Failure> {
    let object = json!({
        "nodes": report.nodes,
        "links": report.links,
        "converged_ms": report.converged_after.as_millis() as u64,
        "messages_per_node_second": report.busy_messages_per_second,
        "bytes_per_node_second": report.busy_bytes_per_second,
        "idle_bytes_per_node_second": report.idle_bytes_per_second,
        "took_ms": report.took.as_millis() as u64,
    });
    output.show_lines(&object, || {
        vec![
            format!("network    {} nodes, {} links", report.nodes, report.links),
            format!("converged  {:.2} s after the last step", report.converged_after.as_secs_f64()),
            format!(
                "traffic    {:.1} messages and {:.0} bytes for each node and second until then; {:.0} bytes at rest",
                report.busy_messages_per_second, report.busy_bytes_per_second, report.idle_bytes_per_second
            ),
            format!("took       {:.1} s", report.took.as_secs_f64()),
        ]
    })
}

fn broken(violation: &Violation) -> Failure {
    Failure::operation("violation", format_args!("a promise was not kept {violation}"))
}
