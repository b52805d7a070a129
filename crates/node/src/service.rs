//! What other nodes ask of this node itself: requests that no application can take or see.

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    MAX_QUESTION, MAX_SERVICE_BODY,
    unicast::{InboundId, Refusal, UnicastError},
};
use nuncio_wire::DecodeError;
pub use nuncio_wire::service::{
    Answer, Enrolment, FileChunk, FileOffer, FileProgress, FileState, MAX_FILE_NAME, MAX_ISSUERS, Request, SdkIssuer,
};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{handle::Responder, replies::Replies};

/// Requests that wait for the service at the most; further ones are refused as busy.
const WAITING: usize = 32;

pub(crate) const BOUND: Bound =
    Bound::of_entries::<Call>("requests to the node itself", WAITING, MAX_QUESTION, "further ones are refused as busy");

/// The same of files: they are long, so that those who ask something else never wait behind them.
pub const FILES_BOUND: Bound = Bound::of_entries::<Call>(
    "offers and pieces of files",
    WAITING,
    MAX_SERVICE_BODY,
    "further ones are refused as busy, and come again",
);

/// Where a node puts such requests: see [`crate::Config::service`]. Whoever makes the node gives it one; nobody else can.
#[derive(Debug)]
pub struct Port {
    questions: mpsc::Sender<Call>,
    files: Option<mpsc::Sender<Call>>,
}

/// Where they come out; the node refuses them from when this is dropped.
#[derive(Debug)]
pub struct Calls(mpsc::Receiver<Call>);

/// A request and the way back.
#[derive(Debug)]
pub struct Call {
    /// Who asks; proved by link or seal, and admitted here.
    pub from: NodeId,
    /// What.
    pub wanted: Request,
    responder: Responder,
}

/// A port and its other end.
pub fn port() -> (Port, Calls) {
    let (questions, receiver) = mpsc::channel(WAITING);
    (Port { questions, files: None }, Calls(receiver))
}

impl Calls {
    /// The next request; `None` once the node has stopped.
    pub async fn next(&mut self) -> Option<Call> {
        self.0.recv().await
    }
}

impl Call {
    /// Answers. A call that is dropped is answered by nobody, and who asked learns that.
    pub fn answer(self, answer: &Answer) {
        self.responder.reply(answer.encode());
    }
}

impl Port {
    /// Where files come out from now on. Without it the node takes none.
    pub fn take_files(&mut self) -> Calls {
        let (files, receiver) = mpsc::channel(WAITING);
        self.files = Some(files);
        Calls(receiver)
    }

    /// Hands a request over.
    ///
    /// # Errors
    /// The refusal to send when it cannot be read or nobody takes it.
    pub(crate) fn request(
        &self,
        from: NodeId,
        body: Bytes,
        inbound: InboundId,
        replies: &Replies,
    ) -> Result<(), Refusal> {
        let wanted = Request::decode(body).map_err(|error| {
            tracing::debug!(node = %from.short(), %error, "a request to this node that cannot be read");
            Refusal::NoHandler
        })?;
        let queue = match wanted {
            Request::FileOffer(_) | Request::FileChunk(_) => self.files.as_ref().ok_or(Refusal::NoHandler)?,
            _ => &self.questions,
        };
        match queue.try_reserve() {
            Ok(place) => {
                let responder = Responder { inbound, replies: Some(replies.clone()), parent: None };
                place.send(Call { from, wanted, responder });
                Ok(())
            }
            Err(TrySendError::Full(())) => Err(Refusal::Busy),
            Err(TrySendError::Closed(())) => Err(Refusal::NoHandler),
        }
    }
}

/// Whether it asks for nothing but a sign of life, which the node gives itself.
pub(crate) fn is_probe(body: &Bytes) -> bool {
    const LONGEST: usize = 16;
    body.len() <= LONGEST && Request::decode(body.clone()) == Ok(Request::Probe)
}

/// Why another node itself gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// As of every unicast.
    #[error(transparent)]
    Unicast(#[from] UnicastError),
    /// What came is no answer.
    #[error("its answer cannot be read: {0}")]
    Unreadable(#[from] DecodeError),
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    #[tokio::test]
    async fn calls_are_bounded_and_nonsense_reaches_nobody() {
        let ((port, mut calls), (replies, mut taken)) = (port(), Replies::new());
        let from = NodeKey::generate().node_id();
        let wanted = Request::Renewal { request: "x".into(), chain: Vec::new() };
        let ask = |body, number| port.request(from, body, InboundId(number), &replies);
        for nonsense in [Bytes::new(), Bytes::from_static(b"\xff\xff"), vec![0; MAX_SERVICE_BODY + 1].into()] {
            assert_eq!(ask(nonsense, 0), Err(Refusal::NoHandler));
        }
        assert!((0..WAITING as u64).all(|number| ask(wanted.encode(), number).is_ok()));
        assert_eq!(ask(wanted.encode(), 99), Err(Refusal::Busy));
        let call = calls.next().await.unwrap();
        assert_eq!((call.from, &call.wanted), (from, &wanted));
        let answer = Answer::Refused { reason: "no".into() };
        call.answer(&answer);
        assert_eq!(taken.recv().await.unwrap().body, Some(answer.encode()));
        drop(calls);
        assert_eq!(ask(wanted.encode(), 100), Err(Refusal::NoHandler));
    }

    #[tokio::test]
    async fn files_are_taken_where_they_are_wanted_and_never_stand_before_questions() {
        let ((mut port, mut calls), (replies, _taken)) = (port(), Replies::new());
        let from = NodeKey::generate().node_id();
        let chunk = Request::FileChunk(FileChunk { transfer: 1, offset: 0, data: vec![7; 100].into() }).encode();
        assert_eq!(port.request(from, chunk.clone(), InboundId(0), &replies), Err(Refusal::NoHandler));
        let mut files = port.take_files();
        let put = |body: &Bytes| port.request(from, body.clone(), InboundId(1), &replies);
        assert!((0..WAITING).all(|_| put(&chunk).is_ok()));
        assert_eq!(put(&chunk), Err(Refusal::Busy));
        assert_eq!(put(&Request::SdkAuthorities.encode()), Ok(()));
        assert!(matches!(calls.next().await.unwrap().wanted, Request::SdkAuthorities));
        assert!(matches!(files.next().await.unwrap().wanted, Request::FileChunk(_)));
    }
}
