use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Context,
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use futures::task::AtomicWaker;
use rustls_pki_types::CertificateDer;
use tokio::net::UnixListener;

use super::{doorway::Doorway, limited::Limited};

/// Who is at the other end of a connection, as far as the connection says.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    /// A process on this machine; `None` when the kernel does not say whose.
    Process(Option<Process>),
    /// Somebody who came by TCP.
    Network(Guest),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) pid: Option<i32>,
}

/// Somebody who came by TCP.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    pub(super) address: SocketAddr,
    /// The certificates shown in the handshake; none in plain HTTP, and when none were shown.
    pub(super) chain: Arc<[CertificateDer<'static>]>,
    pub(super) is_tls: bool,
    standing: Arc<Standing>,
}

#[derive(Debug, Default)]
struct Standing {
    has_proved: AtomicBool,
    is_dismissed: AtomicBool,
    connection: AtomicWaker,
}

impl Guest {
    pub(crate) fn new(address: SocketAddr, chain: Option<&[CertificateDer<'static>]>, is_tls: bool) -> Self {
        Self { address, chain: chain.unwrap_or_default().into(), is_tls, standing: Arc::default() }
    }

    /// It has proved who it is: its connection may stay.
    pub(crate) fn prove(&self) {
        self.standing.has_proved.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_proved(&self) -> bool {
        self.standing.has_proved.load(Ordering::Relaxed)
    }

    /// Its connection ends.
    pub(crate) fn dismiss(&self) {
        self.standing.is_dismissed.store(true, Ordering::Release);
        self.standing.connection.wake();
    }

    /// Whether its connection has to end; the task of `cx`, which is the connection's, is woken when it has to.
    pub(crate) fn is_dismissed(&self, cx: &Context<'_>) -> bool {
        self.standing.connection.register(cx.waker());
        self.standing.is_dismissed.load(Ordering::Acquire)
    }
}

impl Peer {
    /// Its connection ends, where it came by TCP; over the socket its answer does.
    pub(crate) fn dismiss(&self) {
        if let Self::Network(guest) = self {
            guest.dismiss();
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(_) => f.write_str("the unix socket"),
            Self::Network(guest) => guest.address.fmt(f),
        }
    }
}

impl Connected<IncomingStream<'_, Limited<UnixListener>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Limited<UnixListener>>) -> Self {
        let credentials = stream.io().inner().peer_cred().ok();
        Self::Process(credentials.map(|of| Process { uid: of.uid(), gid: of.gid(), pid: of.pid() }))
    }
}

impl Connected<IncomingStream<'_, Limited<Doorway>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Limited<Doorway>>) -> Self {
        Self::Network(stream.io().inner().guest().clone())
    }
}
