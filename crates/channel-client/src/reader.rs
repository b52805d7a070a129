//! The receiving half of a session.

use bytes::BytesMut;
use nuncio_channel_protocol::{AmopBody, Frame, FrameCodec, FrameKind, ResultCode, TopicVerification};
use tokio::{
    io::{AsyncReadExt, ReadHalf},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::codec::Decoder;

use crate::{
    connection::READ_ROOM,
    delivery::Kind,
    dial::Stream,
    session::{Desk, Due, Loss},
};

pub(crate) struct Reader<'a> {
    pub(crate) desk: &'a Desk<'a>,
    pub(crate) input: ReadHalf<Box<dyn Stream>>,
    pub(crate) received: BytesMut,
    /// Answers for the writer; a unicast that finds it full stays unanswered.
    pub(crate) due: mpsc::Sender<Due>,
}

impl Reader<'_> {
    /// Reads until the connection is lost. Handing a frame on never waits.
    pub(crate) async fn run(mut self) -> Loss {
        let silence = self.desk.shared.options.silence;
        loop {
            loop {
                match FrameCodec::default().decode(&mut self.received) {
                    Ok(Some(frame)) => self.handle_frame(frame),
                    Ok(None) => break,
                    Err(error) => return error.into(),
                }
            }
            self.received.reserve(READ_ROOM / 2);
            match timeout(silence, self.input.read_buf(&mut self.received)).await {
                Err(_) => return Loss::Silent { after: silence },
                Ok(Err(error)) => return error.into(),
                Ok(Ok(0)) => return Loss::HungUp,
                Ok(Ok(_)) => {}
            }
        }
    }

    fn handle_frame(&self, frame: Frame) {
        let shared = self.desk.shared;
        match frame.kind {
            FrameKind::Answer | FrameKind::Rpc => {
                if !shared.pending.answer(frame) {
                    tracing::trace!("an answer nobody waits for");
                }
            }
            FrameKind::Heartbeat => self.desk.heartbeat_answered(&frame.seq),
            FrameKind::Unicast => self.handle_unicast(frame),
            FrameKind::Multicast => self.handle_multicast(frame, Kind::Multicast),
            FrameKind::BlockNotification => self.handle_multicast(frame, Kind::BlockNotification),
            FrameKind::TopicVerification => self.handle_verification(frame),
            kind => tracing::debug!(%kind, "ignored a frame"),
        }
    }

    fn handle_unicast(&self, frame: Frame) {
        let Ok(body) = AmopBody::unpack(frame.body) else {
            tracing::debug!(seq = %frame.seq, "ignored a message without a topic");
            return;
        };
        let Ok(slot) = self.due.try_reserve() else {
            tracing::debug!(topic = body.topic(), "ignored a message: the node takes no answers");
            return;
        };
        let (reply, outcome) = oneshot::channel();
        let unanswered = self.desk.unanswered.clone().try_acquire_owned().ok();
        let topic = body.topic().to_owned();
        if unanswered.is_some() {
            self.desk.shared.registry.unicast(&topic, body.data, reply);
        } else {
            let _ = reply.send(Err(ResultCode::SUBSCRIBER_GONE));
        }
        slot.send(Due { kind: FrameKind::Answer, seq: frame.seq, topic, outcome, _unanswered: unanswered });
    }

    fn handle_verification(&self, frame: Frame) {
        if let Ok(slot) = self.due.try_reserve() {
            slot.send(Due::nothing(frame.kind, frame.seq));
        }
        match TopicVerification::decode(&frame.body) {
            Ok(verification) => self.desk.shared.verifiers.hand_on(verification),
            Err(error) => tracing::debug!(reason = %error, "ignored a verification"),
        }
    }

    fn handle_multicast(&self, frame: Frame, kind: Kind) {
        match AmopBody::unpack(frame.body) {
            Ok(body) => self.desk.shared.registry.multicast(body.topic(), &body.data, kind),
            Err(error) => tracing::debug!(reason = %error, "ignored a message"),
        }
    }
}
