//! The sending half of a session.

use std::{pin::pin, task::Poll, time::Duration};

use futures::{FutureExt, StreamExt, future::BoxFuture, poll, stream::FuturesUnordered};
use nuncio_channel_protocol::{Frame, FrameKind, FrameSeq, ProtocolVersion, Subscription, heartbeat};
use tokio::{
    io::{AsyncWriteExt, WriteHalf},
    sync::mpsc,
    task::{unconstrained, yield_now},
    time::{Interval, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    dial::Stream,
    session::{Desk, Due, Ended, Loss},
};

/// What is written between two looks at the clock, in bytes.
const PIECE: usize = 256 << 10;

/// Answers, and requests, that are written before the rest of what there is to do is looked at again.
const TOGETHER: usize = 256;

/// How long closing may take.
const GOODBYE: Duration = Duration::from_secs(1);

pub(crate) struct Writer<'a> {
    desk: &'a Desk<'a>,
    output: WriteHalf<Box<dyn Stream>>,
    protocol: ProtocolVersion,
    requests: &'a mut mpsc::Receiver<Frame>,
    dues: mpsc::Receiver<Due>,
    /// Bounded by the permits in them, and by the declined ones, which are ready.
    answers: FuturesUnordered<BoxFuture<'static, Frame>>,
    heartbeats: Interval,
    /// The change of the registry whose topics this node was told last.
    told: Option<u64>,
    /// Frames written since the last flush.
    unflushed: usize,
    stop: &'a CancellationToken,
}

/// What to do next.
enum Next {
    Answer(Frame),
    Due(Due),
    Heartbeat,
    Request(Frame),
    Stop,
    Topics,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        desk: &'a Desk<'a>,
        output: WriteHalf<Box<dyn Stream>>,
        protocol: ProtocolVersion,
        requests: &'a mut mpsc::Receiver<Frame>,
        dues: mpsc::Receiver<Due>,
        stop: &'a CancellationToken,
    ) -> Self {
        let mut heartbeats = interval(desk.shared.options.heartbeat);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let answers = FuturesUnordered::new();
        Self { desk, output, protocol, requests, dues, answers, heartbeats, told: None, unflushed: 0, stop }
    }

    /// Writes until the connection is lost or the client is closed.
    pub(crate) async fn run(mut self) -> Ended {
        let stop = self.stop;
        let patience = async {
            stop.cancelled().await;
            sleep(GOODBYE).await;
        };
        tokio::select! {
            outcome = self.serve() => match outcome {
                Ok(()) => Ended::Stopped,
                Err(loss) => Ended::Lost(loss),
            },
            () = patience => Ended::Stopped,
        }
    }

    /// Returns when the client is closed.
    async fn serve(&mut self) -> Result<(), Loss> {
        self.write_topics().await?;
        self.flush().await?;
        loop {
            match self.next().await {
                Next::Answer(frame) => self.write(frame).await?,
                Next::Due(due) => self.answers.push(due.answer().boxed()),
                Next::Heartbeat => self.write_heartbeat(self.desk.shared.seqs.next()).await?,
                Next::Request(frame) => self.write_request(frame).await?,
                Next::Stop => return self.say_goodbye().await,
                Next::Topics => self.write_topics().await?,
            }
            self.write_waiting().await?;
            if self.may_follow() {
                yield_now().await;
                self.write_waiting().await?;
            }
            self.flush().await?;
        }
    }

    /// Writes the answers and requests that wait: what is ready leaves together.
    async fn write_waiting(&mut self) -> Result<(), Loss> {
        for _ in 0..TOGETHER {
            while let Ok(due) = self.dues.try_recv() {
                self.answers.push(due.answer().boxed());
            }
            let answer = unconstrained(self.answers.next()).now_or_never().flatten();
            let request = self.requests.try_recv().ok();
            if answer.is_none() && request.is_none() {
                break;
            }
            if let Some(frame) = answer {
                self.write(frame).await?;
            }
            if let Some(frame) = request {
                self.write_request(frame).await?;
            }
        }
        Ok(())
    }

    /// Whether more is likely to follow at once: of several callers or subscribers who have been woken together the first wakes
    /// this task, which would run before the others. What comes alone waits for nothing.
    fn may_follow(&self) -> bool {
        self.unflushed > 0 && (self.answers.len() > 1 || self.desk.shared.pending.are_several())
    }

    async fn write_request(&mut self, frame: Frame) -> Result<(), Loss> {
        // Nobody waits for an answer to a verdict.
        let is_one_way = frame.kind == FrameKind::TopicVerified;
        if is_one_way || self.desk.shared.pending.mark_sent(&frame.seq) {
            self.write(self.desk.readable(frame)).await?;
        }
        Ok(())
    }

    async fn next(&mut self) -> Next {
        tokio::select! {
            () = self.stop.cancelled() => Next::Stop,
            _ = self.heartbeats.tick() => Next::Heartbeat,
            () = self.desk.shared.registry.changed() => Next::Topics,
            Some(due) = self.dues.recv() => Next::Due(due),
            Some(answer) = self.answers.next() => Next::Answer(answer),
            request = self.requests.recv() => request.map_or(Next::Stop, Next::Request),
        }
    }

    /// Tells the node the topics if it does not know them. Nodes do not answer to that, so a heartbeat follows: its
    /// answer shows that the node has come this far.
    async fn write_topics(&mut self) -> Result<(), Loss> {
        let shared = self.desk.shared;
        let (topics, change) = shared.registry.list();
        let told = self.told.replace(change);
        if told == Some(change) {
            return Ok(());
        }
        if told.is_none() && topics.is_empty() {
            shared.registry.confirm(change);
            return Ok(());
        }
        let body = Subscription { topics }.encode();
        self.write(Frame::request(FrameKind::Subscribe, shared.seqs.next(), body)).await?;
        let seq = shared.seqs.next();
        self.desk.confirm_by(seq, change);
        self.write_heartbeat(seq).await
    }

    async fn write_heartbeat(&mut self, seq: FrameSeq) -> Result<(), Loss> {
        self.write(Frame::request(FrameKind::Heartbeat, seq, heartbeat::request(self.protocol))).await
    }

    /// Writes the answers that are there, and the end of the stream.
    async fn say_goodbye(&mut self) -> Result<(), Loss> {
        while let Ok(due) = self.dues.try_recv() {
            self.answers.push(due.answer().boxed());
        }
        while let Some(Some(answer)) = unconstrained(self.answers.next()).now_or_never() {
            self.write(answer).await?;
        }
        Ok(self.output.shutdown().await?)
    }

    /// Writes one frame so that it begins a TLS record.
    async fn write(&mut self, frame: Frame) -> Result<(), Loss> {
        let (first, rest) = frame.into_writes();
        let after = self.desk.shared.options.silence;
        for piece in std::iter::once(&first[..]).chain(rest.chunks(PIECE)) {
            let mut written = pin!(self.output.write_all(piece));
            match poll!(written.as_mut()) {
                Poll::Ready(written) => written?,
                Poll::Pending => timeout(after, written).await.map_err(|_| Loss::Stalled { after })??,
            }
        }
        self.unflushed += 1;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Loss> {
        if self.unflushed == 0 {
            return Ok(());
        }
        self.unflushed = 0;
        let after = self.desk.shared.options.silence;
        timeout(after, self.output.flush()).await.map_err(|_| Loss::Stalled { after })??;
        Ok(())
    }
}
