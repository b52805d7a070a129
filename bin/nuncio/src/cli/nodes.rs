//! `nuncio nodes`: every node known in the network, linked or not.

use super::{
    node::NodeArguments,
    text::{or_dash, short},
};
use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
    /// Also nodes of namespaces that the node itself is not in
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let client = arguments.node.connect()?;
    let nodes = if arguments.all { client.all_nodes().await? } else { client.nodes().await? };
    let header = ["node", "name", "agency", "epoch", "seq", "reachable", "hops", "next hop", "topics", "application"];
    output.rows(&nodes, &header, |node| {
        vec![
            short(&node.node_id),
            node.name.clone(),
            node.agency.clone(),
            node.epoch.to_string(),
            node.seq.to_string(),
            match (node.equivocates, node.reachable) {
                (true, _) => "expelled: it signed two statuses with one version",
                (false, true) => "yes",
                (false, false) => "no",
            }
            .to_owned(),
            or_dash(node.hops),
            or_dash(node.next_hop.as_deref().map(short)),
            node.topics.join(" "),
            application(&node.application),
        ]
    })
}

/// The beginning of the field, hexadecimal: it may have 8,192 digits.
fn application(field: &str) -> String {
    match field.len() {
        0 => "-".to_owned(),
        1..=16 => field.to_owned(),
        _ => format!("{}… ({} bytes)", &field[..16], field.len() / 2),
    }
}
