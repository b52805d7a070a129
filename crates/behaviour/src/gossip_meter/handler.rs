use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol, handler::ConnectionEvent};
use nuncio_protocol::LARGE_BODY;

use super::{
    Heard,
    rest::{Rest, Timer},
};

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

/// A handler whose incoming streams are counted, and whose peer is read no more while it rests.
pub struct Handler<H> {
    inner: H,
    rest: Arc<Rest>,
    timer: Timer,
    /// What was read while it rests: one message, after which no more is read.
    held: Option<Heard>,
    streams: usize,
    /// Not told yet.
    reopened: usize,
}

impl<H> Handler<H> {
    pub(super) fn new(inner: H, rest: Arc<Rest>) -> Self {
        Self { inner, rest, timer: Timer::default(), held: None, streams: 0, reopened: 0 }
    }
}

impl<H> fmt::Debug for Handler<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("streams", &self.streams).finish_non_exhaustive()
    }
}

impl<H: ConnectionHandler<ToBehaviour = Heard>> ConnectionHandler for Handler<H> {
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
        let is_resting = self.timer.is_running(&self.rest, cx);
        if self.held.is_none() {
            match self.inner.poll(cx) {
                Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(message @ Heard::Message { .. })) => {
                    self.held = Some(message);
                }
                event => return event.map(|event| event.map_custom(Told::Heard)),
            }
        }
        match self.held.take_if(|_| !is_resting) {
            // Another connection of the peer may have been first.
            Some(message) if is_long(&message) && !self.rest.hand_over(cx) => {
                self.held = Some(message);
                Poll::Pending
            }
            Some(message) => Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Told::Heard(message))),
            None => Poll::Pending,
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(Some(Told::Heard(held)));
        }
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

/// Whether a message of gossipsub's holds a long one.
pub(super) fn is_long(heard: &Heard) -> bool {
    matches!(heard, Heard::Message { rpc, .. } if rpc.messages.iter().any(|message| message.data.len() > LARGE_BODY))
}
