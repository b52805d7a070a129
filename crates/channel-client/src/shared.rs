//! What the handles of a client and its task share.

use std::sync::atomic::{AtomicU64, Ordering};

use nuncio_channel_protocol::FrameSeq;
use tokio::sync::watch;

use crate::{Status, options::Options, pending::Pending, private::Verifiers, registry::Registry};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) pending: Pending,
    pub(crate) registry: Registry,
    pub(crate) verifiers: Verifiers,
    pub(crate) seqs: Seqs,
    pub(crate) status: watch::Sender<Status>,
}

/// Makes seqs no other client makes.
#[derive(Debug)]
pub(crate) struct Seqs {
    client: u64,
    count: AtomicU64,
}

impl Shared {
    pub(crate) fn new(options: Options) -> Self {
        let (status, _) = watch::channel(Status::Reconnecting { reason: "not yet connected".into() });
        Self {
            options,
            pending: Pending::default(),
            registry: Registry::default(),
            verifiers: Verifiers::default(),
            seqs: Seqs { client: rand::random(), count: AtomicU64::new(0) },
            status,
        }
    }
}

impl Seqs {
    pub(crate) fn next(&self) -> FrameSeq {
        FrameSeq::from_number(u128::from(self.client) << 64 | u128::from(self.count.fetch_add(1, Ordering::Relaxed)))
    }
}
