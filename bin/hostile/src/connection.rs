//! A connection without a swarm: its streams are opened and taken as they come, and nothing else watches over it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use anyhow::Context as _;
use futures::{future::poll_fn, ready};
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        Endpoint,
        muxing::{StreamMuxer, StreamMuxerBox, SubstreamBox},
        transport::{Boxed, DialOpts, PortUse},
    },
};
use multistream_select::{Negotiated, Version, dialer_select_proto};
use nuncio_identity::NodeId;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

pub(crate) type Stream = Negotiated<SubstreamBox>;

type Wish = oneshot::Sender<io::Result<SubstreamBox>>;

/// One connection; it ends when this is dropped.
pub(crate) struct Connection {
    pub(crate) peer: NodeId,
    wishes: mpsc::Sender<Wish>,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Dials a node; what it opens is handed to `taken`, not negotiated.
    pub(crate) async fn dial(
        transport: &mut Boxed<(PeerId, StreamMuxerBox)>,
        address: Multiaddr,
        taken: mpsc::Sender<SubstreamBox>,
    ) -> anyhow::Result<Self> {
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        let (peer, muxer) = transport.dial(address, options)?.await?;
        let peer = NodeId::try_from(peer).context("a peer without a node's key")?;
        let (wishes, wished) = mpsc::channel(64);
        let driver = Driver { muxer, wished, wish: None, taken };
        Ok(Self { peer, wishes, driver: tokio::spawn(driver.run()) })
    }

    /// A stream on which nothing has been said.
    pub(crate) async fn open_raw(&self) -> io::Result<SubstreamBox> {
        let (wish, stream) = oneshot::channel();
        self.wishes.send(wish).await.map_err(|_| ended())?;
        stream.await.map_err(|_| ended())?
    }

    /// A stream of a protocol.
    pub(crate) async fn open(&self, protocol: &'static str) -> io::Result<Stream> {
        let stream = self.open_raw().await?;
        let (_, stream) = dialer_select_proto(stream, [protocol], Version::V1).await.map_err(io::Error::other)?;
        Ok(stream)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.driver.is_finished()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the connection has ended")
}

struct Driver {
    muxer: StreamMuxerBox,
    wished: mpsc::Receiver<Wish>,
    wish: Option<Wish>,
    taken: mpsc::Sender<SubstreamBox>,
}

impl Driver {
    async fn run(mut self) {
        // Whoever wants a stream of it hears that it has ended.
        let _ = poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            // Again after each stream that was opened: only then is it seen that something is written to it.
            while let Poll::Ready(stream) = Pin::new(&mut self.muxer).poll_inbound(cx)? {
                // Whom nobody listens to is dropped, as is what comes too fast.
                let _ = self.taken.try_send(stream);
            }
            while let Poll::Ready(event) = Pin::new(&mut self.muxer).poll(cx)? {
                let _ = event;
            }
            if self.wish.is_none() {
                self.wish = ready!(self.wished.poll_recv(cx));
            }
            if self.wish.is_none() {
                return Poll::Ready(Ok(()));
            }
            let stream = ready!(Pin::new(&mut self.muxer).poll_outbound(cx));
            let has_failed = stream.is_err();
            if let Some(wish) = self.wish.take() {
                let _ = wish.send(stream);
            }
            if has_failed {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
