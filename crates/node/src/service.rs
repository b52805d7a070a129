//! What other nodes ask of this node itself: requests that no application can take or see.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use nuncio_bounds::{Account, Bound, Portions};
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

/// Requests that wait for the service at the most; further ones are refused as busy, and those of a source that would leave
/// less free than it has.
const WAITING: usize = 32;

/// What is kept of each beside its body.
type Kept = (Call, Place, (NodeId, usize));

pub(crate) const BOUND: Bound = Bound::of_entries::<Kept>(
    "requests to the node itself",
    WAITING,
    MAX_QUESTION,
    "further ones, and of one source more than there is room for others, are refused as busy",
);

/// The same of files: they are long, so that those who ask something else never wait behind them.
pub const FILES_BOUND: Bound = Bound::of_entries::<Kept>(
    "offers and pieces of files",
    WAITING,
    MAX_SERVICE_BODY,
    "further ones, and of one source more than there is room for others, are refused as busy, and come again",
);

/// Where a node puts such requests: see [`crate::Config::service`]. Whoever makes the node gives it one; nobody else can.
#[derive(Debug)]
pub struct Port {
    questions: Queue,
    files: Option<Queue>,
}

/// Where they come out; the node refuses them from when this is dropped.
#[derive(Debug)]
pub struct Calls(mpsc::Receiver<(Call, Place)>);

/// A request and the way back.
#[derive(Debug)]
pub struct Call {
    /// Who asks; proved by link or seal, and admitted here.
    pub from: NodeId,
    /// What.
    pub wanted: Request,
    responder: Responder,
}

/// What waits, and who has how much of it.
#[derive(Debug)]
struct Queue {
    calls: mpsc::Sender<(Call, Place)>,
    places: Places,
}

/// How many places each source has.
///
/// A source may have one more as long as that leaves as many free as it has then: so one alone takes half, and whoever asks
/// little finds room whatever others ask. Bound: as many sources as there are places.
#[derive(Debug, Clone, Default)]
struct Places(Arc<Mutex<Portions<NodeId>>>);

/// The place of one request, which is another's when it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    source: NodeId,
}

/// A port and its other end.
pub fn port() -> (Port, Calls) {
    let (questions, calls) = queue();
    (Port { questions, files: None }, calls)
}

fn queue() -> (Queue, Calls) {
    let (calls, receiver) = mpsc::channel(WAITING);
    (Queue { calls, places: Places::default() }, Calls(receiver))
}

impl Places {
    fn take(&self, source: NodeId) -> Option<Place> {
        let (mut held, account) = (self.held(), Account::Of(source));
        let has_room = held.all() + held.to_leave(account) < WAITING;
        has_room.then(|| {
            held.add(account, 1);
            Place { places: self.clone(), source }
        })
    }

    fn held(&self) -> MutexGuard<'_, Portions<NodeId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.held().remove(Account::Of(self.source), 1);
    }
}

impl Calls {
    /// The next request, which waits no more; `None` once the node has stopped.
    pub async fn next(&mut self) -> Option<Call> {
        Some(self.next_in_place().await?.0)
    }

    /// The same for who lets it wait on: it waits as long as its place is kept.
    pub async fn next_in_place(&mut self) -> Option<(Call, Place)> {
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
        let (files, calls) = queue();
        self.files = Some(files);
        calls
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
        match queue.calls.try_reserve() {
            Ok(slot) => {
                let place = queue.places.take(from).ok_or(Refusal::Busy)?;
                let responder = Responder { inbound, replies: Some(replies.clone()), parent: None };
                slot.send((Call { from, wanted, responder }, place));
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
        let ask_as = |from, body, number| port.request(from, body, InboundId(number), &replies);
        let ask = |body, number| ask_as(from, body, number);
        for nonsense in [Bytes::new(), Bytes::from_static(b"\xff\xff"), vec![0; MAX_SERVICE_BODY + 1].into()] {
            assert_eq!(ask(nonsense, 0), Err(Refusal::NoHandler));
        }
        assert!((0..WAITING as u64 / 2).all(|number| ask(wanted.encode(), number).is_ok()));
        assert_eq!(ask(wanted.encode(), 99), Err(Refusal::Busy), "half is left to others");
        let others = (0..100).filter(|_| ask_as(NodeKey::generate().node_id(), wanted.encode(), 99).is_ok());
        assert_eq!(others.count(), WAITING / 2);
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
        assert!((0..WAITING / 2).all(|_| put(&chunk).is_ok()));
        assert_eq!(put(&chunk), Err(Refusal::Busy));
        assert_eq!(put(&Request::SdkAuthorities.encode()), Ok(()));
        assert!(matches!(calls.next().await.unwrap().wanted, Request::SdkAuthorities));
        assert!(matches!(files.next().await.unwrap().wanted, Request::FileChunk(_)));
    }
    #[tokio::test]
    async fn whoever_asks_much_leaves_room_to_others_also_for_what_is_taken_and_waits_on() {
        let ((mut port, _calls), (replies, _taken)) = (port(), Replies::new());
        let mut files = port.take_files();
        let [greedy, other, third] = [(); 3].map(|()| NodeKey::generate().node_id());
        let chunk = Request::FileChunk(FileChunk { transfer: 1, offset: 0, data: vec![7; 100].into() }).encode();
        let fill =
            |from| (0..).take_while(|_| port.request(from, chunk.clone(), InboundId(1), &replies).is_ok()).count();
        assert_eq!([greedy, other, third].map(fill), [WAITING / 2, WAITING / 4, WAITING / 8]);
        let mut waiting = Vec::new();
        for _ in 0..WAITING / 2 {
            waiting.push(files.next_in_place().await.unwrap());
        }
        assert!(waiting.iter().all(|(call, _)| call.from == greedy));
        assert_eq!(fill(greedy), 0, "what was taken out of the queue still waits");
        drop(waiting);
        assert!(files.next().await.is_some_and(|call| call.from == other));
        assert!(fill(greedy) > 0);
        while files.0.try_recv().is_ok() {}
        assert_eq!(port.files.as_ref().unwrap().places.held().all(), 0);
    }
}
