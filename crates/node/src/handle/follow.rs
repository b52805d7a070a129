//! Requests in an application's trace context, and such as the hops report on.

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_metrics::{CallKind, UnicastEnd};
use nuncio_protocol::{
    MAX_BODY,
    trace::{Trace, TraceId, TraceParent},
    unicast::UnicastError,
};
use tokio::sync::oneshot;

use super::{Answer, NodeHandle};
use crate::{
    command::Command,
    service,
    way::{Followed, Way},
};

impl NodeHandle {
    /// As [`NodeHandle::request`], in a trace context of the application's: the application at `target` gets it with the request,
    /// and no node between sees it.
    ///
    /// # Errors
    /// As [`NodeHandle::request`].
    pub async fn request_in(
        &self,
        target: NodeId,
        body: Bytes,
        timeout: Duration,
        parent: Option<TraceParent>,
    ) -> Result<Answer, UnicastError> {
        self.within_limit(&body)?;
        let how = (Trace { parent, ..Trace::default() }, self.priority);
        self.ask_once(CallKind::Application, target, body, timeout, how).await
    }

    /// As [`NodeHandle::request`], and every node on the way that knows traces reports when it had the request. Ends when all of
    /// them have, a second after the request at the latest. Without a trace context of the application's a new one is made.
    pub async fn follow(
        &self,
        target: NodeId,
        body: Bytes,
        timeout: Duration,
        parent: Option<TraceParent>,
    ) -> Followed {
        let id = new_id();
        if let Err(error) = self.within_limit(&body) {
            let parent = parent.unwrap_or_else(|| TraceParent::begin(id));
            return Followed { outcome: Err(error), way: Way::nowhere(id), parent };
        }
        self.followed(id, parent, (CallKind::Application, target, body, timeout)).await
    }

    /// The same with an empty request that `target` answers itself, whether or not an application listens there. Only for nodes
    /// that know such requests ([`NodeSnapshot::serves`](crate::NodeSnapshot::serves)); a release before traces refuses it, and is
    /// reached all the same.
    pub async fn probe(&self, target: NodeId, timeout: Duration) -> Followed {
        let body = service::Request::Probe.encode();
        let followed = self.followed(new_id(), None, (CallKind::Service, target, body, timeout)).await;
        // Whatever it says to a sign of life is one.
        let outcome = followed.outcome.map(|answer| Answer { body: Bytes::new(), ..answer });
        Followed { outcome, ..followed }
    }

    async fn followed(
        &self,
        id: TraceId,
        parent: Option<TraceParent>,
        (kind, target, body, timeout): (CallKind, NodeId, Bytes, Duration),
    ) -> Followed {
        let parent = parent.unwrap_or_else(|| TraceParent::begin(id));
        let trace = Trace { id: Some(id), parent: Some(parent), taken: None };
        let (way, told) = oneshot::channel();
        let priority = self.priority;
        let command = |answer| Command::Ask { kind, target, body, timeout, trace, priority, way: Some(way), answer };
        let outcome = self.exchange(command).await;
        // A node that stops tells nothing more.
        let way = told.await.unwrap_or_else(|_| Way::nowhere(id));
        Followed { outcome, way, parent }
    }

    fn within_limit(&self, body: &Bytes) -> Result<(), UnicastError> {
        if body.len() <= MAX_BODY {
            return Ok(());
        }
        self.metrics.unicast.taken.increment(CallKind::Application);
        self.metrics.unicast.ended.increment(UnicastEnd::TooLarge);
        Err(UnicastError::TooLarge { bytes: body.len(), limit: MAX_BODY })
    }
}

/// Nobody's else: drawn at random.
fn new_id() -> TraceId {
    loop {
        if let Some(id) = TraceId::from_bytes(&rand::random::<[u8; TraceId::LENGTH]>()) {
            return id;
        }
    }
}
