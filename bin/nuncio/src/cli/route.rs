//! `nuncio route`: the way to a node.

use super::{
    node::NodeArguments,
    text::{self, short},
};
use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The node
    #[arg(value_name = "NODEID", value_parser = text::node_id)]
    target: String,
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let route = arguments.node.connect()?.route(&arguments.target).await?;
    output.show_lines(&route, || {
        let line = |(hops, hop): (usize, &nuncio_admin::api::Hop)| {
            format!("{hops:>2}  {}  {} of {}", short(&hop.node_id), hop.name, hop.agency)
        };
        route.path.iter().enumerate().map(line).collect()
    })
}
