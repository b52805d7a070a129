//! `nuncio broadcast`: a message to every node.

use super::node::NodeArguments;
use crate::{body::BodyArguments, failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    body: BodyArguments,
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let body = arguments.body.read(output)?;
    let published = arguments.node.connect()?.broadcast(body).await?;
    output.show(&published, || format!("broadcast {} bytes as {}", published.bytes, published.id))
}
