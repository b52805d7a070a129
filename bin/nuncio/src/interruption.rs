//! How a command that has something to put away learns that it is to end.

use std::fs;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// SIGINT, SIGTERM, and SIGHUP of a terminal that is closed, from the moment it is made.
#[derive(Debug)]
pub(crate) struct Interruption {
    interrupt: Signal,
    terminate: Signal,
    /// None under `nohup`: whoever listens is heard no more by the system that it is to be ignored.
    hangup: Option<Signal>,
}

impl Interruption {
    pub(crate) fn new() -> Result<Self, Failure> {
        let broken = |error| Failure::operation("internal", format_args!("cannot listen for signals: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(broken)?,
            terminate: signal(SignalKind::terminate()).map_err(broken)?,
            hangup: if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup()).map_err(broken)?) },
        })
    }

    /// Returns when the command is to end.
    pub(crate) async fn wait(&mut self) {
        let hung_up = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hung_up => {}
        }
    }

    /// The work, unless it is interrupted; then it is dropped, and what it held is put away.
    pub(crate) async fn end<T>(&mut self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            outcome = work => outcome,
            () = self.wait() => Err(Failure::operation("interrupted", "interrupted")),
        }
    }
}

/// Whether this process was started with SIGHUP ignored; where the system does not say so, it is left as it is.
fn is_hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_none_or(|mask| mask & (1 << (SignalKind::hangup().as_raw_value() - 1)) != 0)
}
