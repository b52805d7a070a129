//! The processes of a measurement, and how they talk: lines on standard output, `@` first.

use std::{env, io::Write, path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{load::Outcome, point::Point, process::Process, roles::Role};
use crate::{failure::Failure, testnet::condition::within};

/// How long a process may take to be ready, or to measure beyond the measured time.
const LIMIT: Duration = Duration::from_secs(60);

/// Says a word to the process that measures.
pub(crate) fn say(word: &str) {
    let mut output = std::io::stdout().lock();
    // The other process is gone: standard input ends too, and with it this process.
    let _ = writeln!(output, "@{word}").and_then(|()| output.flush());
}

/// All processes of a measurement; dropping them kills them.
#[derive(Debug, Default)]
pub(crate) struct Participants(Vec<Participant>);

#[derive(Debug)]
struct Participant {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    _alive: Option<ChildStdin>,
}

impl Participants {
    /// Starts a process and waits until it is ready; returns its place.
    pub(crate) async fn start(
        &mut self,
        role: Role,
        index: usize,
        point: &Point,
        directory: &Path,
    ) -> Result<usize, Failure> {
        let broken =
            |error: std::io::Error| Failure::operation("internal", format_args!("cannot start a process: {error}"));
        let program = env::current_exe().map_err(broken)?;
        let mut child = Command::new(program)
            .args(["bench", point.work.name(), "--role", role.name()])
            .args(["--index", &index.to_string(), "--payload", &point.payload.to_string()])
            .args(["--in-flight", &point.in_flight.to_string(), "--subscribers", &point.subscribers.to_string()])
            .args(["--publishers", &point.publishers.to_string()])
            .args(["--relays", &point.relays.to_string()])
            .args(["--priority", point.priority.name(), "--beside", point.beside.name()])
            .args(["--measure-ms", &point.measure.as_millis().to_string()])
            .args(["--warmup-ms", &point.warmup.as_millis().to_string()])
            .args(["--max-messages", &point.max_messages.to_string()])
            .arg("--directory")
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(broken)?;
        let output = child.stdout.take().ok_or_else(|| Failure::operation("internal", "a process without output"))?;
        let alive = child.stdin.take();
        let mut participant = Participant { child, lines: BufReader::new(output).lines(), _alive: alive };
        if role != Role::Load {
            participant.hear("ready").await?;
        }
        self.0.push(participant);
        Ok(self.0.len() - 1)
    }

    /// Waits for the measured time and its outcome; with it, the processor time of all in between, in seconds.
    pub(crate) async fn measure(&mut self, load: usize) -> Result<(Outcome, f64), Failure> {
        self.0[load].hear("begin").await?;
        let before = self.cpu_seconds()?;
        self.0[load].hear("end").await?;
        let cpu = self.cpu_seconds()? - before;
        let result = self.0[load].hear("result").await?;
        let outcome = serde_json::from_str(&result).map_err(|error| Failure::operation("internal", error))?;
        Ok((outcome, cpu))
    }

    /// Ends all of them: their standard input closes.
    pub(crate) async fn stop(self) {
        for Participant { mut child, _alive, .. } in self.0 {
            drop(_alive);
            if within("stopping", Duration::from_secs(5), child.wait()).await.is_err() {
                // Killed when dropped.
                drop(child);
            }
        }
    }

    /// One that was started, as the system sees it.
    pub(crate) fn process(&self, place: usize) -> Result<Process, Failure> {
        let id = self.0[place].child.id();
        id.map(Process::of).ok_or_else(|| Failure::operation("bench", "a process of the measurement has ended"))
    }

    fn cpu_seconds(&self) -> Result<f64, Failure> {
        (0..self.0.len()).map(|place| self.process(place)?.cpu_seconds()).sum()
    }
}

impl Participant {
    /// Waits for a word; returns what stands behind it.
    async fn hear(&mut self, word: &str) -> Result<String, Failure> {
        let heard = async {
            while let Ok(Some(line)) = self.lines.next_line().await {
                let said = line.strip_prefix('@').and_then(|line| line.strip_prefix(word));
                if let Some(rest) = said {
                    return Ok(rest.trim().to_owned());
                }
            }
            Err(Failure::operation("bench", format_args!("a process of the measurement ended before it was {word}")))
        };
        within(word, LIMIT, heard).await?
    }
}
