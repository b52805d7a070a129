//! Many streams on one connection.
//!
//! Two releases that know them use streams of our own; with an older one, yamux. Which it is, multistream-select agrees on
//! inside TLS.

mod broken;
mod connection;
mod entry;
mod frame;
mod fuzzing;
mod numbers;
mod output;
mod streams;
#[cfg(test)]
mod tests;
mod turns;
mod window;
mod yamux;

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use ::yamux::Mode;
use futures::{AsyncRead, AsyncWrite, future::Either};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use nuncio_bounds::Bound;

pub use self::fuzzing::hear;

use self::connection::MAX_STREAMS;

/// Streams of our own.
const OWN: &str = "/nuncio/streams/1";

/// What builds before this one know.
const YAMUX: &str = "/yamux/1.0.0";

/// Bytes of a connection that its peer may have sent and nobody has read.
const WINDOW: usize = 2 * MAX_STREAMS * window::INITIAL + window::GROWTH;
const _: () = assert!(WINDOW <= yamux::WINDOW, "the bound is that of both");

/// Makes a secured connection carry streams.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Multiplexer;

impl Multiplexer {
    pub(crate) fn bound(connections: usize) -> Bound {
        let when_full = "the peer may send no more before it is read";
        Bound::of_bytes("streams, as far as they are not read", yamux::WINDOW, when_full)
            .in_entries(2 * MAX_STREAMS)
            .per("link", connections)
    }
}

type Streams<C> = Either<streams::Streams<C>, yamux::Streams<C>>;

fn over<C: AsyncRead + AsyncWrite + Unpin>(socket: C, name: &str, mode: Mode) -> Streams<C> {
    if name == OWN {
        Either::Left(streams::Streams::over(socket, mode == Mode::Client))
    } else {
        Either::Right(yamux::Streams::over(socket, mode))
    }
}

impl UpgradeInfo for Multiplexer {
    type Info = &'static str;
    type InfoIter = [&'static str; 2];

    fn protocol_info(&self) -> Self::InfoIter {
        [OWN, YAMUX]
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> InboundConnectionUpgrade<C> for Multiplexer {
    type Output = Streams<C>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, socket: C, name: Self::Info) -> Self::Future {
        ready(Ok(over(socket, name, Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> OutboundConnectionUpgrade<C> for Multiplexer {
    type Output = Streams<C>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, socket: C, name: Self::Info) -> Self::Future {
        ready(Ok(over(socket, name, Mode::Client)))
    }
}
