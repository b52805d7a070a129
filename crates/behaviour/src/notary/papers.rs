//! What is to be signed, and what is.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::{NodeId, SignError};
use nuncio_protocol::{
    Account,
    amop::Multicast,
    multicast::Leg,
    status_sync::{Record, Status, Version},
    trace::{self, Report},
};
use nuncio_wire::{
    SigningContext, amop, announcement,
    multicast::{self, Gossip},
    status,
};

use crate::gossip::Lane;

/// Messages of applications that wait, are being signed, or are signed and not taken; and their bytes.
const MAX_MESSAGES: usize = 1024;
const MAX_BYTES: usize = 32 << 20;

/// Bytes a message counts for besides its body.
const OVERHEAD: usize = 512;

/// How long a report is worth signing.
const REPORT_LIFETIME: Duration = Duration::from_secs(1);

/// Something to be signed.
#[derive(Debug, Clone)]
pub(crate) enum Paper {
    /// The own status, with the certificates behind it.
    Status { status: Box<Status>, chain: Vec<Bytes> },
    /// The own version.
    Announcement { version: Version, clock: Duration },
    /// A multicast or broadcast for a topic of gossip.
    Gossip { lane: Lane, topic: String, gossip: Gossip },
    /// A report on a traced message of another node: its source, in which of its epochs, and its number.
    Report { report: Box<Report>, message: (NodeId, u64, u64) },
    /// An AMOP multicast for a peer, which relays it.
    Multicast { to: NodeId, account: Account, multicast: Box<Multicast> },
    /// A batch of multicasts for a peer, which relays it.
    Batch { to: NodeId, account: Account, leg: Box<Leg> },
}

/// The same, signed and encoded.
#[derive(Debug)]
pub(crate) enum Signed {
    Status(Arc<Record>),
    Announcement(Vec<u8>),
    Gossip { lane: Lane, topic: String, message: Vec<u8> },
    Report { report: Box<trace::Signed>, message: (NodeId, u64, u64) },
    Multicast { to: NodeId, account: Account, multicast: Box<Multicast> },
    Batch { to: NodeId, account: Account, leg: Box<Leg> },
}

impl Paper {
    /// `None` when it is for nobody.
    pub(super) fn sign(self, context: &SigningContext) -> Result<Option<Signed>, SignError> {
        Ok(Some(match self {
            Self::Status { status, chain } => Signed::Status(Arc::new(status::sign_record(*status, &chain, context)?)),
            Self::Announcement { version, clock } => {
                Signed::Announcement(announcement::encode(version, clock, context)?)
            }
            Self::Gossip { lane, topic, gossip } => {
                let message = multicast::encode(&topic, gossip, context)?;
                Signed::Gossip { lane, topic, message }
            }
            Self::Report { report, message } => {
                Signed::Report { report: Box::new(nuncio_wire::trace::sign(*report, context)?), message }
            }
            Self::Multicast { to, account, multicast } => {
                let Some(multicast) = amop::seal_multicast(*multicast, context)? else { return Ok(None) };
                Signed::Multicast { to, account, multicast: Box::new(multicast) }
            }
            Self::Batch { to, account, leg } => {
                multicast::sign_leg(&leg, context)?;
                Signed::Batch { to, account, leg }
            }
        }))
    }

    /// For how long it is worth signing; what is replaced by the next of its kind has no end.
    fn lifetime(&self) -> Option<Duration> {
        match self {
            Self::Status { .. } | Self::Announcement { .. } => None,
            Self::Gossip { gossip, .. } => Some(gossip.lifetime),
            Self::Report { .. } => Some(REPORT_LIFETIME),
            Self::Multicast { multicast, .. } => Some(multicast.lifetime),
            Self::Batch { leg, .. } => Some(leg.batch.lifetime),
        }
    }

    fn weight(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Status { .. } | Self::Announcement { .. } | Self::Report { .. } => 0,
                Self::Gossip { gossip, .. } => gossip.body.len(),
                Self::Multicast { multicast, .. } => multicast.length(),
                Self::Batch { leg, .. } => leg.batch.length(),
            }
    }
}

/// Papers in the order in which they are signed: the newest status, the newest announcement, then messages as they came.
///
/// Bound: one status, one announcement; messages, [`MAX_MESSAGES`] and [`MAX_BYTES`], of which the last may pass the latter.
/// When full, a message is refused. What nobody would take any more is dropped.
#[derive(Debug, Default)]
pub(super) struct Papers {
    status: Option<Paper>,
    announcement: Option<Paper>,
    messages: VecDeque<Message>,
    /// The message being signed.
    present: Option<(Instant, usize)>,
    signed: VecDeque<(usize, Signed)>,
    count: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Message {
    paper: Paper,
    until: Instant,
    weight: usize,
}

impl Papers {
    pub(super) const BOUND: Bound =
        Bound::of_bytes("messages to be signed by a key in a token", MAX_BYTES, "further ones are refused as busy")
            .in_entries(MAX_MESSAGES);

    /// Says whether there was room.
    pub(super) fn push(&mut self, paper: Paper, now: Instant) -> bool {
        match (&paper, paper.lifetime()) {
            (Paper::Status { .. }, _) => self.status = Some(paper),
            (_, None) => self.announcement = Some(paper),
            (_, Some(_)) if self.count >= MAX_MESSAGES || self.bytes >= MAX_BYTES => return false,
            (_, Some(lifetime)) => {
                let weight = paper.weight();
                self.count += 1;
                self.bytes += weight;
                self.messages.push_back(Message { paper, until: now + lifetime, weight });
            }
        }
        true
    }

    /// The next to be signed; it ends in [`done`](Self::done) or [`put_back`](Self::put_back).
    pub(super) fn next(&mut self, now: Instant) -> Option<Paper> {
        if let Some(paper) = self.status.take().or_else(|| self.announcement.take()) {
            return Some(paper);
        }
        while let Some(Message { paper, until, weight }) = self.messages.pop_front() {
            if now < until {
                self.present = Some((until, weight));
                return Some(paper);
            }
            self.release(weight);
        }
        None
    }

    /// It is signed, or was for nobody.
    pub(super) fn done(&mut self, signed: Option<Signed>) {
        let weight = self.present.take().map(|(_, weight)| weight);
        match signed {
            Some(signed) => self.signed.push_back((weight.unwrap_or(0), signed)),
            None => self.release(weight.unwrap_or(0)),
        }
    }

    /// It could not be signed, and is the next again, unless there is a newer one.
    pub(super) fn put_back(&mut self, paper: Paper) {
        match (&paper, self.present.take()) {
            (_, Some((until, weight))) => self.messages.push_front(Message { paper, until, weight }),
            (Paper::Status { .. }, None) => {
                self.status.get_or_insert(paper);
            }
            // The next one says more.
            (_, None) => {}
        }
    }

    /// What was signed first.
    pub(super) fn take(&mut self) -> Option<Signed> {
        let (weight, signed) = self.signed.pop_front()?;
        self.release(weight);
        Some(signed)
    }

    /// Statuses and announcements weigh nothing.
    fn release(&mut self, weight: usize) {
        self.count -= usize::from(weight > 0);
        self.bytes -= weight;
    }
}

#[cfg(test)]
mod tests;
