//! `nuncio send`: unicast with reply.

use std::{env, fs, path::PathBuf, time::Duration};

use bytes::Bytes;
use nuncio_admin::{
    Client,
    api::{Encoding, Trace},
};
use nuncio_protocol::{Priority, trace::TraceParent};
use serde::Serialize;

use super::{
    node::NodeArguments,
    text::{self, rtt},
    trace,
};
use crate::{body::BodyArguments, failure::Failure, output::Output};

/// Where programs in a distributed trace find its context.
const TRACE_PARENT_VARIABLE: &str = "TRACEPARENT";

/// What is said of a reply that does not come at once.
pub(super) const WAITING: &str = "waiting for the reply";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The node the message is for
    #[arg(value_name = "NODEID", value_parser = text::node_id)]
    target: String,
    #[command(flatten)]
    body: BodyArguments,
    /// How long to wait for the reply
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = text::time_limit)]
    timeout: Duration,
    /// Write the reply's bytes to this file instead of printing them
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Have every node on the way report when it had the message, and print the way
    #[arg(long)]
    trace: bool,
    /// Send it in this W3C trace context, which whoever answers sees; $TRACEPARENT unless given
    #[arg(long, value_name = "CONTEXT")]
    traceparent: Option<TraceParent>,
    /// How urgent it is, and its reply
    #[arg(long, value_name = "PRIORITY", default_value = "normal", value_parser = text::priority())]
    priority: Priority,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Trace>,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let body = arguments.body.read(output)?;
    let client = arguments.node.connect()?.with_priority(arguments.priority);
    let client = match arguments.traceparent.or_else(|| of_environment(output)) {
        Some(parent) => client.in_trace(&parent.to_string()),
        None => client,
    };
    let (target, timeout) = (&arguments.target, arguments.timeout);
    let (body, rtt_us, hops, trace) = if arguments.trace {
        followed(client, target, body, timeout, output).await?
    } else {
        let answer = output.waiting(WAITING, client.unicast(target, body, timeout)).await?;
        (answer.body, answer.rtt.as_micros() as u64, answer.hops, None)
    };
    let bytes = body.len();
    output.note(&format!("{bytes} bytes back in {} over {hops} links", rtt(rtt_us)));
    let unsaved = match &arguments.save {
        Some(path) => fs::write(path, &body).err().map(|error| Failure::file("cannot write", path, &error)),
        None => None,
    };
    // A reply that cannot be saved is shown: it does not come again.
    let shown = (arguments.save.is_none() || unsaved.is_some()).then(|| Encoding::of(&body));
    let (reply, reply_encoding) = shown.map(|(text, encoding)| (text, encoding.as_str())).unzip();
    if output.json {
        output.object(&Reply { reply, reply_encoding, bytes, rtt_us, hops, trace })?;
    } else if let Some(text) = reply {
        output.line(&text)?;
    }
    unsaved.map_or(Ok(()), Err)
}

/// Sends it, and shows the way: the reply stands on standard output alone, so for people the way goes beside it.
async fn followed(
    client: Client,
    target: &str,
    body: Bytes,
    timeout: Duration,
    output: Output,
) -> Result<(Bytes, u64, u8, Option<Trace>), Failure> {
    let mut trace = output.waiting(WAITING, client.trace(target, body, timeout)).await?;
    if !output.json && !trace.way.is_empty() {
        output.note_table(&trace::HEADER, trace.way.iter().map(trace::row));
    }
    if trace.failure.is_some() && output.json {
        output.object(&trace)?;
    }
    trace::conclude(&trace, output)?;
    let text = trace.reply.take().unwrap_or_default();
    let body = trace.reply_encoding.take().and_then(|encoding| encoding.decode(&text));
    let body = body.ok_or_else(|| Failure::operation("unreadable", "the node sent a reply that is not base64"))?;
    Ok((body.into(), trace.rtt_us.unwrap_or_default(), trace.hops.unwrap_or_default(), Some(trace)))
}

/// What is in the environment was not written for this program: if it is no context, there is none.
fn of_environment(output: Output) -> Option<TraceParent> {
    let text = env::var(TRACE_PARENT_VARIABLE).ok().filter(|text| !text.is_empty())?;
    let parent = text.parse();
    parent.inspect_err(|error| output.note(&format!("${TRACE_PARENT_VARIABLE} is ignored: {error}"))).ok()
}
