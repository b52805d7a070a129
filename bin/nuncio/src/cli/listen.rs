//! `nuncio listen`: messages to this node as they arrive.

mod answers;

use std::{fs, path::PathBuf, time::Duration};

use clap::builder::NonEmptyStringValueParser;
use futures::{StreamExt, stream::FuturesUnordered};
use nuncio_admin::api::{ListenOptions, Message, MessageKind, Reply};
use sha2::{Digest, Sha256};
use tokio::signal;

use self::answers::{Answers, body_of};
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
    /// Answer unicasts with this text; without --reply, --echo and --exec the answer is empty
    #[arg(long, value_name = "TEXT", conflicts_with = "echo")]
    reply: Option<String>,
    /// Answer unicasts with their own body; without --save, the node does so before it is printed
    #[arg(long)]
    echo: bool,
    /// Answer unicasts with what this program writes, run by `sh -c` for each: the body on its standard input, the node that asks
    /// in $NUNCIO_FROM, its W3C trace context, if it gave one, in $TRACEPARENT; any exit status but 0 refuses
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["echo", "reply"], value_parser = NonEmptyStringValueParser::new())]
    exec: Option<String>,
    /// How long the program may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = text::time_limit, requires = "exec")]
    exec_timeout: Duration,
    /// Requests that are answered at once; the next ones wait
    #[arg(long, value_name = "N", default_value = "8", value_parser = answers::jobs)]
    jobs: usize,
    /// Stop after this many messages; a gap is none
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Write each body to a file in this directory, named by its SHA-256, instead of printing it; a request is answered once its
    /// file is on the disk
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
    let answers = match (arguments.exec, arguments.reply) {
        (Some(command), _) => Answers::Program { command, limit: arguments.exec_timeout },
        (None, Some(text)) => Answers::Text(text),
        (None, None) if arguments.echo => Answers::Echo,
        (None, None) => Answers::Empty,
    };
    // A request is answered when this program has it: what was acknowledged is not lost with it. Whoever gets his own words
    // back has lost nothing; the node does that by itself.
    let is_echo = matches!(answers, Answers::Echo) && arguments.save.is_none();
    let reply = if is_echo { Reply::Echo } else { Reply::Later };
    let options = ListenOptions { topics: arguments.topics, unicast: true, reply };
    let mut messages = client.listen(&options).await?;
    output.note(&format!("listening at {}; stop with Ctrl-C", client.address()));
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let mut under_way = FuturesUnordered::new();
    while left > 0 || !under_way.is_empty() {
        let message = tokio::select! {
            message = messages.next(), if left > 0 && under_way.len() < arguments.jobs => message,
            Some(()) = under_way.next() => continue,
            _ = signal::ctrl_c() => return Ok(()),
        };
        let Some(message) = message else {
            return Err(Failure::from_stopped_node());
        };
        let mut message = message?;
        let is_gap = message.kind == MessageKind::Gap;
        let body = body_of(&message)?;
        if let Some(directory) = arguments.save.as_ref().filter(|_| !is_gap) {
            save(&mut message, &body, directory)?;
        }
        show(&message, output)?;
        under_way.push(answers.give(&client, message, body, output));
        left -= u64::from(!is_gap);
    }
    Ok(())
}

fn show(message: &Message, output: Output) -> Result<(), Failure> {
    output.show(message, || {
        let kind = match message.kind {
            MessageKind::Unicast => "unicast".to_owned(),
            MessageKind::Multicast => format!("multicast {}", message.topic.as_deref().unwrap_or_default()),
            MessageKind::Broadcast => "broadcast".to_owned(),
            MessageKind::Gap => return gap(message),
        };
        format!("{kind} from {}: {}", short(&message.from), message.data)
    })
}

fn gap(message: &Message) -> String {
    let from = short(&message.from);
    let of = message.topic.as_ref().map_or_else(|| "broadcasts".to_owned(), |topic| format!("multicasts {topic}"));
    let which = message.missing.as_ref();
    let which = which.map(|missing| format!("{} of them, {} to {}", missing.messages, missing.first, missing.last));
    format!("gap in the {of} from {from}: missing {}", which.unwrap_or_default())
}

/// Moves the body into a file; the message then shows the file's path.
fn save(message: &mut Message, body: &[u8], directory: &std::path::Path) -> Result<(), Failure> {
    let path = directory.join(hex::encode(Sha256::digest(body)));
    let written = tempfile::NamedTempFile::new_in(directory).and_then(|mut file| {
        std::io::Write::write_all(&mut file, body)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)
    });
    written.map_err(|error| Failure::file("cannot write", &path, &error))?;
    message.data = path.display().to_string();
    message.encoding = nuncio_admin::api::Encoding::Utf8;
    Ok(())
}
