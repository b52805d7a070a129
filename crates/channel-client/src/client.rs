//! The handle applications hold.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_channel_protocol::{
    AmopBody, AmopBodyError, Frame, FrameKind, HEADER_LENGTH, MAX_BODY, MAX_FRAME, MAX_TOPIC_LENGTH, ResultCode,
};
use nuncio_protocol::Priority;
use serde_json::{Value, json};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Builder, Status,
    pending::{Lost, Ticket},
    shared::Shared,
};

/// A connection to a consortium's network through one of its nodes; cheap to clone.
///
/// The connection closes with [`Client::close`], or when every clone and every [`crate::Subscription`] is gone.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) core: Arc<Core>,
    pub(crate) priority: Option<Priority>,
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    /// Requests on their way to the connection; when full, callers wait.
    pub(crate) requests: mpsc::Sender<Frame>,
    pub(crate) in_flight: Semaphore,
    pub(crate) stop: CancellationToken,
    pub(crate) _stop_with_last_handle: DropGuard,
}

/// Why a message was not published, or not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Code 100: no reachable node has a subscriber of the topic.
    #[error("nobody subscribes {topic:?}, or no such node can be reached (code 100)")]
    NoSubscriber {
        /// The topic.
        topic: String,
    },
    /// Code 102: subscribers were tried; none answered in time.
    #[error("no subscriber of {topic:?} answered in time (code 102)")]
    Timeout {
        /// The topic.
        topic: String,
    },
    /// Code 103: refused by the node's rate limit.
    #[error("the node's rate limit refused the message (code 103)")]
    OverLimit,
    /// Code 104: subscribers were tried; they were gone, or declined.
    #[error("the subscribers of {topic:?} are gone or declined (code 104)")]
    SubscriberGone {
        /// The topic.
        topic: String,
    },
    /// Code −40012: this client's certificate, or its node, may not publish to the topic.
    #[error("{topic:?} may not be published to with this certificate (code -40012)")]
    Denied {
        /// The topic.
        topic: String,
    },
    /// Another code: the subscriber's own, or one of a newer node.
    #[error("answered with code {code}")]
    Refused {
        /// The code.
        code: ResultCode,
    },
    /// There is no connection to a node.
    #[error("{}", disconnected(*.sent))]
    Disconnected {
        /// Whether the message was, at least partly, written to the node.
        sent: bool,
    },
    /// The node did not answer within the client's own request time-out.
    #[error("the node did not answer within {after:?}")]
    NoAnswer {
        /// The request time-out.
        after: Duration,
    },
    /// The message is longer than 10 MiB.
    #[error("a message has at most {MAX_BODY} bytes, not {bytes}")]
    TooLarge {
        /// Bytes given.
        bytes: usize,
    },
    /// The topic is empty or has more than 254 bytes.
    #[error("a topic has 1 to {MAX_TOPIC_LENGTH} bytes, not {bytes}")]
    Topic {
        /// Bytes of the topic.
        bytes: usize,
    },
    /// The answer says success but cannot be unpacked.
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[source] AmopBodyError),
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

/// Why a JSON-RPC call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The node answered with a JSON-RPC error.
    #[error("{method}: {message} (JSON-RPC error {code})")]
    Rpc {
        /// The method called.
        method: String,
        /// The error's code.
        code: i64,
        /// The error's message.
        message: String,
    },
    /// The node answered with a result code instead of a response.
    #[error("{method}: answered with code {code}")]
    Refused {
        /// The method called.
        method: String,
        /// The code.
        code: ResultCode,
    },
    /// The answer is no JSON-RPC response.
    #[error("{method}: the answer is no JSON-RPC response")]
    Unreadable {
        /// The method called.
        method: String,
        /// What is wrong with it, if it is not even JSON.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// The request is longer than a frame can be.
    #[error("a request has at most {MAX_FRAME} bytes, not {bytes}")]
    TooLarge {
        /// Bytes of the request's frame.
        bytes: usize,
    },
    /// There is no connection to a node, or it was lost before the answer.
    #[error("no node is connected")]
    Disconnected,
    /// The node did not answer within the client's own request time-out.
    #[error("the node did not answer within {after:?}")]
    NoAnswer {
        /// The request time-out.
        after: Duration,
    },
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

/// Why a frame got no answer.
enum RequestError {
    Disconnected { sent: bool },
    NoAnswer { after: Duration },
    Closed,
}

impl Client {
    /// Starts to build a client.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The same connection, for messages of another priority. The node takes it as far as its operator and the certificate's budget
    /// allow. One that does not know priorities, such as those of FISCO BCOS, is told none and sends all as normal:
    /// [`Status::Connected`] says whether this one does.
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> Self {
        Self { priority: Some(priority), ..self.clone() }
    }

    /// Sends a message to one subscriber of a topic and waits for its answer, which may be empty.
    ///
    /// # Errors
    /// When the topic or the message is too long, nobody got the message, nobody answered, or the connection was lost.
    pub async fn publish(&self, topic: &str, data: impl Into<Bytes>) -> Result<Bytes, PublishError> {
        let answer = self.exchange(FrameKind::Unicast, topic, data.into()).await?;
        AmopBody::unpack(answer.body).map(|body| body.data).map_err(PublishError::Unreadable)
    }

    /// Sends a message to every subscriber of a topic. Success means that the node accepted it, even when there is no
    /// subscriber at all.
    ///
    /// # Errors
    /// When the topic or the message is too long, the node refused it, or the connection was lost.
    pub async fn broadcast(&self, topic: &str, data: impl Into<Bytes>) -> Result<(), PublishError> {
        self.exchange(FrameKind::Multicast, topic, data.into()).await.map(drop)
    }

    /// Calls a JSON-RPC method of the node, such as `getClientVersion` with `json!([])`, and returns its result.
    ///
    /// # Errors
    /// When the node answers with an error or not at all.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, CallError> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let body = Bytes::from(request.to_string());
        if HEADER_LENGTH + body.len() > MAX_FRAME {
            return Err(CallError::TooLarge { bytes: HEADER_LENGTH + body.len() });
        }
        let answer =
            self.request((FrameKind::Rpc, ResultCode::OK), FrameKind::Rpc, body).await.map_err(
                |error| match error {
                    RequestError::Disconnected { .. } => CallError::Disconnected,
                    RequestError::NoAnswer { after } => CallError::NoAnswer { after },
                    RequestError::Closed => CallError::Closed,
                },
            )?;
        response(method, &answer)
    }

    /// Whether a node serves this client now.
    pub fn is_connected(&self) -> bool {
        self.core.shared.status.borrow().is_connected()
    }

    /// The state of the connection, now and as it changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.core.shared.status.subscribe()
    }

    /// Answers what was taken from subscriptions and answered, says goodbye to the node, and ends every subscription
    /// and request. Also for all clones.
    pub async fn close(&self) {
        self.core.stop.cancel();
        self.core.closed().await;
    }

    async fn exchange(&self, kind: FrameKind, topic: &str, data: Bytes) -> Result<Frame, PublishError> {
        if data.len() > MAX_BODY {
            return Err(PublishError::TooLarge { bytes: data.len() });
        }
        let unusable = || PublishError::Topic { bytes: topic.len() };
        let body = AmopBody::new(topic, data).map_err(|_| unusable())?;
        if topic.is_empty() {
            return Err(unusable());
        }
        let said = self.priority.map_or(ResultCode::OK, |priority| ResultCode(priority.number().into()));
        let answer = self.request((kind, said), FrameKind::Answer, body.pack()).await?;
        if answer.result.is_ok() { Ok(answer) } else { Err(PublishError::from_code(answer.result, topic)) }
    }

    /// Sends a frame and waits for the answer, all within the request time-out.
    async fn request(
        &self,
        (kind, result): (FrameKind, ResultCode),
        answer: FrameKind,
        body: Bytes,
    ) -> Result<Frame, RequestError> {
        let core = &*self.core;
        let after = core.shared.options.request_timeout;
        let work = async {
            let _permit = core.in_flight.acquire().await.map_err(|_| RequestError::Closed)?;
            let mut ticket = Ticket::new(&core.shared, answer);
            let frame = Frame { kind, seq: ticket.seq, result, body };
            core.requests.send(frame).await.map_err(|_| RequestError::Closed)?;
            ticket.answer().await.map_err(|lost| match lost {
                Lost::Disconnected => RequestError::Disconnected { sent: true },
                Lost::Closed => RequestError::Closed,
            })
        };
        match timeout(after, work).await {
            Ok(outcome) => outcome,
            Err(_) if self.is_connected() => Err(RequestError::NoAnswer { after }),
            Err(_) => Err(RequestError::Disconnected { sent: false }),
        }
    }
}

impl Core {
    /// Waits until the client is closed.
    pub(crate) async fn closed(&self) {
        let mut status = self.shared.status.subscribe();
        let _ = status.wait_for(|status| *status == Status::Closed).await;
    }
}

impl PublishError {
    /// The result code of the channel protocol, when a node or subscriber gave one.
    pub fn code(&self) -> Option<ResultCode> {
        match self {
            Self::NoSubscriber { .. } => Some(ResultCode::NO_SUBSCRIBER),
            Self::Timeout { .. } => Some(ResultCode::TIMEOUT),
            Self::OverLimit => Some(ResultCode::OVER_LIMIT),
            Self::SubscriberGone { .. } => Some(ResultCode::SUBSCRIBER_GONE),
            Self::Denied { .. } => Some(ResultCode::DENIED),
            Self::Refused { code } => Some(*code),
            _ => None,
        }
    }

    /// Whether a subscriber may have seen the message all the same; sending it again may then deliver it twice.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::SubscriberGone { .. }
            | Self::Refused { .. }
            | Self::NoAnswer { .. }
            | Self::Unreadable(_)
            | Self::Closed => true,
            Self::Disconnected { sent } => *sent,
            Self::NoSubscriber { .. }
            | Self::OverLimit
            | Self::Denied { .. }
            | Self::TooLarge { .. }
            | Self::Topic { .. } => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoSubscriber { .. } => {
                "check the topic's spelling; a subscription elsewhere takes a moment to be known everywhere"
            }
            Self::Timeout { .. } => "the subscriber is slow or hangs: a node waits 2 s for each and 4 s in all",
            Self::OverLimit => "send more slowly, or raise the node's limit",
            Self::Denied { .. } => {
                "the rules are in [rights] of the node's configuration, or of the subscriber's node; its operator asks `nuncio rights check`"
            }
            Self::SubscriberGone { .. } => "the subscriber's connection or its node was lost, or its queue is full",
            Self::Refused { .. } => "the code is the subscriber's own: see its documentation",
            Self::Disconnected { .. } => "see the client's status for the reason; it reconnects by itself",
            Self::NoAnswer { .. } => "see the node's log; the client's request time-out should be over the node's 4 s",
            Self::TooLarge { .. } => "cut the message into parts",
            Self::Topic { .. } => "choose another topic name",
            Self::Unreadable(_) => "the subscriber's SDK breaks the protocol: a success must be topic-packed",
            Self::Closed => "build a new client",
        }
    }

    fn from_code(code: ResultCode, topic: &str) -> Self {
        let topic = topic.to_owned();
        match code {
            ResultCode::NO_SUBSCRIBER => Self::NoSubscriber { topic },
            ResultCode::TIMEOUT => Self::Timeout { topic },
            ResultCode::OVER_LIMIT => Self::OverLimit,
            ResultCode::SUBSCRIBER_GONE => Self::SubscriberGone { topic },
            ResultCode::DENIED => Self::Denied { topic },
            code => Self::Refused { code },
        }
    }
}

impl From<RequestError> for PublishError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Disconnected { sent } => Self::Disconnected { sent },
            RequestError::NoAnswer { after } => Self::NoAnswer { after },
            RequestError::Closed => Self::Closed,
        }
    }
}

fn disconnected(sent: bool) -> &'static str {
    if sent { "the connection was lost while the message was on its way" } else { "no node is connected" }
}

/// Takes a JSON-RPC response apart.
fn response(method: &str, answer: &Frame) -> Result<Value, CallError> {
    let method = method.to_owned();
    if !answer.result.is_ok() {
        return Err(CallError::Refused { method, code: answer.result });
    }
    let mut response: Value = match serde_json::from_slice(&answer.body) {
        Ok(response) => response,
        Err(source) => return Err(CallError::Unreadable { method, source: Some(source) }),
    };
    if let Some(error) = response.get("error").filter(|error| !error.is_null()) {
        let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
        let message = error.get("message").and_then(Value::as_str).unwrap_or("no message").to_owned();
        return Err(CallError::Rpc { method, code, message });
    }
    match response.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(CallError::Unreadable { method, source: None }),
    }
}
