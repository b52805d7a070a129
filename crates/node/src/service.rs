//! What other nodes ask of this node itself: requests that no application can take or see.

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    MAX_SERVICE_BODY,
    unicast::{InboundId, Refusal, UnicastError},
};
use nuncio_wire::DecodeError;
pub use nuncio_wire::service::{Answer, Enrolment, MAX_ISSUERS, Request, SdkIssuer};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{handle::Responder, replies::Replies};

/// Requests that wait for the service at the most; further ones are refused as busy.
const WAITING: usize = 32;

pub(crate) const BOUND: Bound = Bound::of_entries::<Call>(
    "requests to the node itself",
    WAITING,
    MAX_SERVICE_BODY,
    "further ones are refused as busy",
);

/// Where a node puts such requests: see [`crate::Config::service`]. Whoever makes the node gives it one; nobody else can.
#[derive(Debug)]
pub struct Port(mpsc::Sender<Call>);

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
    let (sender, receiver) = mpsc::channel(WAITING);
    (Port(sender), Calls(receiver))
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
        match self.0.try_reserve() {
            Ok(place) => {
                place.send(Call { from, wanted, responder: Responder { inbound, replies: Some(replies.clone()) } });
                Ok(())
            }
            Err(TrySendError::Full(())) => Err(Refusal::Busy),
            Err(TrySendError::Closed(())) => Err(Refusal::NoHandler),
        }
    }
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
}
