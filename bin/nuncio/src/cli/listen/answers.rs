//! What a listener answers to requests, once it has them.

use std::{process::Stdio, time::Duration};

use bytes::Bytes;
use nuncio_admin::{api::Message, client::Client};
use nuncio_protocol::MAX_BODY;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
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
            Self::Program { command, limit } => computed(command, *limit, &message.from, body).await,
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

/// Runs the program: the request on its standard input, the answer from its standard output; any exit status but 0 refuses.
async fn computed(command: &str, limit: Duration, from: &str, body: Bytes) -> Result<Bytes, String> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("NUNCIO_FROM", from)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("sh cannot be run: {error}"))?;
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
        if status.success() { Ok(answer.into()) } else { Err(format!("`{command}` ended with {status}")) }
    };
    timeout(limit, whole).await.unwrap_or_else(|_| Err(format!("`{command}` took longer than {limit:?}")))
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
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    async fn answer(command: &str, body: &'static [u8]) -> Result<Bytes, String> {
        computed(command, LIMIT, "ab", Bytes::from_static(body)).await
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
    async fn a_program_that_fails_writes_too_much_or_never_ends_refuses() {
        assert!(answer("echo x; exit 3", b"").await.unwrap_err().contains("exit status: 3"));
        assert!(answer("head -c 10485761 /dev/zero", b"").await.unwrap_err().contains("more than"));
        let endless = computed("exec sleep 600", Duration::from_millis(50), "ab", Bytes::new()).await;
        assert!(endless.unwrap_err().contains("took longer than 50ms"));
    }
}
