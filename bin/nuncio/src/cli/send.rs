//! `nuncio send`: unicast with reply.

use std::{fs, path::PathBuf, time::Duration};

use nuncio_admin::api::Encoding;
use serde::Serialize;

use super::{
    node::NodeArguments,
    text::{self, rtt},
};
use crate::{body::BodyArguments, failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The node the message is for
    #[arg(value_name = "NODEID", value_parser = text::node_id)]
    target: String,
    #[command(flatten)]
    body: BodyArguments,
    /// How long to wait for the reply
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = text::duration)]
    timeout: Duration,
    /// Write the reply's bytes to this file instead of printing them
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArguments,
}

#[derive(Debug, Serialize)]
struct Reply {
    reply: Option<String>,
    reply_encoding: Option<&'static str>,
    bytes: usize,
    rtt_us: u64,
    hops: u8,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let body = arguments.body.read(output)?;
    let answer = arguments.node.connect()?.unicast(&arguments.target, body, arguments.timeout).await?;
    let (bytes, rtt_us) = (answer.body.len(), answer.rtt.as_micros() as u64);
    output.note(&format!("{bytes} bytes back in {} over {} links", rtt(rtt_us), answer.hops));
    let shown = match &arguments.save {
        Some(path) => {
            fs::write(path, &answer.body).map_err(|error| Failure::file("cannot write", path, &error))?;
            None
        }
        None => Some(Encoding::of(&answer.body)),
    };
    let (reply, reply_encoding) = shown.map(|(text, encoding)| (text, encoding.as_str())).unzip();
    if output.json {
        return output.object(&Reply { reply, reply_encoding, bytes, rtt_us, hops: answer.hops });
    }
    reply.map_or(Ok(()), |text| output.line(&text))
}
