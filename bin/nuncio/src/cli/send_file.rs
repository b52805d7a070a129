//! `nuncio send-file`: a file of any size to a node.

mod pace;
mod source;

use std::{path::PathBuf, time::Duration};

use nuncio_admin::{
    api::{ErrorCode, FileOffer, FileProgress, FileState},
    client::{Client, ClientError},
};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use self::{pace::Pace, source::Source};
use super::{node::NodeArguments, text};
use crate::{failure::Failure, output::Output, progress::Progress};

/// A node that reads a file slower than so many bytes a second is not waited for beyond its patience.
const SLOWEST: u64 = 4 << 20;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The node the file is for
    #[arg(value_name = "NODEID", value_parser = text::node_id)]
    target: String,
    /// The file
    file: PathBuf,
    /// What it is called there [default: its own name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How long to wait for a node that is gone, has no place now, or computes the SHA-256, before giving up; for the last a second
    /// longer for each 4 MiB
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = text::duration)]
    patience: Duration,
    #[command(flatten)]
    node: NodeArguments,
}

#[derive(Debug, Serialize)]
struct Sent<'a> {
    name: &'a str,
    size: u64,
    sha256: &'a str,
    /// Bytes that were there before.
    resumed: u64,
    ms: u64,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let Arguments { target, file, name, patience, node } = arguments;
    let client = node.connect()?;
    let name = source::name(name, &file)?;
    let source = Source::open(file)?;
    let begun = Instant::now();
    let sha256 = hex::encode(source.digest(output).await?);
    let offer = FileOffer { name, length: source.length(), sha256 };
    let mut sending = Sending::new(client, target, source, offer, output);
    let outcome = sending.patiently(patience).await;
    let Sending { offer, resumed, shown, .. } = sending;
    drop(shown);
    outcome?;
    let (size, sha256, resumed) = (offer.length, &*offer.sha256, resumed.unwrap_or_default());
    let sent = Sent { name: &offer.name, size, sha256, resumed, ms: begun.elapsed().as_millis() as u64 };
    output.show(&sent, || format!("{size} bytes, sha256 {sha256}, checked by the node"))
}

/// A file on its way.
struct Sending {
    client: Client,
    target: String,
    source: Source,
    offer: FileOffer,
    output: Output,
    pace: Pace,
    shown: Progress,
    /// Bytes that were there when the node was first heard.
    resumed: Option<u64>,
    /// Most bytes that were there at a time.
    furthest: u64,
    differed: bool,
    /// How long the node has computed the SHA-256.
    checked: Duration,
}

/// Why it is not there yet.
enum Pending {
    /// The node is at it.
    Busy(&'static str),
    /// It may work later.
    Later(Failure),
}

impl Sending {
    fn new(client: Client, target: String, source: Source, offer: FileOffer, output: Output) -> Self {
        let shown = output.transfer(offer.length);
        let (pace, resumed, furthest, differed, checked) = (Pace::default(), None, 0, false, Duration::ZERO);
        Self { client, target, source, offer, output, pace, shown, resumed, furthest, differed, checked }
    }

    /// Until it is there, or nothing has gone on for so long.
    async fn patiently(&mut self, patience: Duration) -> Result<(), Failure> {
        let (mut heard, mut waits) = (Instant::now(), false);
        loop {
            let (before, asked) = (self.furthest, Instant::now());
            let failure = match self.attempt().await? {
                None => return Ok(()),
                Some(Pending::Busy(words)) => {
                    self.shown.say(words);
                    sleep(PAUSE).await;
                    heard = Instant::now();
                    self.checked += asked.elapsed();
                    self.require_an_end(patience)?;
                    continue;
                }
                Some(Pending::Later(failure)) => failure,
            };
            if self.furthest > before {
                heard = Instant::now();
            }
            if heard.elapsed() >= patience {
                let (there, length) = (self.furthest, self.offer.length);
                return Err(failure.hint(format_args!(
                    "{there} of {length} bytes are there: run the same command again, and it goes on from there"
                )));
            }
            if self.furthest > before || !waits {
                let words = format!("{}: trying for {patience:?}", failure.message);
                self.shown.aside(|| self.output.note(&words));
            }
            waits = true;
            sleep(PAUSE).await;
        }
    }

    /// A node may compute for as long as reading the file takes on a slow disk, and no longer.
    fn require_an_end(&self, patience: Duration) -> Result<(), Failure> {
        let limit = patience.saturating_add(Duration::from_secs(self.offer.length / SLOWEST));
        if self.checked < limit {
            return Ok(());
        }
        let seconds = self.checked.as_secs();
        let message =
            format_args!("the node has all of it, and has computed its SHA-256 for {seconds} s without an end");
        Err(Failure::operation("timed_out", message).hint(
            "see the log of that node, and its disk; run the same command again to ask once more, with a longer --patience",
        ))
    }

    /// Offers it and sends all that is missing.
    async fn attempt(&mut self) -> Result<Option<Pending>, Failure> {
        let mut progress = match self.client.offer_file(&self.target, &self.offer).await {
            Ok(progress) => progress,
            Err(error) => return self.later(error).map(Some),
        };
        if self.resumed.is_none() && progress.state == FileState::Receiving {
            self.resumed = Some(progress.received);
        }
        while progress.state == FileState::Receiving {
            self.furthest = self.furthest.max(progress.received);
            self.shown.say("");
            self.shown.at(progress.received);
            let offset = progress.received;
            if offset >= self.offer.length {
                break;
            }
            let part = self.source.part(offset, self.pace.bytes()).await?;
            let (sent, length) = (Instant::now(), part.len() as u64);
            progress = match self.client.send_pieces(&self.target, progress.transfer, offset, part).await {
                Ok(next) => next,
                Err(error) => {
                    self.pace.failed();
                    return self.later(error).map(Some);
                }
            };
            if progress.received < offset + length && progress.state == FileState::Receiving {
                break;
            }
            self.pace.took(sent.elapsed());
        }
        self.judge(progress)
    }

    fn judge(&mut self, progress: FileProgress) -> Result<Option<Pending>, Failure> {
        let later = |code, words: &str| Ok(Some(Pending::Later(Failure::operation(code, words))));
        match progress.state {
            FileState::Done => {
                self.resumed.get_or_insert(self.offer.length);
                Ok(None)
            }
            FileState::Checking => Ok(Some(Pending::Busy("the node computes the SHA-256"))),
            FileState::Busy => later("busy", "too many files are on their way to the node"),
            FileState::Differs if self.differed => Err(self.source.changed()),
            FileState::Differs => {
                self.source.require_unchanged()?;
                (self.differed, self.checked) = (true, Duration::ZERO);
                later("differs", "what came has another SHA-256")
            }
            _ => later("interrupted", "the node has lost sight of the file"),
        }
    }

    /// What may work later: most of it only when the node has been heard once.
    fn later(&self, error: ClientError) -> Result<Pending, Failure> {
        let may = match error.failure() {
            Some(ErrorCode::Busy | ErrorCode::TimedOut | ErrorCode::NoRoute) => true,
            Some(ErrorCode::NoHandler | ErrorCode::NotFound | ErrorCode::NotReady | ErrorCode::Stopped) | None => {
                self.resumed.is_some()
            }
            Some(_) => false,
        };
        if may { Ok(Pending::Later(error.into())) } else { Err(error.into()) }
    }
}
