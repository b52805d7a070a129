use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::Context,
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use futures::task::AtomicWaker;
use rustls_pki_types::CertificateDer;

use super::{doorway::Doorway, limited::Limited, nearby::Nearby};

/// Who is at the other end of a connection, as far as the connection says.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    /// A process on this machine; `None` when the kernel does not say whose.
    Process(Option<Process>, Standing),
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
    pub(super) standing: Standing,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing(Arc<Marks>);

/// A connection in the books, which do not keep it.
#[derive(Debug, Clone)]
pub(super) struct Entry(Weak<Marks>);

#[derive(Debug, Default)]
struct Marks {
    has_proved: AtomicBool,
    only_looks: AtomicBool,
    is_dismissed: AtomicBool,
    connection: AtomicWaker,
}

impl Standing {
    /// Its connection ends.
    pub(super) fn dismiss(&self) {
        self.0.is_dismissed.store(true, Ordering::Release);
        self.0.connection.wake();
    }

    /// Whether its connection has to end; the task of `cx`, which is the connection's, is woken when it has to.
    pub(super) fn is_dismissed(&self, cx: &Context<'_>) -> bool {
        self.0.connection.register(cx.waker());
        self.0.is_dismissed.load(Ordering::Acquire)
    }

    /// Who is there has proved who he is: his connection may stay.
    pub(crate) fn prove(&self) {
        self.0.has_proved.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_proved(&self) -> bool {
        self.0.has_proved.load(Ordering::Relaxed)
    }

    /// Marks it as one of somebody who may only look; whether it was none before.
    pub(super) fn begins_to_look(&self) -> bool {
        !self.0.only_looks.swap(true, Ordering::Relaxed)
    }

    pub(super) fn entry(&self) -> Entry {
        Entry(Arc::downgrade(&self.0))
    }
}

impl Entry {
    /// Whether it is gone.
    pub(super) fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// Whether it is this one.
    pub(super) fn is_of(&self, standing: &Standing) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&standing.0))
    }

    /// It ends.
    pub(super) fn dismiss(&self) {
        self.0.upgrade().map(Standing).iter().for_each(Standing::dismiss);
    }
}

impl Guest {
    pub(crate) fn new(address: SocketAddr, chain: Option<&[CertificateDer<'static>]>, is_tls: bool) -> Self {
        Self { address, chain: chain.unwrap_or_default().into(), is_tls, standing: Standing::default() }
    }

    pub(crate) fn has_proved(&self) -> bool {
        self.standing.has_proved()
    }

    /// Whether its connection has to end; the task of `cx`, which is the connection's, is woken when it has to.
    pub(crate) fn is_dismissed(&self, cx: &Context<'_>) -> bool {
        self.standing.is_dismissed(cx)
    }
}

impl Peer {
    /// Its connection ends.
    pub(crate) fn dismiss(&self) {
        self.standing().dismiss();
    }

    pub(super) const fn standing(&self) -> &Standing {
        match self {
            Self::Process(_, standing) => standing,
            Self::Network(guest) => &guest.standing,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(..) => f.write_str("the unix socket"),
            Self::Network(guest) => guest.address.fmt(f),
        }
    }
}

impl Connected<IncomingStream<'_, Limited<Nearby>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Limited<Nearby>>) -> Self {
        stream.io().inner().peer().clone()
    }
}

impl Connected<IncomingStream<'_, Limited<Doorway>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Limited<Doorway>>) -> Self {
        Self::Network(stream.io().inner().guest().clone())
    }
}
