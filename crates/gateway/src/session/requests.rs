//! What a session does with each kind of frame.

use bytes::Bytes;
use nuncio_channel_protocol::{
    Frame, FrameKind, HandshakeAnswer, HandshakeRequest, ResultCode, SubscriptionError, heartbeat,
};
use nuncio_metrics::PublishEnd;
use nuncio_protocol::amop::{Kind, PublishSeq};
use tracing::{debug, trace};

use super::{
    BYTES_OF_A_FRAME, Session,
    close_reason::{CloseReason, NoChannel},
    translate::{self, Publish, Verdict},
};
use crate::rpc::{Answer, EventFilter, Rpc};

impl Session {
    pub(super) async fn handle_frame(&mut self, frame: Frame) -> Result<(), CloseReason> {
        trace!(client = self.member.client().0, kind = %frame.kind, seq = %frame.seq, "frame received");
        self.member.door.clients.counters().frames_received.increment();
        if frame.kind != FrameKind::Heartbeat {
            self.sitter.speaks();
        }
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
                self.member.door.clients.counters().frames_ignored.increment();
                Ok(())
            }
        }
    }

    /// Answers a frame that is skipped, where an answer is waited for.
    pub(super) async fn handle_oversized(&mut self, header: Frame, length: usize) -> Result<(), CloseReason> {
        self.member.door.clients.counters().frames_oversized.increment();
        self.member.complain(|| format!("a frame {} of {length} bytes is over the limit and was skipped", header.kind));
        match header.kind {
            FrameKind::Unicast | FrameKind::Multicast => {
                let is_unicast = header.kind == FrameKind::Unicast;
                self.member.take_publish(if is_unicast { Kind::Unicast } else { Kind::Multicast });
                self.member.end_publish(PublishEnd::OverLimit);
                self.refuse_publish(&header, ResultCode::OVER_LIMIT);
            }
            FrameKind::Rpc => {
                let body = Rpc::too_large(self.member.door.limits.control_body);
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
        let priority = if self.says_priorities { frame.result } else { ResultCode::OK };
        match translate::publish(frame.body.clone(), priority) {
            Ok(Publish { topic, priority, data }) => {
                if let Some(refused) = self.member.publish(seq, (kind, priority), (topic, data), bytes).await? {
                    self.refuse_publish(&frame, refused.result());
                }
            }
            Err(error) => {
                self.member.door.clients.counters().frames_malformed.increment();
                self.member.complain(|| format!("a publish {} was refused: {error}", frame.kind));
                self.member.take_publish(kind);
                self.member.end_publish(PublishEnd::Malformed);
                self.refuse_publish(&frame, error.result());
            }
        }
        Ok(())
    }

    async fn acknowledge(&mut self, frame: Frame) -> Result<(), CloseReason> {
        let Some(delivery) = self.member.take_delivery(&frame.seq) else {
            return Ok(());
        };
        let (code, data) = translate::acknowledgement(frame);
        let lease = self.intake.take();
        Ok(self.member.answer_delivery(delivery, code, data, lease).await?)
    }

    async fn judge_proof(&mut self, frame: &Frame) -> Result<(), CloseReason> {
        match translate::verdict(&frame.body) {
            Ok(Verdict { challenge, topic, accepted }) => {
                Ok(self.member.judge_proof(challenge, topic, accepted).await?)
            }
            Err(error) => {
                self.member.door.clients.counters().frames_malformed.increment();
                self.member.complain(|| format!("its verdict on a subscriber was ignored: {error}"));
                Ok(())
            }
        }
    }

    async fn subscribe(&mut self, frame: &Frame) -> Result<(), CloseReason> {
        let read = match translate::topics(&frame.body, self.member.door.limits.topic_bytes_per_session) {
            Ok(read) => read,
            Err(error @ SubscriptionError::TooLarge { .. }) => {
                self.member.refuse_topics(&error);
                return Ok(());
            }
            Err(error) => {
                self.member.door.clients.counters().frames_malformed.increment();
                self.member.complain(|| format!("its topic list was ignored, the former one stays: {error}"));
                return Ok(());
            }
        };
        if read.impossible > 0 {
            self.member
                .complain(|| format!("{} names in its topic list cannot be topics and were left out", read.impossible));
        }
        let block_groups = translate::block_groups(&read.topics);
        if self.member.list(read.topics).is_ok() {
            self.mailbox().set_block_groups(block_groups);
        }
        Ok(self.member.tell_topics().await?)
    }

    fn shake_hands(&mut self, frame: &Frame) -> Result<(), CloseReason> {
        let offer = match HandshakeRequest::decode(&frame.body) {
            Ok(offer) => offer,
            Err(error) => {
                self.member.door.clients.counters().frames_malformed.increment();
                self.member.complain(|| format!("its handshake was ignored: {error}"));
                return Ok(());
            }
        };
        let Some(version) = offer.negotiate() else {
            return Err(NoChannel::NoCommonVersion { minimum: offer.minimum, maximum: offer.maximum }.into());
        };
        debug!(client = self.member.client().0, client_type = offer.client_type, %version, "handshake");
        (self.version, self.says_priorities) = (version, offer.priorities);
        self.mailbox().set_version(version);
        let node_version = self.member.door.node_version.clone();
        let answer = HandshakeAnswer { node_version, protocol: version, priorities: offer.priorities };
        self.answer(frame, ResultCode::OK, answer.encode());
        Ok(())
    }

    fn call(&mut self, frame: Frame) {
        let member = &self.member;
        let asker = (&*member.registration.tenant, member.sight());
        let answered = match member.door.rpc.answer(&self.caller, asker, frame.seq, &frame.body) {
            Answer::Now(body) => {
                member.note_call();
                let answered = body.len();
                self.answer(&frame, ResultCode::OK, body);
                answered
            }
            Answer::OverLimit(body) => {
                member.refuse_call();
                let answered = body.len();
                self.answer(&frame, ResultCode::OK, body);
                answered
            }
            Answer::Later { bytes, future } => {
                member.note_call();
                let (place, seq) = (self.mailbox().reserve_answer(bytes), frame.seq);
                tokio::spawn(async move { place.answer(FrameKind::Rpc, seq, future.await) });
                0
            }
        };
        self.handled += (frame.body.len() + answered) / BYTES_OF_A_FRAME;
    }

    fn filter_events(&self, frame: Frame) {
        let request = translate::unpacked(frame.body.clone());
        let filter = EventFilter {
            caller: self.caller.clone(),
            registers: frame.kind == FrameKind::RegisterEventFilter,
            request: request.clone(),
        };
        match self.member.door.rpc.event_filter(filter) {
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

    fn refuse_publish(&self, request: &Frame, result: ResultCode) {
        self.member.answer(FrameKind::Answer, request.seq, result, Bytes::new());
    }
}
