//! `nuncio files`: what other nodes have sent.

use super::{node::NodeArguments, text::short};
use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let files = arguments.node.connect()?.files().await?;
    output.rows(&files, &["node", "name", "state", "received", "of"], |file| {
        let name = file.name.clone().unwrap_or_else(|| "(waits for its sender)".to_owned());
        let of = file.length.map(|length| length.to_string()).unwrap_or_default();
        vec![short(&file.node_id), name, file.state.as_str().to_owned(), file.received.to_string(), of]
    })
}
