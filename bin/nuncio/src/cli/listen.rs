//! `nuncio listen`: messages to this node as they arrive.

use std::{fs, path::PathBuf};

use nuncio_admin::api::{ListenOptions, Message, MessageKind, Reply};
use sha2::{Digest, Sha256};
use tokio::signal;

use super::{
    node::NodeArguments,
    text::{self, short},
};
use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Hear multicasts to this topic too; may be given several times
    #[arg(long = "topic", value_name = "TOPIC", value_parser = text::topic)]
    topics: Vec<String>,
    /// Answer unicasts with this text; without --reply and --echo the answer is empty
    #[arg(long, value_name = "TEXT", conflicts_with = "echo")]
    reply: Option<String>,
    /// Answer unicasts with their own body
    #[arg(long)]
    echo: bool,
    /// Stop after this many messages
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Write each body to a file in this directory, named by its SHA-256, instead of printing it
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    if let Some(directory) = &arguments.save {
        fs::create_dir_all(directory).map_err(|error| Failure::file("cannot create", directory, &error))?;
    }
    let client = arguments.node.connect()?;
    let reply = match arguments.reply {
        Some(text) => Reply::Text(text),
        None if arguments.echo => Reply::Echo,
        None => Reply::Empty,
    };
    let options = ListenOptions { topics: arguments.topics, unicast: true, reply };
    let mut messages = client.listen(&options).await?;
    output.note(&format!("listening at {}; stop with Ctrl-C", client.address()));
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 {
        let message = tokio::select! {
            message = messages.next() => message,
            _ = signal::ctrl_c() => return Ok(()),
        };
        let Some(message) = message else {
            return Err(Failure::from_stopped_node());
        };
        let mut message = message?;
        if let Some(directory) = &arguments.save {
            save(&mut message, directory)?;
        }
        show(&message, output)?;
        left -= 1;
    }
    Ok(())
}

fn show(message: &Message, output: Output) -> Result<(), Failure> {
    output.show(message, || {
        let kind = match message.kind {
            MessageKind::Unicast => "unicast".to_owned(),
            MessageKind::Multicast => format!("multicast {}", message.topic.as_deref().unwrap_or_default()),
            MessageKind::Broadcast => "broadcast".to_owned(),
        };
        format!("{kind} from {}: {}", short(&message.from), message.data)
    })
}

/// Moves the body into a file; the message then shows the file's path.
fn save(message: &mut Message, directory: &std::path::Path) -> Result<(), Failure> {
    let bytes = message
        .encoding
        .decode(&message.data)
        .ok_or_else(|| Failure::operation("unreadable", "the node sent a body that is not base64"))?;
    let path = directory.join(hex::encode(Sha256::digest(&bytes)));
    fs::write(&path, &bytes).map_err(|error| Failure::file("cannot write", &path, &error))?;
    message.data = path.display().to_string();
    message.encoding = nuncio_admin::api::Encoding::Utf8;
    Ok(())
}
