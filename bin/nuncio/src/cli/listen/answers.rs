//! What a listener answers to requests, once it has them.

use std::{process::Stdio, time::Duration};

use bytes::Bytes;
use nuncio_admin::{api::Message, client::Client};
use nuncio_protocol::MAX_BODY;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    time::timeout,
};

use crate::{failure::Failure, output::Output};

/// Where answers come from.
#[derive(Debug)]
pub(super) enum Answers {
    /// An empty body.
    Empty,
    /// This text.
    Text(String),
    /// The request's own body.
    Echo,
    /// What a program writes, started for each request.
    Program {
        /// Run by `sh -c`.
        command: String,
        /// How long it may take.
        limit: Duration,
    },
}

impl Answers {
    /// Answers a request that the application has. What goes wrong is told, and the next request has its turn.
    pub(super) async fn give(&self, client: &Client, message: Message, body: Bytes, output: Output) {
        let Some(request) = &message.request else { return };
        let answer = match self {
            Self::Empty => Ok(Bytes::new()),
            Self::Text(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Self::Echo => Ok(body),
            Self::Program { command, limit } => computed(command, *limit, &asks(&message), body).await,
        };
        let sent = match answer {
            Ok(answer) => client.answer(request, answer).await,
            Err(reason) => {
                output.note(&format!("a request of {} is refused: {reason}", super::short(&message.from)));
                client.decline(request).await
            }
        };
        if let Err(error) = sent {
            output.note(&format!("an answer to {} did not leave: {error}", super::short(&message.from)));
        }
    }
}

/// In whose trace a program answers.
const TRACE_PARENT: &str = "TRACEPARENT";

type Environment = Vec<(&'static str, String)>;

/// Who asks, and in which trace context, if in one.
fn asks(message: &Message) -> Environment {
    let mut asks = vec![("NUNCIO_FROM", message.from.clone())];
    asks.extend(message.traceparent.clone().map(|parent| (TRACE_PARENT, parent)));
    asks
}

/// Runs the program: the request on its standard input, the answer from its standard output; any exit status but 0 refuses.
async fn computed(command: &str, limit: Duration, asks: &Environment, body: Bytes) -> Result<Bytes, String> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env_remove(TRACE_PARENT)
        .envs(asks.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("sh cannot be run: {error}"))?;
    let mut group = Group::of(&child);
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let feed = async {
        // A program need not read what it was given.
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(&body).await;
        }
    };
    let read = async {
        let mut answer = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(MAX_BODY as u64 + 1).read_to_end(&mut answer).await.map_err(|error| error.to_string())?;
        }
        if answer.len() > MAX_BODY { Err(format!("it wrote more than {MAX_BODY} bytes")) } else { Ok(answer) }
    };
    let whole = async {
        let ((), answer) = tokio::join!(feed, read);
        let answer = answer?;
        let status = child.wait().await.map_err(|error| error.to_string())?;
        group.leave();
        if status.success() { Ok(answer.into()) } else { Err(format!("`{command}` ended with {status}")) }
    };
    timeout(limit, whole).await.unwrap_or_else(|_| Err(format!("`{command}` took longer than {limit:?}")))
}

/// A program and all that it started, which end with the wait for its answer.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)))
    }

    /// It ended by itself: its number may soon be another's.
    const fn leave(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.take() {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Programs that run at once, at the most: `text` as a number of them.
pub(super) fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs @ 1..=64) => Ok(jobs),
        _ => Err("1 to 64 at once".to_owned()),
    }
}

/// The body of a message that came as text.
pub(super) fn body_of(message: &Message) -> Result<Bytes, Failure> {
    let bytes = message.encoding.decode(&message.data);
    bytes.map(Bytes::from).ok_or_else(|| Failure::operation("unreadable", "the node sent a body that is not base64"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn from(node: &str) -> Environment {
        vec![("NUNCIO_FROM", node.to_owned())]
    }

    async fn answer(command: &str, body: &'static [u8]) -> Result<Bytes, String> {
        computed(command, LIMIT, &from("ab"), Bytes::from_static(body)).await
    }

    #[tokio::test]
    async fn a_program_gets_the_request_and_writes_the_answer() {
        assert_eq!(answer("tr a-z A-Z", b"hello").await.unwrap(), "HELLO");
        assert_eq!(answer("printf %s \"$NUNCIO_FROM\"", b"").await.unwrap(), "ab");
        let large: &[u8] = &[7; MAX_BODY];
        assert_eq!(answer("cat", large).await.unwrap(), large, "both ways at once");
        assert_eq!(answer("echo done", large).await.unwrap(), "done\n", "it need not read");
    }

    #[tokio::test]
    async fn a_program_answers_in_the_trace_of_who_asks_and_in_no_other() {
        let text = r#"{"kind":"unicast","from":"ab","data":"","encoding":"utf8","traceparent":"00-aa"}"#;
        let message: Message = serde_json::from_str(text).unwrap();
        let print = "printf %s \"$NUNCIO_FROM ${TRACEPARENT-none}\"";
        assert_eq!(computed(print, LIMIT, &asks(&message), Bytes::new()).await.unwrap(), "ab 00-aa");
        let untraced = Message { traceparent: None, ..message };
        assert_eq!(computed(print, LIMIT, &asks(&untraced), Bytes::new()).await.unwrap(), "ab none");
    }

    #[tokio::test]
    async fn a_program_that_fails_writes_too_much_or_never_ends_refuses() {
        assert!(answer("echo x; exit 3", b"").await.unwrap_err().contains("exit status: 3"));
        assert!(answer("head -c 10485761 /dev/zero", b"").await.unwrap_err().contains("more than"));
        let endless = computed("exec sleep 600", Duration::from_millis(50), &from("ab"), Bytes::new()).await;
        assert!(endless.unwrap_err().contains("took longer than 50ms"));
    }

    #[tokio::test]
    async fn what_a_program_started_ends_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let command = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let limit = Duration::from_secs(1);
        assert!(computed(&command, limit, &from("ab"), Bytes::new()).await.unwrap_err().contains("took longer"));
        let pid = std::fs::read_to_string(&file).unwrap();
        let state = Path::new("/proc").join(pid.trim()).join("stat");
        let has_ended = || std::fs::read_to_string(&state).map_or(true, |stat| stat.contains(") Z "));
        let gone = async {
            while !has_ended() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LIMIT, gone).await.unwrap();
    }
}
