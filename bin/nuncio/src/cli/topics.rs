//! `nuncio topics`: AMOP topics and who subscribes them.

use super::{node::NodeArguments, text::short};
use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let topics = arguments.node.connect()?.topics().await?;
    output.rows(&topics, &["topic", "subscribers", "nodes"], |topic| {
        let nodes: Vec<_> = topic.nodes.iter().map(|node| short(node)).collect();
        vec![topic.topic.clone(), topic.subscribers.to_string(), nodes.join(" ")]
    })
}
