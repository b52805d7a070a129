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
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let client = arguments.node.connect()?.with_timeout(ANSWER);
    let wait = arguments.wait.unwrap_or_default();
    let health = match wait_until_ready(&client, wait, output).await {
        Ok(health) => health,
        Err(error) => return Err(error.into()),
    };
    output.show_lines(&health, || describe(&health, output))?;
    if health.ok {
        return Ok(());
    }
    let missing: Vec<_> = health.checks.iter().filter(|check| !check.ok).map(|check| check.check.as_str()).collect();
    Err(Failure::new(Exit::NotReady, "not_ready", format_args!("the node is not ready: {}", missing.join(", ")))
        .hint("wait for it with --wait 30s; `nuncio peers` says why a link is missing"))
}

/// The last answer: ready, or what there was when the time was up.
async fn wait_until_ready(client: &Client, wait: Duration, output: Output) -> Result<Health, ClientError> {
    let started = Instant::now();
    loop {
        let answer = client.readyz().await;
        let done = answer.as_ref().is_ok_and(|health| health.ok) || started.elapsed() + PAUSE > wait;
        if done {
            output.progress("");
            return answer;
        }
        output.progress(&format!("waiting for the node, {} s", started.elapsed().as_secs()));
        sleep(PAUSE).await;
    }
}

fn describe(health: &Health, output: Output) -> Vec<String> {
    let mut lines = vec![if health.ok { output.good("ready") } else { output.bad("not ready") }];
    lines.extend(health.checks.iter().map(|check| {
        let mark = if check.ok { output.good("ok") } else { output.bad("no") };
        format!("{mark:4} {}: {}", check.check, check.detail)
    }));
    lines
}
