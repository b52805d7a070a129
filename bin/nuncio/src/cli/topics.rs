//! `nuncio topics`: AMOP topics and who subscribes them.

use super::{node::NodeArguments, text::short};
use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
    /// Also the topics that the node itself may not see by [rights] of its configuration
    #[arg(long)]
    all: bool,
    /// Instead the topics that SDKs at the node have listed and may not subscribe, each with the reason
    #[arg(long, conflicts_with = "all")]
    denied: bool,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let client = arguments.node.connect()?;
    if arguments.denied {
        return output.rows(&client.denied_topics().await?, &["sdk", "topic", "reason"], |denied| {
            vec![denied.client.clone(), denied.topic.clone().unwrap_or_default(), denied.reason.clone()]
        });
    }
    let topics = if arguments.all { client.all_topics().await? } else { client.topics().await? };
    output.rows(&topics, &["topic", "subscribers", "nodes"], |topic| {
        let nodes: Vec<_> = topic.nodes.iter().map(|node| short(node)).collect();
        vec![topic.topic.clone(), topic.subscribers.to_string(), nodes.join(" ")]
    })
}
