//! `nuncio status`: who am I.

use super::{
    node::NodeArguments,
    text::{age, or_dash},
};
use crate::{failure::Failure, output::Output};

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
        ]
        .join("\n")
    })
}
