//! `nuncio log-level`: the log filter of a running node.

use super::node::NodeArguments;
use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Directives such as `info` or `warn,nuncio_node=debug`; without it the filter is only shown
    filter: Option<String>,
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let client = arguments.node.connect()?;
    let level = match &arguments.filter {
        Some(filter) => client.set_log_level(filter).await?,
        None => client.log_level().await?,
    };
    output.show(&level, || level.filter.clone())
}
