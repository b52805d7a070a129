//! `nuncio health`: for health checks of containers and scripts.

use std::time::{Duration, Instant};

use nuncio_admin::{
    api::Health,
    client::{Client, ClientError},
};
use tokio::time::sleep;

use super::{node::NodeArguments, text};
use crate::{exit_code::Exit, failure::Failure, output::Output};

/// Between two questions of `--wait`: a healthy node is seen soon, a starting one is not bothered.
const PAUSE: Duration = Duration::from_millis(100);

/// Time for one answer.
const ANSWER: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Ask again until the node is ready, at most this long
    #[arg(long, value_name = "DURATION", value_parser = text::duration)]
    wait: Option<Duration>,
    /// Ask only whether the node's event loop turns, not whether it is ready: a node that fails this should be restarted
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let client = arguments.node.connect()?.with_timeout(ANSWER);
    let wait = arguments.wait.unwrap_or_default();
    let health = match wait_until_well(&client, arguments.live, wait, output).await {
        Ok(health) => health,
        Err(error) => return Err(error.into()),
    };
    output.show_lines(&health, || describe(&health, arguments.live, output))?;
    if health.ok {
        return Ok(());
    }
    let missing: Vec<_> = health.checks.iter().filter(|check| !check.ok).map(|check| check.check.as_str()).collect();
    if arguments.live {
        let message = "the node's event loop does not turn";
        return Err(Failure::new(Exit::NotReady, "not_live", message).hint("see its log, and restart it"));
    }
    Err(Failure::new(Exit::NotReady, "not_ready", format_args!("the node is not ready: {}", missing.join(", ")))
        .hint("wait for it with --wait 30s; `nuncio peers` says why a link is missing"))
}

/// The last answer: that all is well, or what there was when the time was up.
async fn wait_until_well(client: &Client, live: bool, wait: Duration, output: Output) -> Result<Health, ClientError> {
    let (started, line) = (Instant::now(), output.passing("waiting for the node"));
    loop {
        let answer = if live { client.livez().await } else { client.readyz().await };
        let done = answer.as_ref().is_ok_and(|health| health.ok) || started.elapsed() + PAUSE > wait;
        if done {
            drop(line);
            return answer;
        }
        sleep(PAUSE).await;
    }
}

fn describe(health: &Health, live: bool, output: Output) -> Vec<String> {
    let (well, unwell) = if live { ("live", "not live") } else { ("ready", "not ready") };
    let mut lines = vec![if health.ok { output.good(well) } else { output.bad(unwell) }];
    lines.extend(health.checks.iter().map(|check| {
        let mark = if check.ok { output.good("ok") } else { output.bad("no") };
        format!("{mark:4} {}: {}", check.check, check.detail)
    }));
    lines
}
