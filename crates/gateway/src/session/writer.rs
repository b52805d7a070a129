use std::{
    collections::VecDeque,
    io,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use nuncio_channel_protocol::{AmopBody, Frame, RECORD_LENGTH};

use super::link::Link;
use crate::{
    bounds::WRITE_BATCH,
    clients::{Content, Mailbox, Parcel, Written},
    counters::Counters,
};

/// Batches written before the session reads again: a client with much to receive is still heard.
const ROUNDS: usize = 16;

/// Carries parcels from the mailbox into TLS: one frame after the other, each beginning a record, one system call for many.
#[derive(Debug, Default)]
pub(super) struct Writer {
    batch: VecDeque<Parcel>,
    written: Vec<Written>,
    current: Option<Current>,
    stall: Option<Stall>,
}

/// The frame being written.
#[derive(Debug)]
struct Current {
    head: Vec<u8>,
    data: Bytes,
    taken: usize,
    parcel: Written,
}

/// The socket takes nothing more.
#[derive(Debug)]
struct Stall {
    since: Instant,
    sent: usize,
}

impl Writer {
    /// Writes what there is, as far as the socket takes it. Says how many bytes it took.
    pub(super) fn drain(
        &mut self,
        cx: &mut Context<'_>,
        link: &mut Link,
        mailbox: &Mailbox,
        counters: &Counters,
    ) -> io::Result<usize> {
        let mut total = 0;
        for _ in 0..ROUNDS {
            let filled = self.fill(cx, link, mailbox, counters)?;
            let mut sent = 0;
            let flushed = link.poll_flush(cx, &mut sent);
            total += sent;
            match flushed {
                Poll::Pending => {
                    self.note_stall(sent);
                    return Ok(total);
                }
                Poll::Ready(result) => result?,
            }
            self.stall = None;
            // What found no room while records waited for the socket has it now, and nobody else would wake for it.
            if !filled && self.current.is_none() {
                return Ok(total);
            }
        }
        cx.waker().wake_by_ref();
        Ok(total)
    }

    /// Since when the socket has not taken its next record.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stall.as_ref().map(|stall| stall.since)
    }

    /// Encrypts up to a batch; false when there was nothing.
    fn fill(
        &mut self,
        cx: &mut Context<'_>,
        link: &mut Link,
        mailbox: &Mailbox,
        counters: &Counters,
    ) -> io::Result<bool> {
        let mut filled = 0;
        while filled < WRITE_BATCH {
            let Some(current) = self.current(cx, mailbox) else {
                break;
            };
            let taken = current.write(link)?;
            if taken == 0 {
                break;
            }
            filled += taken;
            if current.is_done() {
                counters.frames_sent.increment();
                self.written.extend(self.current.take().map(|current| current.parcel));
            }
        }
        Ok(filled > 0)
    }

    fn current(&mut self, cx: &mut Context<'_>, mailbox: &Mailbox) -> Option<&mut Current> {
        if self.current.is_none() {
            if self.batch.is_empty() {
                mailbox.exchange(&mut self.batch, &mut self.written, WRITE_BATCH, cx);
            }
            match self.batch.pop_front() {
                Some(parcel) => self.current = Some(Current::new(parcel)),
                None => self.shrink(),
            }
        }
        self.current.as_mut()
    }

    fn note_stall(&mut self, sent: usize) {
        let now = Instant::now();
        let stall = self.stall.get_or_insert(Stall { since: now, sent: 0 });
        stall.sent += sent;
        if stall.sent >= RECORD_LENGTH {
            *stall = Stall { since: now, sent: 0 };
        }
    }

    fn shrink(&mut self) {
        if self.batch.capacity() > 16 || self.written.capacity() > 16 {
            self.batch = VecDeque::new();
            self.written = Vec::new();
        }
    }
}

impl Current {
    fn new(parcel: Parcel) -> Self {
        let (front, data) = match &parcel.content {
            Content::Plain(body) => (Bytes::new(), body.clone()),
            Content::Amop { topic, data } => {
                let topic = AmopBody::new(topic.as_str(), Bytes::new()).expect("a topic has at most 254 bytes");
                (topic.pack(), data.clone())
            }
        };
        let header = Frame { kind: parcel.kind, seq: parcel.seq, result: parcel.result, body: Bytes::new() };
        let length = header.length() + front.len() + data.len();
        let mut head = header.encode_header().to_vec();
        // The payload stays where it is, so the header's length, which counts it, is set here.
        head[..4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        head.extend_from_slice(&front);
        Self { head, data, taken: 0, parcel: parcel.into_written() }
    }

    fn write(&mut self, link: &mut Link) -> io::Result<usize> {
        let head = self.head.get(self.taken..).unwrap_or_default();
        let data = &self.data[self.taken.saturating_sub(self.head.len())..];
        let taken = link.write(head, data)?;
        self.taken += taken;
        Ok(taken)
    }

    fn is_done(&self) -> bool {
        self.taken == self.head.len() + self.data.len()
    }
}
