//! A transfer that others may ask about while a piece of it is written.

use std::{
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    part::Part,
    transfer::{Fault, Transfer},
};

/// A file on its way. Whoever takes a piece waits for the one before to be written; whoever asks how far it is does not.
#[derive(Debug)]
pub(crate) struct Open {
    transfer: Mutex<Transfer>,
    /// Bytes that were there when a piece was written last.
    received: AtomicU64,
}

impl Open {
    pub(crate) fn new(part: Part, length: u64) -> Self {
        let transfer = Transfer::new(part, length);
        Self { received: AtomicU64::new(transfer.received()), transfer: Mutex::new(transfer) }
    }

    /// Bytes that are there, from the beginning.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    /// Takes a piece, see [`Transfer::take`]; says besides how many bytes were written.
    pub(crate) fn take(&self, offset: u64, data: &[u8]) -> (Result<u64, Fault>, u64) {
        let mut transfer = self.lock();
        let before = transfer.received();
        let taken = transfer.take(offset, data);
        self.received.store(transfer.received(), Ordering::Release);
        (taken, transfer.received() - before)
    }

    /// See [`Transfer::begin_again`].
    pub(crate) fn begin_again(&self) -> u64 {
        self.lock().begin_again()
    }

    /// What is there, once more.
    pub(crate) fn part(&self) -> io::Result<Part> {
        self.lock().part.again()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Transfer> {
        self.transfer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
