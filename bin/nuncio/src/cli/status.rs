//! `nuncio status`: who am I.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    node::NodeArguments,
    text::{age, or_dash},
};
use crate::{failure::Failure, output::Output};

const DAY: u64 = 86_400;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let client = arguments.node.connect()?;
    let status = client.status().await?;
    output.show(&status, || {
        let ready = if status.ready { output.good("ready") } else { output.bad("not ready") };
        [
            format!("node      {}", status.node_id),
            format!("name      {} of {}", status.name, status.agency),
            format!("state     {ready}, up {}, version {}", age(status.uptime_s), status.version),
            format!("status    epoch {} seq {}", status.epoch, status.seq),
            format!("network   {} links, {} nodes, {} topics", status.peers, status.nodes, status.topics),
            format!("p2p       {}", status.listen.join(" ")),
            format!("gateway   {}", or_dash(status.gateway.as_ref())),
            certificate_line(status.certificate_not_after, output),
        ]
        .into_iter()
        .chain(status.warnings.iter().map(|warning| format!("warning   {}", output.bad(warning))))
        .collect::<Vec<_>>()
        .join("\n")
    })
}

/// Red from a week before the end.
fn certificate_line(end: u64, output: Output) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let Some(left) = end.checked_sub(now) else {
        return format!("cert      {}", output.bad("has ended"));
    };
    let words = format!("ends in {} days", left / DAY);
    match left / DAY {
        0..7 => format!("cert      {}", output.bad(&words)),
        _ => format!("cert      {words}"),
    }
}
