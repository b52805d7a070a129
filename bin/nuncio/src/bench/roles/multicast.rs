use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_node::{Incoming, NodeHandle, Publisher};
use nuncio_protocol::Topic;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::watch,
};

use super::{meshed, say, start};
use crate::{
    bench::{
        load::{Latencies, say_outcome},
        point::Point,
    },
    failure::{Failure, causes},
    testnet::condition::until,
};

/// What starts a message that is counted; others only find out whether the subscribers are there.
const COUNTED: u8 = 0x5a;

/// How long the last messages may take.
const DRAIN: Duration = Duration::from_secs(15);

fn topic() -> Topic {
    Topic::new("bench").expect("a good name")
}

fn feedback(directory: &Path) -> PathBuf {
    directory.join("feedback.sock")
}

/// Counts what arrives and reports the count to the publisher, beside the network under test.
pub(super) async fn subscribe(point: &Point, directory: &Path, index: usize) -> Result<(), Failure> {
    let node = start(directory, index).await?;
    let mut listener = node.listen(vec![topic()], false).await;
    say("ready");
    let mut reports = reports(directory).await?;
    let step = (point.in_flight as u64 / 8).max(1);
    let mut count = 0_u64;
    while let Some(incoming) = listener.next().await {
        let Incoming::Multicast { data, .. } = incoming else { continue };
        let counts = data.first() == Some(&COUNTED);
        count += u64::from(counts);
        // The publisher has what it wanted and is gone: so may this process be.
        if (!counts || count.is_multiple_of(step)) && reports.write_u64(count).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Publishes, never more than the window ahead of the slowest subscriber.
pub(super) async fn load(point: &Point, directory: &Path, index: usize) -> Result<(), Failure> {
    let node = start(directory, index).await?;
    meshed(&node, point.subscribers).await?;
    let counts = accept_reports(point, directory).await?;
    wait_for_subscribers(&node, &counts).await?;
    let mut payload = vec![COUNTED; point.payload.max(1)];
    let mut load = Load { publisher: node.publisher(Some(topic())), counts, sent: 0, latencies: Latencies::new() };
    load.publish_for(point, &mut payload, point.warmup, u64::MAX).await?;
    say("begin");
    load.latencies = Latencies::new();
    let (begun, before) = (Instant::now(), load.slowest());
    load.publish_for(point, &mut payload, point.measure, point.max_messages).await?;
    let (elapsed, count) = (begun.elapsed(), load.slowest() - before);
    say("end");
    load.drain().await?;
    say_outcome(&load.latencies.outcome(count * point.subscribers as u64, elapsed));
    Ok(())
}

/// What each subscriber has reported.
pub(in crate::bench) type Counts = Vec<watch::Receiver<Option<u64>>>;

/// The way to tell the publisher how many messages have come.
pub(in crate::bench) async fn reports(directory: &Path) -> Result<UnixStream, Failure> {
    let path = feedback(directory);
    let connect = || async { UnixStream::connect(&path).await.map_err(|error| error.to_string()) };
    until("the publisher listens", super::LINK, connect).await
}

struct Load {
    publisher: Publisher,
    counts: Counts,
    sent: u64,
    latencies: Latencies,
}

impl Load {
    async fn publish_for(
        &mut self,
        point: &Point,
        payload: &mut [u8],
        time: Duration,
        max_messages: u64,
    ) -> Result<(), Failure> {
        let (begun, first) = (Instant::now(), self.sent);
        // At most 16 MiB under way, however large the messages.
        let window = (point.in_flight as u64).min(((16 << 20) / payload.len() as u64).max(1));
        while begun.elapsed() < time && self.sent - first < max_messages {
            let sent = Instant::now();
            let published = self.publisher.send(Bytes::copy_from_slice(payload)).await;
            published.map_err(|error| Failure::operation("bench", causes(&error)))?;
            self.sent += 1;
            self.await_counts(self.sent.saturating_sub(window - 1)).await?;
            self.latencies.record(sent.elapsed());
        }
        Ok(())
    }

    /// Waits until every subscriber has reported so many.
    async fn await_counts(&mut self, count: u64) -> Result<(), Failure> {
        // Waiting takes of what a task may do in a row, also where there is nothing to wait for.
        if self.slowest() >= count {
            return Ok(());
        }
        for reports in &mut self.counts {
            let reached = reports.wait_for(|reported| reported.is_some_and(|reported| reported >= count));
            let reached = tokio::time::timeout(super::LINK, reached).await;
            reached
                .map_err(|_| Failure::operation("bench", "a message was lost"))?
                .map_err(|_| Failure::operation("bench", "a subscriber ended"))?;
        }
        Ok(())
    }

    /// Waits until every subscriber has all that was published, neither less nor more: what was lost within the window shows
    /// nowhere else.
    async fn drain(&self) -> Result<(), Failure> {
        until("every message has arrived", DRAIN, || async {
            // Whoever gets it reports.
            self.publisher.send(Bytes::from_static(b"?")).await.map_err(|error| causes(&error))?;
            if self.reported().all(|count| count == self.sent) {
                return Ok(());
            }
            let counts: Vec<_> = self.reported().map(|count| count.to_string()).collect();
            Err(format!("of {} messages the subscribers have {}", self.sent, counts.join(", ")))
        })
        .await
    }

    fn slowest(&self) -> u64 {
        self.reported().min().unwrap_or(0)
    }

    fn reported(&self) -> impl Iterator<Item = u64> {
        self.counts.iter().map(|count| count.borrow().unwrap_or(0))
    }
}

/// Listens, and takes the reports of every subscriber.
pub(in crate::bench) async fn accept_reports(point: &Point, directory: &Path) -> Result<Counts, Failure> {
    let failed = |error: std::io::Error| Failure::operation("bench", error);
    let listener = UnixListener::bind(feedback(directory)).map_err(failed)?;
    let mut counts = Vec::new();
    for _ in 0..point.subscribers {
        let (mut reports, _) = listener.accept().await.map_err(failed)?;
        let (sender, count) = watch::channel(None);
        tokio::spawn(async move {
            while let Ok(reported) = reports.read_u64().await {
                sender.send_replace(Some(reported));
            }
        });
        counts.push(count);
    }
    Ok(counts)
}

/// Gossip needs a moment to learn of subscriptions: until each has reported anything, nothing counts.
async fn wait_for_subscribers(node: &NodeHandle, counts: &Counts) -> Result<(), Failure> {
    until("every subscriber hears the publisher", super::LINK, || async {
        let sent = node.publish(topic(), Bytes::from_static(b"?")).await;
        sent.map_err(|error| causes(&error))?;
        let silent = counts.iter().filter(|count| count.borrow().is_none()).count();
        if silent == 0 { Ok(()) } else { Err(format!("{silent} are silent")) }
    })
    .await
}
