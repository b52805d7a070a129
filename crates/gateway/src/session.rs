//! One SDK's connection: its frames in, the core's outputs out, on one task.

mod close_reason;
mod inbox;
mod link;
mod translate;
mod writer;

use std::{
    future::{Future as _, poll_fn},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_channel_protocol::{
    Frame, FrameKind, HandshakeAnswer, HandshakeRequest, ProtocolVersion, ResultCode, heartbeat,
};
use nuncio_protocol::amop::{self, ClientInput, Kind, PublishSeq};
use rustls_pki_types::UnixTime;
use tokio::time::{Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::{debug, info, trace, warn};

use crate::{
    access::ClientName,
    clients::{Mailbox, Registration},
    listener::{Door, address},
    rpc::{Answer, Caller, EventFilter, Rpc},
    tls::Admitted,
};
use close_reason::CloseReason;
use inbox::{Inbox, Received};
use link::Link;
use translate::Verdict;
use writer::Writer;

/// Serves one client until it goes, breaks a rule, or the gateway shuts down.
pub(crate) async fn run(door: Arc<Door>, admitted: Admitted, remote: SocketAddr, shutdown: CancellationToken) {
    let registration = door.clients.register(&door.limits, &door.timeouts);
    let client = registration.client;
    info!(%remote, client = client.0, subject = %admitted.client.subject, "SDK connected");
    if door.inputs.send(ClientInput::Connected { client }).await.is_ok() {
        let cut = door.guard.watch(client, admitted.client.clone(), admitted.authorities.to_vec());
        let mut session = Session::new(Arc::clone(&door), registration, admitted, remote, (shutdown, cut));
        let reason = session.serve().await;
        session.farewell(&reason).await;
        drop(session);
        door.guard.forget(client);
        // The registration is gone before the core hears of it: nothing more can be queued for nobody.
        let _ = door.inputs.send(ClientInput::Disconnected { client }).await;
    }
}

struct Session {
    door: Arc<Door>,
    registration: Registration,
    caller: Caller,
    remote: SocketAddr,
    version: ProtocolVersion,
    link: Link,
    inbox: Inbox,
    writer: Writer,
    /// Frames may lie unread in the inbox, because the window was full.
    backlog: bool,
    active: Instant,
    timer: Pin<Box<Sleep>>,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Done when the client may no longer stay.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// When the client's certificate expires; `None` when that is beyond all clocks.
    expires: Option<Instant>,
    /// When the session ends whatever is still in flight.
    leaves: Option<Instant>,
}

impl Session {
    fn new(
        door: Arc<Door>,
        registration: Registration,
        admitted: Admitted,
        remote: SocketAddr,
        (shutdown, cut): (CancellationToken, CancellationToken),
    ) -> Self {
        let now = Instant::now();
        Self {
            caller: Caller { client: registration.client, names: ClientName::all_of(&admitted.client) },
            registration,
            remote,
            version: ProtocolVersion::V1,
            link: Link::new(admitted.socket, admitted.tls),
            inbox: Inbox::new(door.limits.control_body),
            writer: Writer::default(),
            backlog: false,
            active: now,
            timer: Box::pin(sleep_until((now + door.timeouts.idle).into())),
            shutdown: Box::pin(shutdown.cancelled_owned()),
            cut: Box::pin(cut.cancelled_owned()),
            expires: now.checked_add(time_left(admitted.client.not_after)),
            leaves: None,
            door,
        }
    }

    async fn serve(&mut self) -> CloseReason {
        loop {
            if let Err(reason) = self.handle_received().await {
                return reason;
            }
            if let Err(reason) = poll_fn(|cx| self.poll_io(cx)).await {
                return reason;
            }
        }
    }

    /// Writes what is queued as far as it goes, says goodbye and notes why.
    async fn farewell(&mut self, reason: &CloseReason) {
        poll_fn(|cx| {
            let _ = self.writer.drain(cx, &mut self.link, &self.registration.mailbox, self.door.clients.counters());
            self.link.close(cx);
            Poll::Ready(())
        })
        .await;
        reason.count(self.door.clients.counters());
        let client = self.registration.client.0;
        if reason.is_ordinary() {
            info!(remote = %self.remote, client, %reason, "SDK disconnected");
        } else {
            warn!(remote = %self.remote, client, %reason, hint = reason.hint(), "SDK disconnected by the gateway");
        }
    }

    /// Handles every whole frame, while the window is open.
    async fn handle_received(&mut self) -> Result<(), CloseReason> {
        self.backlog = false;
        while self.mailbox().is_open() {
            match self.inbox.next()? {
                Some(Received::Frame(frame)) => self.handle_frame(frame).await?,
                Some(Received::Oversized { header, length }) => self.handle_oversized(header, length).await?,
                None => return Ok(()),
            }
        }
        self.backlog = true;
        Ok(())
    }

    /// Ready when there may be frames to handle.
    fn poll_io(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(CloseReason::NoLongerAdmitted));
        }
        let now = Instant::now();
        let sent = self.writer.drain(cx, &mut self.link, &self.registration.mailbox, self.door.clients.counters())?;
        if sent > 0 {
            self.active = now;
        }
        if self.leaves.is_none() && self.shutdown.as_mut().poll(cx).is_ready() {
            self.leaves = Some(now + self.door.timeouts.drain);
        }
        if self.leaves.is_some() && self.mailbox().is_settled() && self.writer.stalled_since().is_none() {
            return Poll::Ready(Err(CloseReason::Shutdown));
        }
        if self.mailbox().is_open() {
            if self.backlog {
                return Poll::Ready(Ok(()));
            }
            if let Poll::Ready(read) = self.link.poll_read(cx, &mut self.inbox.received) {
                self.active = now;
                return Poll::Ready(if read? == 0 { Err(CloseReason::ClientLeft) } else { Ok(()) });
            }
        }
        self.poll_deadlines(cx, now)
    }

    fn poll_deadlines(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<(), CloseReason>> {
        loop {
            let (deadline, reason) = self.next_deadline();
            if deadline <= now {
                return Poll::Ready(Err(reason));
            }
            // The timer may go off early and is then set again: it is not touched with every byte.
            if self.timer.deadline() > deadline.into() {
                self.timer.as_mut().reset(deadline.into());
            }
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let (deadline, reason) = self.next_deadline();
            if deadline <= now {
                return Poll::Ready(Err(reason));
            }
            self.timer.as_mut().reset(deadline.into());
        }
    }

    fn next_deadline(&self) -> (Instant, CloseReason) {
        let timeouts = &self.door.timeouts;
        let idle = (self.active + timeouts.idle, CloseReason::Idle { limit: timeouts.idle });
        let write = self
            .writer
            .stalled_since()
            .map(|since| (since + timeouts.write, CloseReason::NotDraining { limit: timeouts.write }));
        let expiry = self.expires.map(|at| (at, CloseReason::CertificateExpired));
        let leave = self.leaves.map(|at| (at, CloseReason::Shutdown));
        [write, expiry, leave]
            .into_iter()
            .flatten()
            .fold(idle, |first, next| if next.0 < first.0 { next } else { first })
    }

    async fn handle_frame(&mut self, frame: Frame) -> Result<(), CloseReason> {
        trace!(client = self.registration.client.0, kind = %frame.kind, seq = %frame.seq, "frame received");
        self.door.clients.counters().frames_received.increment();
        match frame.kind {
            FrameKind::Unicast => self.publish(frame, Kind::Unicast).await,
            FrameKind::Multicast => self.publish(frame, Kind::Multicast).await,
            FrameKind::Answer => self.acknowledge(frame).await,
            FrameKind::Subscribe => self.subscribe(&frame).await,
            FrameKind::Heartbeat => {
                if let Some(body) = heartbeat::answer(self.version, &frame.body) {
                    self.answer(&frame, ResultCode::OK, body);
                }
                Ok(())
            }
            FrameKind::Handshake => self.shake_hands(&frame),
            FrameKind::Rpc => {
                self.call(frame);
                Ok(())
            }
            FrameKind::TopicVerified => self.judge_proof(&frame).await,
            // It frees the seq of the node's own question; SDKs put nothing into it.
            FrameKind::TopicVerification => Ok(()),
            FrameKind::RegisterEventFilter | FrameKind::UnregisterEventFilter => {
                self.filter_events(frame);
                Ok(())
            }
            _ => {
                self.door.clients.counters().frames_ignored.increment();
                Ok(())
            }
        }
    }

    /// Answers a frame that is skipped, where an answer is waited for.
    async fn handle_oversized(&mut self, header: Frame, length: usize) -> Result<(), CloseReason> {
        self.door.clients.counters().frames_oversized.increment();
        self.complain(|| format!("a frame {} of {length} bytes is over the limit and was skipped", header.kind));
        match header.kind {
            FrameKind::Unicast | FrameKind::Multicast => self.refuse(&header, ResultCode::OVER_LIMIT),
            FrameKind::Rpc => {
                let body = Rpc::too_large(self.door.limits.control_body);
                self.answer(&header, ResultCode::OK, body);
            }
            FrameKind::Answer => {
                return self.acknowledge(Frame { result: ResultCode::OVER_LIMIT, body: Bytes::new(), ..header }).await;
            }
            _ => {}
        }
        Ok(())
    }

    async fn publish(&mut self, frame: Frame, kind: Kind) -> Result<(), CloseReason> {
        let seq = PublishSeq(frame.seq.into_bytes());
        let bytes = frame.body.len();
        match translate::publish(frame.body.clone()) {
            Ok(_) if self.leaves.is_some() => self.refuse(&frame, ResultCode::NO_SUBSCRIBER),
            Ok(publish) => {
                self.mailbox().open_publish(seq, bytes);
                let (topic, data) = (publish.topic, publish.data);
                return self
                    .tell(ClientInput::Publish { client: self.registration.client, seq, kind, topic, data })
                    .await;
            }
            Err(error) => {
                self.door.clients.counters().frames_malformed.increment();
                self.complain(|| format!("a publish {} was refused: {error}", frame.kind));
                self.refuse(&frame, error.result());
            }
        }
        Ok(())
    }

    async fn acknowledge(&mut self, frame: Frame) -> Result<(), CloseReason> {
        let Some(delivery) = self.mailbox().take_acknowledged(&frame.seq) else {
            self.door.clients.counters().acknowledgements_dropped.increment();
            return Ok(());
        };
        let (code, data) = translate::acknowledgement(frame);
        let code = amop::ResultCode(code.0);
        self.tell(ClientInput::Acknowledge { client: self.registration.client, delivery, code, data }).await
    }

    async fn judge_proof(&mut self, frame: &Frame) -> Result<(), CloseReason> {
        match translate::verdict(&frame.body) {
            Ok(Verdict { challenge, topic, accepted }) => {
                let client = self.registration.client;
                self.tell(ClientInput::ProofJudged { client, challenge, topic, accepted }).await
            }
            Err(error) => {
                self.door.clients.counters().frames_malformed.increment();
                self.complain(|| format!("its verdict on a subscriber was ignored: {error}"));
                Ok(())
            }
        }
    }

    async fn subscribe(&mut self, frame: &Frame) -> Result<(), CloseReason> {
        match translate::topics(&frame.body, self.door.limits.topics) {
            Ok(read) => {
                if read.impossible > 0 {
                    self.complain(|| {
                        format!("{} names in its topic list cannot be topics and were left out", read.impossible)
                    });
                }
                self.mailbox().set_block_groups(translate::block_groups(&read.topics));
                self.tell(ClientInput::Subscribe { client: self.registration.client, topics: read.topics }).await
            }
            Err(error) => {
                self.door.clients.counters().frames_malformed.increment();
                self.complain(|| format!("its topic list was ignored, the former one stays: {error}"));
                Ok(())
            }
        }
    }

    fn shake_hands(&mut self, frame: &Frame) -> Result<(), CloseReason> {
        let offer = match HandshakeRequest::decode(&frame.body) {
            Ok(offer) => offer,
            Err(error) => {
                self.door.clients.counters().frames_malformed.increment();
                self.complain(|| format!("its handshake was ignored: {error}"));
                return Ok(());
            }
        };
        let Some(version) = offer.negotiate() else {
            return Err(CloseReason::NoCommonVersion { minimum: offer.minimum, maximum: offer.maximum });
        };
        debug!(client = self.registration.client.0, client_type = offer.client_type, %version, "handshake");
        self.version = version;
        self.mailbox().set_version(version);
        let answer = HandshakeAnswer { node_version: self.door.node_version.clone(), protocol: version };
        self.answer(frame, ResultCode::OK, answer.encode());
        Ok(())
    }

    fn call(&self, frame: Frame) {
        match self.door.rpc.answer(&self.caller, frame.seq, &frame.body) {
            Answer::Now(body) => self.answer(&frame, ResultCode::OK, body),
            Answer::Later(future) => {
                let place = self.mailbox().reserve_answer();
                tokio::spawn(async move { place.answer(FrameKind::Rpc, frame.seq, future.await) });
            }
        }
    }

    fn filter_events(&self, frame: Frame) {
        let request = translate::unpacked(frame.body.clone());
        let filter = EventFilter {
            caller: self.caller.clone(),
            registers: frame.kind == FrameKind::RegisterEventFilter,
            request: request.clone(),
        };
        match self.door.rpc.event_filter(filter) {
            None => self.answer(&frame, ResultCode::OK, translate::no_event_filters(&request)),
            Some(future) => {
                let place = self.mailbox().reserve_answer();
                tokio::spawn(async move {
                    place.answer(frame.kind, frame.seq, translate::event_answer(&future.await));
                });
            }
        }
    }

    fn answer(&self, request: &Frame, result: ResultCode, body: Bytes) {
        self.mailbox().answer(request.kind, request.seq, result, body);
    }

    fn refuse(&self, request: &Frame, result: ResultCode) {
        self.mailbox().answer(FrameKind::Answer, request.seq, result, Bytes::new());
    }

    async fn tell(&self, input: ClientInput) -> Result<(), CloseReason> {
        self.door.inputs.send(input).await.map_err(|_| CloseReason::CoreGone)
    }

    fn complain(&self, what: impl FnOnce() -> String) {
        if self.door.throttle.allows(address(self.remote)) {
            warn!(remote = %self.remote, client = self.registration.client.0, "{}", what());
        }
    }

    fn mailbox(&self) -> &Arc<Mailbox> {
        &self.registration.mailbox
    }
}

/// The wall clock decides about certificates and nothing else.
fn time_left(not_after: UnixTime) -> Duration {
    Duration::from_secs(not_after.as_secs().saturating_sub(UnixTime::now().as_secs()))
}
