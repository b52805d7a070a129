//! `nuncio bench`: measures over real processes, one JSON line per result.

use std::{env, str::FromStr, time::Duration};

use nuncio_protocol::Priority;

use crate::{
    bench::{
        self, growth, participant,
        point::{Beside, Point, Work},
        roles,
    },
    cli::text,
    failure::Failure,
    interruption::Interruption,
    output::Output,
};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    apart: Option<Apart>,
    /// What to measure: a request with its payload echoed, one publisher to many subscribers, an AMOP unicast
    /// between two SDK clients, bulk one way, or requests of many nodes to one, which are all measured without it; or these
    /// while much else is under way
    #[arg(value_enum)]
    work: Option<Work>,
    /// Bytes in a message, as 64 or 4KiB; may be given several times
    #[arg(long, value_name = "SIZE", default_values_t = [64], value_parser = text::size::<usize>)]
    payload: Vec<usize>,
    /// Messages under way at once; may be given several times
    #[arg(long, value_name = "N", default_values_t = [1, 64])]
    in_flight: Vec<usize>,
    /// Subscribers of a multicast, each a process
    #[arg(long, value_name = "N", default_value_t = 3)]
    subscribers: usize,
    /// Nodes that ask one node in a fan-in, each a process
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=64))]
    publishers: u8,
    /// Nodes in a line between the two ends of a request, each a process
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..15))]
    relays: u8,
    /// How urgent requests are, and their replies; of all kinds of `fairness` control and normal ones are measured unless
    /// given
    #[arg(long, value_name = "PRIORITY", value_parser = text::priority())]
    priority: Option<Priority>,
    /// Of these, what else is under way; all of it without it
    #[arg(long, value_enum, value_name = "WHAT")]
    beside: Option<Beside>,
    /// Milliseconds measured
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    measure_ms: u64,
    /// Milliseconds before that
    #[arg(long, value_name = "MS", default_value_t = 500)]
    warmup_ms: u64,
    /// Messages at the most
    #[arg(long, value_name = "N", default_value_t = u64::MAX)]
    max_messages: u64,
    /// Be one of the processes: for this command itself
    #[arg(long, hide = true, requires = "directory")]
    role: Option<roles::Role>,
    /// The directory of the measurement: for this command itself
    #[arg(long, hide = true)]
    directory: Option<std::path::PathBuf>,
    /// Which of the processes of one role: for this command itself
    #[arg(long, hide = true, default_value_t = 0)]
    index: usize,
}

#[derive(Debug, clap::Subcommand)]
enum Apart {
    /// Take part in a comparison with other systems, as one of the processes that its harness starts
    Role(participant::Arguments),
    /// What nodes, idle sessions and topics cost as they become more, one JSON line each
    Growth(growth::Arguments),
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    match arguments.apart {
        Some(Apart::Role(arguments)) => return participant::run(arguments).await,
        Some(Apart::Growth(arguments)) => return growth::run(arguments, output).await,
        None => {}
    }
    let points = points(&arguments)?;
    if let (Some(role), Some(directory)) = (arguments.role, arguments.directory) {
        return roles::run(role, &points[0], &directory, arguments.index).await;
    }
    let mut interruption = Interruption::new()?;
    let measuring = output.steps(points.len());
    for point in points {
        let Point { work, payload, in_flight, .. } = &point;
        measuring.say(&format!("{}, {payload} bytes, {in_flight} in flight", work.name()));
        let measured = interruption.end(bench::measure(&point)).await?;
        measuring.aside(|| output.object(&measured))?;
        measuring.step();
    }
    Ok(())
}

/// The points asked for by flags, or the one that a comparison asks for in the environment.
fn points(arguments: &Arguments) -> Result<Vec<Point>, Failure> {
    let base = Point {
        work: Work::Unicast,
        label: None,
        payload: 64,
        in_flight: 1,
        subscribers: arguments.subscribers,
        publishers: arguments.publishers.into(),
        relays: arguments.relays.into(),
        priority: arguments.priority.unwrap_or_default(),
        beside: arguments.beside.unwrap_or(Beside::Idle),
        warmup: Duration::from_millis(arguments.warmup_ms),
        measure: Duration::from_millis(arguments.measure_ms),
        max_messages: arguments.max_messages,
    };
    if let Some(label) = env::var("PB_WORK").ok().filter(|_| arguments.role.is_none()) {
        return Ok(vec![Point {
            work: Work::of_label(&label).ok_or_else(|| {
                Failure::usage(format_args!("PB_WORK is {label:?}: W1, W2x3, W3, W4 and W6 are known"))
            })?,
            label: Some(label),
            payload: variable("PB_PAYLOAD")?.unwrap_or(base.payload),
            in_flight: variable("PB_IN_FLIGHT")?.unwrap_or(base.in_flight),
            subscribers: variable("PB_SUBS")?.unwrap_or(base.subscribers),
            publishers: base.publishers,
            relays: base.relays,
            priority: base.priority,
            beside: base.beside,
            warmup: variable("PB_WARMUP_MS")?.map_or(base.warmup, Duration::from_millis),
            measure: variable("PB_MEASURE_MS")?.map_or(base.measure, Duration::from_millis),
            max_messages: variable("PB_MAX_MSGS")?.unwrap_or(base.max_messages),
        }]);
    }
    let works = arguments.work.map_or_else(|| Work::ALONE.to_vec(), |work| vec![work]);
    let mut points = Vec::new();
    for work in works {
        let has_relays = matches!(work, Work::Unicast | Work::Bulk | Work::Fairness | Work::FairnessOfMulticasts);
        if arguments.relays > 0 && !has_relays {
            return Err(Failure::usage(
                "--relays goes with `unicast`, `bulk`, `fairness` and `fairness-of-multicasts`",
            ));
        }
        for &payload in &arguments.payload {
            for &in_flight in &arguments.in_flight {
                if in_flight == 0 || payload > nuncio_protocol::MAX_BODY {
                    return Err(Failure::usage("at least 1 message in flight, of at most 10 MiB"));
                }
                let point = Point { work, payload, in_flight, ..base.clone() };
                if work.is_fairness() { points.extend(fair(&point, arguments)) } else { points.push(point) }
            }
        }
    }
    Ok(points)
}

/// One measurement for each priority and each thing beside it. Half of what can be sent is more than is urgent.
fn fair(point: &Point, arguments: &Arguments) -> Vec<Point> {
    let priorities = arguments.priority.map_or_else(|| vec![Priority::Control, Priority::Normal], |one| vec![one]);
    let beside = arguments.beside.map_or_else(|| Beside::ALL.to_vec(), |one| vec![one]);
    let all = priorities.iter().flat_map(|priority| beside.iter().map(move |beside| (*priority, *beside)));
    let wanted = all.filter(|(priority, beside)| {
        *beside != Beside::Half || (*priority == Priority::Normal && point.work == Work::Fairness)
    });
    wanted.map(|(priority, beside)| Point { priority, beside, ..point.clone() }).collect()
}

fn variable<T: FromStr>(name: &str) -> Result<Option<T>, Failure> {
    let Ok(text) = env::var(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Failure::usage(format_args!("{name} is {text:?}, which is no number")))
}
