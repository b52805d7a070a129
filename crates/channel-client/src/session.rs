//! One connection from its first frame after the handshake to its end.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use nuncio_channel_protocol::{AmopBody, Frame, FrameError, FrameKind, FrameSeq, ResultCode};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{connection::Connection, delivery::Outcome, reader::Reader, shared::Shared, writer::Writer};

/// Most unicasts handed to the application and not answered.
const MAX_UNANSWERED: usize = 1024;

/// How long reading goes on when writing has failed.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a session ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The client is being closed.
    Stopped,
    /// The connection is gone.
    Lost(Loss),
}

/// Why a connection is gone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Loss {
    #[error("the node hung up")]
    HungUp,
    #[error("no byte from the node for {after:?}")]
    Silent { after: Duration },
    #[error("the node took no byte for {after:?}")]
    Stalled { after: Duration },
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Frame(#[from] FrameError),
}

/// A frame on its way through the application; becomes its answer.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) kind: FrameKind,
    pub(crate) seq: FrameSeq,
    pub(crate) topic: String,
    pub(crate) outcome: oneshot::Receiver<Outcome>,
    /// None for one that is declined at once.
    pub(crate) _unanswered: Option<OwnedSemaphorePermit>,
}

/// What reader and writer of a session share.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) shared: &'a Shared,
    /// Whether the node reads how urgent a publish is.
    pub(crate) priorities: bool,
    pub(crate) unanswered: Arc<Semaphore>,
    /// The heartbeat that follows the latest subscription frame, and the change of the registry its answer confirms.
    confirming: Mutex<Option<(FrameSeq, u64)>>,
}

/// Runs until the connection is lost or the client is closed. Reading never waits for writing, nor the other way round.
pub(crate) async fn run(
    connection: Connection,
    shared: &Shared,
    requests: &mut mpsc::Receiver<Frame>,
    stop: &CancellationToken,
) -> Ended {
    let Connection { stream, received, protocol, priorities, .. } = connection;
    let (input, output) = tokio::io::split(stream);
    let (due, dues) = mpsc::channel(MAX_UNANSWERED);
    let unanswered = Arc::new(Semaphore::new(MAX_UNANSWERED));
    let desk = Desk { shared, priorities, unanswered, confirming: Mutex::default() };
    let reader = Reader { desk: &desk, input, received, due };
    let writer = Writer::new(&desk, output, protocol, requests, dues, stop);
    let reading = reader.run();
    tokio::pin!(reading);
    let ended = tokio::select! {
        loss = &mut reading => return Ended::Lost(loss),
        ended = writer.run() => ended,
    };
    if matches!(ended, Ended::Lost(_)) {
        // Answers that came before the end are still to be read.
        let _ = timeout(LAST_WORDS, reading).await;
    }
    ended
}

impl Desk<'_> {
    /// The same without a priority, if the node knows none: what it makes of a result in a publish is not known.
    pub(crate) fn readable(&self, frame: Frame) -> Frame {
        let says_priority = matches!(frame.kind, FrameKind::Unicast | FrameKind::Multicast);
        let result = if says_priority && !self.priorities { ResultCode::OK } else { frame.result };
        Frame { result, ..frame }
    }

    pub(crate) fn confirm_by(&self, heartbeat: FrameSeq, change: u64) {
        *self.confirming.lock().unwrap_or_else(PoisonError::into_inner) = Some((heartbeat, change));
    }

    pub(crate) fn heartbeat_answered(&self, seq: &FrameSeq) {
        let confirmed =
            self.confirming.lock().unwrap_or_else(PoisonError::into_inner).take_if(|(heartbeat, _)| heartbeat == seq);
        if let Some((_, change)) = confirmed {
            self.shared.registry.confirm(change);
        }
    }
}

impl Due {
    /// Frees the seq of a node's question; says nothing, as FISCO BCOS's Java SDK does.
    pub(crate) fn nothing(kind: FrameKind, seq: FrameSeq) -> Self {
        let (sender, outcome) = oneshot::channel();
        let _ = sender.send(Err(ResultCode::OK));
        Self { kind, seq, topic: String::new(), outcome, _unanswered: None }
    }

    /// Waits for the application and makes the answer.
    pub(crate) async fn answer(self) -> Frame {
        let (result, body) = match self.outcome.await {
            Ok(Err(code)) => (code, Bytes::new()),
            Ok(Ok(data)) => (ResultCode::OK, pack(&self.topic, data)),
            Err(_) => (ResultCode::OK, pack(&self.topic, Bytes::new())),
        };
        Frame { kind: self.kind, seq: self.seq, result, body }
    }
}

fn pack(topic: &str, data: Bytes) -> Bytes {
    AmopBody::new(topic, data).map(|body| body.pack()).unwrap_or_default()
}
