use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::UnixStream};

use super::{
    Arguments, Outcome,
    message::{Header, Phase, now},
};
use crate::{
    bench::{load::Latencies, roles::multicast::reports},
    failure::Failure,
};

/// The receiving end of one-way work: records latencies, and tells the sender how many have come, beside the network under
/// test.
#[derive(Debug)]
pub(super) struct Recorder {
    reports: UnixStream,
    length: usize,
    step: u64,
    /// Reports each message: the sender waits for the last ones.
    is_eager: bool,
    has_last: bool,
    count: u64,
    reported: u64,
    numbers: u64,
    measured: u64,
    latencies: Latencies,
    error: Option<String>,
}

impl Recorder {
    /// Waits until the sender listens.
    pub(super) async fn start(arguments: &Arguments) -> Result<Self, Failure> {
        Ok(Self {
            reports: reports(&arguments.network()).await?,
            length: arguments.payload,
            step: u64::from(arguments.in_flight / 8).max(1),
            is_eager: false,
            has_last: false,
            count: 0,
            reported: 0,
            numbers: 0,
            measured: 0,
            latencies: Latencies::new(),
            error: None,
        })
    }

    /// Takes one message. An error when the sender is gone, which then has what it wanted.
    pub(super) async fn take(&mut self, message: &[u8]) -> std::io::Result<()> {
        let header = Header::read(message).filter(|_| message.len() == self.length);
        let Some(Header { number, sent, phase }) = header else {
            self.error = Some(format!("a message of {} bytes came", message.len()));
            return Ok(());
        };
        if phase == Phase::Probe {
            return self.reports.write_u64(self.count).await;
        }
        self.count += 1;
        self.numbers = self.numbers.wrapping_add(number);
        if matches!(phase, Phase::Measured | Phase::Last) {
            self.measured += 1;
            self.latencies.record(Duration::from_nanos(now().saturating_sub(sent)));
        }
        self.has_last |= phase == Phase::Last;
        // What the last of a phase has overtaken is reported, too.
        self.is_eager = match phase {
            Phase::WarmLast | Phase::Last => true,
            Phase::Measured => self.has_last,
            Phase::Warm | Phase::Probe => self.is_eager,
        };
        if self.is_eager || self.count - self.reported >= self.step {
            self.reported = self.count;
            self.reports.write_u64(self.count).await?;
        }
        Ok(())
    }

    pub(super) fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::new(self.measured, Duration::ZERO, &self.latencies);
        let expected = self.count.wrapping_mul(self.count.saturating_sub(1)) / 2;
        outcome.error = self
            .error
            .clone()
            .or_else(|| (self.numbers != expected).then(|| format!("{} messages came, but not each once", self.count)));
        outcome
    }
}
