//! `nuncio publish`: multicast to the nodes that listen to a topic.

use nuncio_protocol::Priority;

use super::{node::NodeArguments, text};
use crate::{body::BodyArguments, failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The topic
    #[arg(value_parser = text::topic)]
    topic: String,
    #[command(flatten)]
    body: BodyArguments,
    /// How urgent it is
    #[arg(long, value_name = "PRIORITY", default_value = "normal", value_parser = text::priority())]
    priority: Priority,
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let body = arguments.body.read(output)?;
    let client = arguments.node.connect()?.with_priority(arguments.priority);
    let published = client.multicast(&arguments.topic, body).await?;
    output.show(&published, || format!("published {} bytes as {}", published.bytes, published.id))
}
