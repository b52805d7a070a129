//! `nuncio publish`: multicast to the nodes that listen to a topic.

use super::{node::NodeArguments, text};
use crate::{body::BodyArguments, failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The topic
    #[arg(value_parser = text::topic)]
    topic: String,
    #[command(flatten)]
    body: BodyArguments,
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let body = arguments.body.read(output)?;
    let published = arguments.node.connect()?.multicast(&arguments.topic, body).await?;
    output.show(&published, || format!("published {} bytes as {}", published.bytes, published.id))
}
