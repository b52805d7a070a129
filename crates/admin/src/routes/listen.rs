use axum::{Extension, extract::State};
use bytes::Bytes;
use futures::stream;
use nuncio_audit::Act;
use nuncio_identity::NodeId;
use nuncio_node::{Incoming, Listener, MessageId, Responder};
use nuncio_protocol::Topic;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use crate::api::{Encoding, ErrorCode, Failure, ListenOptions, Message, MessageKind, Missing, Reply};

use super::{
    Context, Pairs,
    answered::{Lines, line},
    bad_request,
    messages::denied,
    requests::Place,
};

/// Most topics of one listener.
const MAX_TOPICS: usize = 64;

/// A message from so many bytes on is written where nobody waits: of a mebibyte of control characters JSON makes six, which takes
/// milliseconds.
const LONG: usize = 64 << 10;

/// Query of a listener.
#[derive(IntoParams)]
#[expect(dead_code, reason = "for the document: a parameter that comes several times is read by hand")]
pub(super) struct Query {
    /// A topic to hear; may be given several times. Broadcasts are always heard.
    topic: Option<Vec<String>>,
    /// 1: requests to this node are taken.
    #[param(pattern = "^1$")]
    unicast: Option<String>,
    /// What requests are answered with; without any of these three, with nothing.
    reply: Option<String>,
    /// 1: requests are answered with their own body.
    #[param(pattern = "^1$")]
    echo: Option<String>,
    /// 1: requests are answered by `POST /v1/requests/{request}`.
    #[param(pattern = "^1$")]
    reply_later: Option<String>,
}

/// Answers with one line per message until the client hangs up. A client that reads slowly holds back this
/// stream alone: the node's queue for it is bounded and says what is then dropped.
pub(super) async fn listen(
    State(context): State<Context>,
    query: Pairs<Query>,
) -> Result<(Extension<Act>, Lines<Message>), Failure> {
    let options = options(query.all)?;
    let topics = options.topics.iter().map(|topic| Topic::new(topic)).collect::<Result<Vec<_>, _>>();
    let topics = topics.map_err(|error| bad_request(error.to_string()))?;
    for topic in &topics {
        let refuse = |reason| denied(format!("this node may not subscribe {topic:?}: {reason}"));
        context.node.judge(nuncio_rights::Act::Subscribe, topic).map_err(refuse)?;
    }
    let permit = context.listeners.clone().try_acquire_owned().map_err(|_| {
        Failure::new(ErrorCode::Busy, format!("{} listeners are there already", super::MAX_LISTENERS))
            .with_hint("end some `nuncio listen` first")
    })?;
    let act = Act::Listen { topics: options.topics.join(", ").into(), unicast: options.unicast };
    let listener = context.node.listen(topics, options.unicast).await;
    let place = context.waiting.place();
    let session = Session { listener, reply: options.reply, place, shutdown: context.shutdown, _permit: permit };
    let lines = stream::unfold(session, |mut session| async move {
        let line = session.next_line().await?;
        Some((line, session))
    });
    Ok((Extension(act), Lines::new(lines)))
}

struct Session {
    listener: Listener,
    reply: Reply,
    place: Place,
    shutdown: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Session {
    async fn next_line(&mut self) -> Option<Bytes> {
        loop {
            let incoming = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                incoming = self.listener.next() => incoming?,
            };
            let message = match incoming {
                Incoming::Unicast { from, body, responder } => {
                    let traceparent = responder.trace_parent().map(|parent| parent.to_string());
                    let Some(request) = self.respond(from, responder, &body) else { continue };
                    Message {
                        request,
                        traceparent,
                        ..message(MessageKind::Unicast, from.to_string(), None, &body, None)
                    }
                }
                Incoming::Multicast { from, topic, data, id } => {
                    let topic = Some(topic.to_string());
                    message(MessageKind::Multicast, from.to_string(), topic, &data, Some(id.to_string()))
                }
                Incoming::Broadcast { from, data, id } => {
                    message(MessageKind::Broadcast, from.to_string(), None, &data, Some(id.to_string()))
                }
                Incoming::Gap { from, topic, epoch, first, last } => {
                    let id = |seq| MessageId { origin: from, epoch, seq }.to_string();
                    let missing = Missing { first: id(first), last: id(last), messages: last - first + 1 };
                    let topic = topic.map(|topic| topic.to_string());
                    let gap = message(MessageKind::Gap, from.to_string(), topic, &[], None);
                    Message { missing: Some(missing), ..gap }
                }
                _ => continue,
            };
            return if message.data.len() < LONG {
                line(&message)
            } else {
                tokio::task::spawn_blocking(move || line(&message)).await.ok()?
            };
        }
    }

    /// Answers at once, or names the request; `None` when it is refused, and nobody hears of it.
    fn respond(&self, from: NodeId, responder: Responder, request: &Bytes) -> Option<Option<String>> {
        let body = match &self.reply {
            Reply::Later => return self.place.keep(from, responder).map(Some),
            Reply::Empty => Bytes::new(),
            Reply::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Reply::Echo => request.clone(),
        };
        responder.reply(body);
        Some(None)
    }
}

fn message(kind: MessageKind, from: String, topic: Option<String>, body: &[u8], id: Option<String>) -> Message {
    let (data, encoding) = Encoding::of(body);
    Message { kind, from, topic, data, encoding, id, request: None, traceparent: None, missing: None }
}

fn options(pairs: Vec<(String, String)>) -> Result<ListenOptions, Failure> {
    let mut options = ListenOptions::default();
    for (key, value) in pairs {
        match (key.as_str(), value.as_str()) {
            ("topic", _) if options.topics.len() == MAX_TOPICS => {
                return Err(bad_request(format!("at most {MAX_TOPICS} topics per listener")));
            }
            ("topic", _) => options.topics.push(value),
            ("unicast", "1") => options.unicast = true,
            ("reply", _) => options.reply = Reply::Text(value),
            ("reply_later", "1") => options.reply = Reply::Later,
            ("echo", "1") => options.reply = Reply::Echo,
            _ => return Err(bad_request(format!("`{key}={value}` is not an option of listen"))),
        }
    }
    Ok(options)
}
