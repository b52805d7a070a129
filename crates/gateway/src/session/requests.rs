//! What a session does with each kind of frame.

use std::{fmt::Display, time::Instant};

use bytes::Bytes;
use nuncio_audit::Event;
use nuncio_channel_protocol::{
    Frame, FrameKind, HandshakeAnswer, HandshakeRequest, ResultCode, SubscriptionError, heartbeat,
};
use nuncio_metrics::{PublishEnd, PublishKind};
use nuncio_protocol::amop::{self, ClientInput, Kind, PublishSeq};
use tracing::{debug, trace};

use super::{
    Session,
    close_reason::CloseReason,
    translate::{self, Verdict},
};
use crate::{
    rpc::{Answer, EventFilter, Rpc},
    tenants::Lease,
};

impl Session {
    pub(super) async fn handle_frame(&mut self, frame: Frame) -> Result<(), CloseReason> {
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
    pub(super) async fn handle_oversized(&mut self, header: Frame, length: usize) -> Result<(), CloseReason> {
        self.door.clients.counters().frames_oversized.increment();
        self.complain(|| format!("a frame {} of {length} bytes is over the limit and was skipped", header.kind));
        match header.kind {
            FrameKind::Unicast | FrameKind::Multicast => {
                let is_unicast = header.kind == FrameKind::Unicast;
                self.take_publish(if is_unicast { Kind::Unicast } else { Kind::Multicast });
                self.refuse_publish(&header, ResultCode::OVER_LIMIT, PublishEnd::OverLimit);
            }
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
        self.take_publish(kind);
        match translate::publish(frame.body.clone()) {
            Ok(_) if self.leaves.is_some() => {
                self.refuse_publish(&frame, ResultCode::NO_SUBSCRIBER, PublishEnd::Leaving)
            }
            Ok(publish) if !self.rights.is_open() && self.forbids(&frame, &publish) => {}
            Ok(publish) => {
                self.mailbox().open_publish(seq, kind, bytes);
                let (topic, data) = (publish.topic, publish.data);
                return self
                    .tell(ClientInput::Publish { client: self.registration.client, seq, kind, topic, data })
                    .await;
            }
            Err(error) => {
                self.door.clients.counters().frames_malformed.increment();
                self.complain(|| format!("a publish {} was refused: {error}", frame.kind));
                self.refuse_publish(&frame, error.result(), PublishEnd::Malformed);
            }
        }
        Ok(())
    }

    /// Whether the client may not publish this; then it is told so.
    fn forbids(&self, frame: &Frame, publish: &translate::Publish) -> bool {
        let verdict = self.rights.publishing(&publish.topic);
        if !verdict.is_allowed() {
            self.door.clients.counters().publishes_denied.increment();
            self.door.audit.record(Event::PublishDenied {
                client: self.registration.client.0,
                subject: self.subject.to_string().into(),
                topic: publish.topic.as_str().into(),
                cause: verdict.to_string().into(),
            });
            self.refuse_publish(frame, ResultCode::DENIED, PublishEnd::Denied);
            return true;
        }
        let bytes = publish.topic.as_str().len() + publish.data.len();
        let is_over = !self.registration.tenant.admit(bytes, Instant::now());
        if is_over {
            self.door.clients.counters().publishes_over_quota.increment();
            self.door.audit.over_quota(&self.subject);
            self.refuse_publish(frame, ResultCode::OVER_LIMIT, PublishEnd::OverLimit);
        }
        is_over
    }

    async fn acknowledge(&mut self, frame: Frame) -> Result<(), CloseReason> {
        let Some(delivery) = self.mailbox().take_acknowledged(&frame.seq) else {
            self.door.clients.counters().acknowledgements_dropped.increment();
            return Ok(());
        };
        let (code, data) = translate::acknowledgement(frame);
        let code = amop::ResultCode(code.0);
        // It takes its room until nobody has it: no window counts it.
        let data = match self.intake.take() {
            Some(lease) => Bytes::from_owner(Leased { data, _lease: lease }),
            None => data,
        };
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
        let read = match translate::topics(&frame.body, self.door.limits.topic_bytes_per_session) {
            Ok(read) => read,
            Err(error @ SubscriptionError::TooLarge { .. }) => {
                self.refuse_topics(&error);
                return Ok(());
            }
            Err(error) => {
                self.door.clients.counters().frames_malformed.increment();
                self.complain(|| format!("its topic list was ignored, the former one stays: {error}"));
                return Ok(());
            }
        };
        if read.impossible > 0 {
            self.complain(|| format!("{} names in its topic list cannot be topics and were left out", read.impossible));
        }
        let block_groups = translate::block_groups(&read.topics);
        match self.topics.set(read.topics) {
            Ok(()) => {
                self.mailbox().set_block_groups(block_groups);
                self.sift_topics();
            }
            Err(refused) => self.refuse_topics(&refused),
        }
        self.tell_topics().await
    }

    fn refuse_topics(&self, reason: &dyn Display) {
        self.door.clients.counters().subscriptions_refused.increment();
        self.complain(|| format!("the topic list of {:?} was refused, the former one stays: {reason}", self.subject));
    }

    /// Says the newest topics to the core when it is time.
    pub(super) async fn tell_topics(&mut self) -> Result<(), CloseReason> {
        match self.topics.take_due(Instant::now()) {
            Some(topics) => self.tell(ClientInput::Subscribe { client: self.registration.client, topics }).await,
            None => Ok(()),
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
        match self.door.rpc.answer(&self.caller, self.rights.sight(), frame.seq, &frame.body) {
            Answer::Now(body) => self.answer(&frame, ResultCode::OK, body),
            Answer::Later { bytes, future } => {
                let place = self.mailbox().reserve_answer(bytes);
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
                let place = self.mailbox().reserve_answer(frame.body.len());
                tokio::spawn(async move {
                    place.answer(frame.kind, frame.seq, translate::event_answer(&future.await));
                });
            }
        }
    }

    fn answer(&self, request: &Frame, result: ResultCode, body: Bytes) {
        self.mailbox().answer(request.kind, request.seq, result, body);
    }

    fn take_publish(&self, kind: Kind) {
        let kind = match kind {
            Kind::Unicast => PublishKind::Unicast,
            Kind::Multicast => PublishKind::Multicast,
        };
        self.door.clients.counters().amop.taken.increment(kind);
    }

    fn refuse_publish(&self, request: &Frame, result: ResultCode, end: PublishEnd) {
        self.door.clients.counters().amop.ended.increment(end);
        self.mailbox().answer(FrameKind::Answer, request.seq, result, Bytes::new());
    }
}

/// Bytes with their room.
struct Leased {
    data: Bytes,
    _lease: Lease,
}

impl AsRef<[u8]> for Leased {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}
