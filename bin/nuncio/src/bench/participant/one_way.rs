use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    Outcome,
    control::Control,
    message::{Messages, Phase},
};
use crate::{
    bench::{load::Latencies, point::Point, roles::LINK, roles::multicast::Counts},
    failure::Failure,
    testnet::condition::until,
};

/// Receivers that report nothing new for so long have lost a message.
const STALL: Duration = Duration::from_secs(5);

/// How long the network settles once every receiver was reached.
const SETTLE: Duration = Duration::from_millis(200);

/// Sends, and never more than the window ahead of the slowest receiver.
pub(super) async fn drive<F, R>(point: &Point, counts: Counts, control: &mut Control, send: F) -> Result<(), Failure>
where
    F: Fn(Bytes) -> R,
    R: Future<Output = Result<(), Failure>>,
{
    until("every receiver is reached", LINK, || async {
        // A network that knows of no receiver yet may refuse.
        let _ = send(Messages::of(point.payload).stamp(0, Phase::Probe)).await;
        let silent = counts.iter().filter(|count| count.borrow().is_none()).count();
        if silent == 0 { Ok(()) } else { Err(format!("{silent} are silent")) }
    })
    .await?;
    tokio::time::sleep(SETTLE).await;
    let window = point.in_flight as u64;
    let mut sender = Sender { send, counts, messages: Messages::of(point.payload), window, sent: 0 };
    sender.phase(Phase::Warm, point.warmup, point.max_messages).await?;
    sender.drained(Phase::WarmLast).await?;
    control.begin().await?;
    let begun = Instant::now();
    let before = sender.sent;
    sender.phase(Phase::Measured, point.measure, point.max_messages).await?;
    sender.drained(Phase::Last).await?;
    control.end(&Outcome::new(sender.sent - before, begun.elapsed(), &Latencies::new()));
    control.idle().await;
    Ok(())
}

struct Sender<F> {
    send: F,
    counts: Counts,
    messages: Messages,
    window: u64,
    sent: u64,
}

impl<F, R> Sender<F>
where
    F: Fn(Bytes) -> R,
    R: Future<Output = Result<(), Failure>>,
{
    async fn phase(&mut self, phase: Phase, length: Duration, max_messages: u64) -> Result<(), Failure> {
        let (deadline, first) = (Instant::now() + length, self.sent);
        while self.sent - first + 1 < max_messages && Instant::now() < deadline {
            self.one(phase).await?;
        }
        Ok(())
    }

    /// Sends the last message of a phase, and waits until all have come.
    async fn drained(&mut self, phase: Phase) -> Result<(), Failure> {
        self.one(phase).await?;
        self.reached(self.sent).await
    }

    async fn one(&mut self, phase: Phase) -> Result<(), Failure> {
        // Of a window, receivers leave less than an eighth unreported.
        self.reached((self.sent + 1).saturating_sub(self.window)).await?;
        let message = self.messages.stamp(self.sent, phase);
        self.sent += 1;
        (self.send)(message).await
    }

    /// Waits until every receiver has reported so many.
    async fn reached(&mut self, wanted: u64) -> Result<(), Failure> {
        for count in &mut self.counts {
            while count.borrow_and_update().unwrap_or(0) < wanted {
                let changed = tokio::time::timeout(STALL, count.changed()).await;
                if !matches!(changed, Ok(Ok(()))) {
                    let came = count.borrow().unwrap_or(0);
                    return Err(Failure::operation("bench", format_args!("{came} of {wanted} messages came")));
                }
            }
        }
        Ok(())
    }
}
