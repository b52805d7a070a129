//! What a session does with each frame.

use std::collections::BTreeSet;

use bytes::Bytes;
use nuncio_gateway::{CoreGone, FrameKind, ResultCode};
use nuncio_protocol::{
    Topic,
    amop::{Kind, PublishSeq},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;

use super::Session;
use crate::frame::{Form, Frame, MALFORMED, Name, Said, UNKNOWN_REQUEST, Unreadable, binary, json};

/// Longest reason why a frame cannot be read, in characters.
const LONGEST_REASON: usize = 1 << 10;

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) async fn handle(&mut self, message: Message) -> Result<(), CoreGone> {
        let (form, body, read) = match message {
            Message::Text(text) => (Form::Json, text.clone().into(), json::read(&text)),
            Message::Binary(body) => (Form::Binary, body.clone(), binary::read(body)),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return Ok(()),
        };
        let bytes = body.len();
        self.last = Some(body);
        self.read += 1;
        // It goes when the frame is handled, unless an answer takes it along.
        let lease = self.socket.get_mut().lease(self.read);
        self.member.note_received();
        let Frame { id, said } = match read {
            Ok(frame) => frame,
            Err(unreadable) => {
                self.refuse(unreadable, form);
                return Ok(());
            }
        };
        let name = name(Some(id), form);
        match said {
            Said::Subscribe { topics } => {
                self.form = form;
                self.subscribe(name, &topics);
                self.member.tell_topics().await?;
            }
            Said::Unsubscribe { topics } => {
                self.member.unsubscribe(&topics);
                self.answer(name, ResultCode::OK, String::new());
                self.member.tell_topics().await?;
            }
            Said::Publish { kind, priority, topic, data } => {
                let name = Name { is_multicast: kind == Kind::Multicast, ..name };
                let seq = PublishSeq(name.seq().into_bytes());
                if let Some(refused) = self.member.publish(seq, (kind, priority), (topic, data), bytes).await? {
                    self.answer(name, refused.result(), refused.to_string());
                }
            }
            Said::Respond { request, code, data } => {
                if self.member.acknowledge(&request, code, data, lease).await? {
                    self.answer(name, ResultCode::OK, String::new());
                } else {
                    let why = "no request of this name waits for an answer of this session";
                    self.answer(name, UNKNOWN_REQUEST, why.to_owned());
                }
            }
            Said::Verdict { question, topic, accepted } => {
                self.member.judge_proof(question, topic, accepted).await?;
                self.answer(name, ResultCode::OK, String::new());
            }
            Said::Ping => self.answer(name, ResultCode::OK, String::new()),
            Said::Token { .. } => {
                let why =
                    "this session is known already: a token is shown in the first frame, by who has no certificate";
                self.answer(name, MALFORMED, why.to_owned());
            }
        }
        Ok(())
    }

    fn refuse(&self, Unreadable { id, why }: Unreadable, form: Form) {
        self.member.note_malformed();
        self.member.complain(|| format!("a web client's frame cannot be read: {}", nuncio_plain::short(&why, 160)));
        // It may quote what was said, however long that is.
        self.answer(name(id, form), MALFORMED, nuncio_plain::short(&why, LONGEST_REASON));
    }

    fn subscribe(&mut self, name: Name, topics: &BTreeSet<Topic>) {
        match self.member.subscribe(topics) {
            Ok(None) => self.answer(name, ResultCode::OK, String::new()),
            Ok(Some(denied)) => self.answer(name, ResultCode::DENIED, denied.to_string()),
            Err(over) => self.answer(name, ResultCode::OVER_LIMIT, over.to_string()),
        }
    }

    pub(super) fn answer(&self, name: Name, code: ResultCode, message: String) {
        self.member.answer(FrameKind::Answer, name.seq(), code, Bytes::from(message));
    }
}

pub(super) const fn name(id: Option<u64>, form: Form) -> Name {
    Name { id, form, is_multicast: false }
}
