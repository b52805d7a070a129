//! The steps as they are told: one line each, or one JSON object.

use std::{future::Future, path::PathBuf, time::Instant};

use serde::Serialize;

use crate::{failure::Failure, output::Output};

/// Tells the steps and remembers those that failed.
#[derive(Debug)]
pub(super) struct Report {
    output: Output,
    started: Instant,
    held: usize,
    failed: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Step<'a> {
    step: &'a str,
    ok: bool,
    ms: f64,
    detail: &'a str,
}

/// What a step that held has to tell, and what it leaves for the next ones.
pub(super) trait Outcome {
    /// What is left.
    type Left;

    /// One line, and the rest.
    fn tell(self) -> (String, Self::Left);
}

impl Outcome for String {
    type Left = ();

    fn tell(self) -> (String, ()) {
        (self, ())
    }
}

impl<T> Outcome for (String, T) {
    type Left = T;

    fn tell(self) -> (String, T) {
        self
    }
}

impl Report {
    pub(super) fn new(output: Output) -> Self {
        Self { output, started: Instant::now(), held: 0, failed: Vec::new() }
    }

    /// A step; when it fails the others go on. An error means that it could not be told.
    pub(super) async fn step<T: Outcome>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<(), Failure> {
        self.perform(name, work).await.map(drop)
    }

    /// A step that all later ones stand on.
    pub(super) async fn must<T: Outcome>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T::Left, Failure> {
        let left = self.perform(name, work).await?;
        left.ok_or_else(|| Failure::operation("demo_failed", format_args!("nothing can go on without {name}")))
    }

    /// The sum of it, as the command's result. `stopped` says why not every step was made.
    pub(super) fn conclude(self, ending: Result<(), Failure>, kept: Option<PathBuf>) -> Result<(), Failure> {
        let failure = match ending {
            Err(failure) if failure.code != "demo_failed" => failure,
            _ if self.failed.is_empty() => {
                let seconds = self.started.elapsed().as_secs_f64();
                self.output.note(&format!("all {} steps held in {seconds:.1} s", self.held));
                return Ok(());
            }
            _ => {
                let total = self.held + self.failed.len();
                let text = format!("{} of {total} steps failed: {}", self.failed.len(), self.failed.join(", "));
                Failure::operation("demo_failed", text)
            }
        };
        Err(match kept {
            Some(path) => failure.hint(format_args!("the nodes' logs are {}/node*/data/node.log", path.display())),
            None => failure.hint("run it again with --keep to read the nodes' logs"),
        })
    }

    async fn perform<T: Outcome>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Option<T::Left>, Failure> {
        let line = self.output.passing(name);
        let started = Instant::now();
        let result = work.await;
        let ms = (started.elapsed().as_secs_f64() * 1e4).round() / 10.0;
        drop(line);
        let (detail, left) = match result {
            Ok(outcome) => {
                let (detail, left) = outcome.tell();
                (detail, Some(left))
            }
            Err(failure) => (failure.message, None),
        };
        self.tell(&Step { step: name, ok: left.is_some(), ms, detail: &detail })?;
        match left {
            Some(_) => self.held += 1,
            None => self.failed.push(name),
        }
        Ok(left)
    }

    fn tell(&self, step: &Step<'_>) -> Result<(), Failure> {
        self.output.show(step, || {
            let mark = if step.ok { self.output.good("ok    ") } else { self.output.bad("FAILED") };
            format!("{mark} {:>9.1} ms  {:<19} {}", step.ms, step.step, step.detail)
        })
    }
}
