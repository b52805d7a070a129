use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    sync::mpsc,
};

use super::Outcome;
use crate::{bench::participants::say, failure::Failure};

/// Words of the harness that may wait; it says two in all. Further ones are not heard.
const WORDS: usize = 4;

/// What this process and the harness say to each other.
#[derive(Debug)]
pub(super) struct Control {
    words: mpsc::Receiver<String>,
}

impl Control {
    /// To be polled beside it: hears the harness, and is done when standard input ends.
    pub(super) fn start() -> (Self, impl Future<Output = ()>) {
        let (heard, words) = mpsc::channel(WORDS);
        let hearing = async move {
            let mut lines = BufReader::new(stdin()).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                // Nobody waits for it.
                let _ = heard.try_send(line);
            }
        };
        (Self { words }, hearing)
    }

    /// The next participant may start.
    pub(super) fn ready(&self) {
        say("ready");
    }

    /// All is warm: waits for the word to measure.
    pub(super) async fn begin(&mut self) -> Result<(), Failure> {
        say("begin");
        self.hear("@go").await
    }

    /// The measured time is over.
    pub(super) fn end(&self, outcome: &Outcome) {
        say("end");
        self.result(outcome);
    }

    pub(super) fn result(&self, outcome: &Outcome) {
        say(&format!("result {}", serde_json::to_string(outcome).expect("numbers serialise")));
    }

    /// Waits until the harness wants the result.
    pub(super) async fn stopped(&mut self) -> Result<(), Failure> {
        self.hear("@stop").await
    }

    /// Waits for the end of standard input.
    pub(super) async fn idle(&mut self) {
        while self.words.recv().await.is_some() {}
    }

    async fn hear(&mut self, wanted: &str) -> Result<(), Failure> {
        while let Some(word) = self.words.recv().await {
            if word.trim() == wanted {
                return Ok(());
            }
        }
        Err(Failure::operation("bench", format_args!("standard input ended before {wanted}")))
    }
}
