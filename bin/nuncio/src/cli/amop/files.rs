//! `nuncio amop send-file` and `receive-files`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nuncio_channel_client::{Challengers, Client, Coming, InboxOptions, Progress};
use serde::Serialize;
use tokio::{signal, time::interval};

use super::{private_publisher, public_key, read_key, text};
use crate::{
    failure::{Failure, causes},
    output::Output,
    progress::Progress as Bar,
};

/// How often a reader sees how far files are that come.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(super) struct SendArguments {
    /// The topic
    #[arg(value_parser = text::topic)]
    topic: String,
    /// The file
    file: PathBuf,
    /// The topic is private: send only to a receiver that proves to have one of these keys, each a file with a public key in
    /// PEM or its 128 hexadecimal digits
    #[arg(long, value_name = "FILE|KEY")]
    known: Vec<String>,
    /// How long to wait for a receiver that is gone, or has no room now, before giving up
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = text::duration)]
    patience: Duration,
}

#[derive(Debug, clap::Args)]
pub(super) struct ReceiveArguments {
    /// The topic
    #[arg(value_parser = text::topic)]
    topic: String,
    /// Where files go; made if absent
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The topic is private: prove to senders with this key (secp256k1, PEM) that you may receive
    #[arg(long, value_name = "FILE")]
    topic_key: Option<PathBuf>,
    /// Longest file that is taken
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = text::size::<u64>)]
    max_bytes: u64,
    /// Bytes that are taken in all, those of files that were given up included
    #[arg(long, value_name = "SIZE", default_value = "16GiB", value_parser = text::size::<u64>)]
    max_total: u64,
    /// Files that are taken in all; further ones are refused
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_files: u64,
    /// How long a sender may be silent before its file is given up, and kept to be resumed
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = text::duration)]
    patience: Duration,
    /// Stop after this many files
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

#[derive(Debug, Serialize)]
struct File<'a> {
    path: &'a Path,
    size: u64,
    sha256: &'a str,
    /// Bytes that came in an earlier attempt; of a sent file, not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<u64>,
    /// Messages of third parties.
    ignored: u64,
}

pub(super) async fn send(client: &Client, arguments: SendArguments, output: Output) -> Result<(), Failure> {
    let SendArguments { topic, file, known, patience } = arguments;
    let sending = output.transfer(0);
    sending.say("looking for a receiver");
    let told = |progress: Progress| {
        sending.say("");
        sending.is_of(progress.size);
        sending.at(progress.received);
    };
    let sent = if known.is_empty() {
        client.send_file_patiently(&topic, &file, patience, told).await
    } else {
        let known = known.iter().map(|key| public_key(key)).collect::<Result<Vec<_>, _>>()?;
        private_publisher(client, &topic, known, patience).await?.send_file(&file, patience, told).await
    };
    drop(sending);
    let sent = sent.map_err(|error| Failure::operation("file", causes(&error)))?;
    tell_ignored(sent.ignored, output);
    let (size, sha256, ignored) = (sent.size, &*sent.sha256, sent.ignored);
    let shown = File { path: &file, size, sha256, resumed: None, ignored };
    output.show(&shown, || format!("{size} bytes, sha256 {sha256}, checked by the receiver"))
}

/// A file that was given up is told and the next awaited. Ctrl-C removes what is on its way.
pub(super) async fn receive(client: &Client, arguments: ReceiveArguments, output: Output) -> Result<(), Failure> {
    let ReceiveArguments { topic, out, topic_key, max_bytes, max_total, max_files, patience, count } = arguments;
    fs::create_dir_all(&out).map_err(|error| Failure::file("cannot create", &out, &error))?;
    let mut options = InboxOptions::new(out);
    (options.max_bytes, options.max_total_bytes, options.max_total_files) = (max_bytes, max_total, max_files);
    options.patience = patience;
    let inbox = match topic_key {
        None => client.receive_files(&topic, options).await,
        // Only this client sends files, so no SDK has to be answered.
        Some(key) => client.receive_private_files(&topic, read_key(&key)?, Challengers::Nuncio, options).await,
    };
    let mut inbox = inbox.map_err(|error| Failure::operation("subscribe", causes(&error)))?;
    output.note(&format!("receiving files on {topic}; stop with Ctrl-C"));
    let (mut left, mut coming, mut look) = (count.unwrap_or(u64::MAX), None, interval(LOOK));
    while left > 0 {
        let ended = tokio::select! {
            ended = inbox.next() => ended.ok_or_else(Failure::from_stopped_node)?,
            _ = signal::ctrl_c() => break,
            _ = look.tick() => {
                follow(&mut coming, &inbox.coming(), output);
                continue;
            }
        };
        coming = None;
        match ended {
            Ok(file) => {
                tell_ignored(file.ignored, output);
                let (path, size, sha256) = (file.path.display(), file.size, &*file.sha256);
                let (resumed, ignored) = (Some(file.resumed), file.ignored);
                let shown = File { path: &file.path, size, sha256, resumed, ignored };
                output.show(&shown, || format!("{path}: {size} bytes, sha256 {sha256}"))?;
                left -= 1;
            }
            Err(error) => output.note(&causes(&error)),
        }
    }
    inbox.close().await;
    Ok(())
}

/// A bar for all that comes; none while nothing does.
fn follow(shown: &mut Option<Bar>, coming: &[Coming], output: Output) {
    let [first, others @ ..] = coming else {
        *shown = None;
        return;
    };
    let bar = shown.get_or_insert_with(|| output.transfer(0));
    bar.is_of(coming.iter().map(|file| file.size).sum());
    bar.at(coming.iter().map(|file| file.received).sum());
    let words = if others.is_empty() { first.name.clone() } else { format!("{} files", coming.len()) };
    bar.say(&words);
}

fn tell_ignored(ignored: u64, output: Output) {
    if ignored > 0 {
        output.note(&format!("{ignored} messages of third parties on the file's topic were ignored"));
    }
}
