//! The p2p port's door: before TLS, and before the swarm hears of a connection.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    task::{Context, Poll},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Either, select},
};
use libp2p::{
    Multiaddr, Transport,
    core::transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent},
    multiaddr::Protocol,
};
use nuncio_audit::{Audit, Event};
use nuncio_door::{Door, Place};
use nuncio_metrics::{Cause, Direction, LinkRefusal};

use crate::error::HandshakeError;

/// Connections turned away before the task that polls gets a chance to do something else.
const BUDGET: usize = 64;

/// A transport whose incoming connections first get a place at the door. They hold it until their multiplexer stands;
/// whoever has to make room for a newcomer is closed.
pub(crate) struct Doorway<T> {
    inner: Boxed<T>,
    door: Door,
    audit: Audit,
}

impl<T> Doorway<T> {
    pub(crate) fn new(inner: Boxed<T>, door: Door, audit: Audit) -> Self {
        Self { inner, door, audit }
    }

    fn place(&self, from: &Multiaddr) -> Option<Place> {
        let refusal = match self.door.knock(address(from)?) {
            Ok(place) => return Some(place),
            Err(refusal) => refusal,
        };
        self.audit.record(Event::NodeRefused {
            refused: Cause::P2p(Direction::Inbound, LinkRefusal::Door).into(),
            address: socket(from).into(),
            node: None,
            cause: format!("closed before its handshake: {refusal}").into(),
        });
        None
    }
}

impl<T: Send + 'static> Transport for Doorway<T> {
    type Output = T;
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<T>>;
    type Dial = BoxFuture<'static, io::Result<T>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    /// Who was admitted when it was dialled is no stranger when it dials.
    fn dial(&mut self, to: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let (door, remote) = (self.door.clone(), address(&to));
        let dialing = self.inner.dial(to, options)?;
        Ok(async move {
            let connection = dialing.await?;
            remote.into_iter().for_each(|remote| door.admitted(remote));
            Ok(connection)
        }
        .boxed())
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        for _ in 0..BUDGET {
            let Poll::Ready(event) = Pin::new(&mut self.inner).poll(cx) else { return Poll::Pending };
            let TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr } = event else {
                return Poll::Ready(event.map_upgrade(FutureExt::boxed));
            };
            // Without a place the upgrade is dropped, and the socket with it.
            if let Some(place) = self.place(&send_back_addr) {
                let upgrade = at_the_door(upgrade, place).boxed();
                return Poll::Ready(TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr });
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

async fn at_the_door<T>(handshake: impl Future<Output = io::Result<T>>, mut place: Place) -> io::Result<T> {
    let outcome = match select(pin!(handshake), pin!(place.given_away())).await {
        Either::Left((outcome, _)) => outcome?,
        Either::Right(((), _)) => return Err(io::Error::other(HandshakeError::GaveWay)),
    };
    place.admitted();
    Ok(outcome)
}

fn socket(multiaddr: &Multiaddr) -> String {
    let port = multiaddr.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
    match (address(multiaddr), port) {
        (Some(address), Some(port)) => SocketAddr::new(address, port).to_string(),
        _ => multiaddr.to_string(),
    }
}

fn address(multiaddr: &Multiaddr) -> Option<IpAddr> {
    match multiaddr.iter().next()? {
        Protocol::Ip4(address) => Some(address.into()),
        Protocol::Ip6(address) => Some(address.into()),
        _ => None,
    }
}
