use std::{
    fmt,
    task::{Context, Poll},
};

use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol, handler::ConnectionEvent};

/// Streams that a peer may open without a question: one, and one more when this node was slow to agree on the first.
const STREAMS: usize = 2;

/// What a connection tells.
#[derive(Debug)]
pub enum Told<T> {
    /// What the inner handler tells.
    Heard(T),
    /// The peer opened one stream more than it may.
    Reopened,
}

/// A handler whose incoming streams are counted.
pub struct Handler<H> {
    inner: H,
    streams: usize,
    /// Not told yet.
    reopened: usize,
}

impl<H> Handler<H> {
    pub(super) const fn new(inner: H) -> Self {
        Self { inner, streams: 0, reopened: 0 }
    }
}

impl<H> fmt::Debug for Handler<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("streams", &self.streams).finish_non_exhaustive()
    }
}

impl<H: ConnectionHandler> ConnectionHandler for Handler<H> {
    type FromBehaviour = H::FromBehaviour;
    type ToBehaviour = Told<H::ToBehaviour>;
    type InboundProtocol = H::InboundProtocol;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = H::InboundOpenInfo;
    type OutboundOpenInfo = H::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        self.inner.listen_protocol()
    }

    fn connection_keep_alive(&self) -> bool {
        self.inner.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        if let Some(left) = self.reopened.checked_sub(1) {
            self.reopened = left;
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Told::Reopened));
        }
        self.inner.poll(cx).map(|event| event.map_custom(Told::Heard))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        self.inner.poll_close(cx).map(|event| event.map(Told::Heard))
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        self.inner.on_behaviour_event(event);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        if matches!(event, ConnectionEvent::FullyNegotiatedInbound(_)) {
            self.streams += 1;
            self.reopened += usize::from(self.streams > STREAMS);
        }
        self.inner.on_connection_event(event);
    }
}
