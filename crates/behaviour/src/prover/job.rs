use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use libp2p::gossipsub::MessageId;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Topic,
    status_sync::{Answer, Record},
    trace::{Report, Signed, TraceId},
};
use nuncio_wire::{
    DecodeError, SigningContext,
    announcement::{self, Announcement},
    multicast::{self, Gossip},
    status::{self, EncodedAnswer},
    trace,
};

use crate::{
    access::Certifier,
    gossip::Lane,
    status_sync::{self, Refused},
};

/// Records of an answer that are checked at a time.
const SLICE: usize = 16;

/// Bytes that a job takes besides those that came.
pub(super) const OVERHEAD: usize = 512;

/// Something to check, or to sign.
#[derive(Debug)]
pub(crate) enum Job {
    Announcement {
        lane: Lane,
        message: MessageId,
        unchecked: announcement::Unchecked,
    },
    Message {
        lane: Lane,
        message: MessageId,
        topic: Option<Topic>,
        length: usize,
        unchecked: multicast::Unchecked,
    },
    Answer(Box<Unproved>),
    Lists(Box<Unjudged>),
    /// Records that were proved before, whose certificates are to be judged by the rules in force.
    Members(Vec<Arc<Record>>),
    /// A report of this node, to be signed, on a message: its source, in which of its epochs, and its number.
    Report {
        report: Box<Report>,
        message: (NodeId, u64, u64),
    },
    /// Another's report.
    Signature {
        report: Box<Signed>,
    },
}

/// An answer of which not all is proved.
#[derive(Debug, Default)]
pub(crate) struct Unproved {
    records: VecDeque<Bytes>,
    /// Those out of which pages were left, and the ones held that have them.
    incomplete: VecDeque<(Bytes, Option<Arc<Record>>)>,
    proofs: VecDeque<[Bytes; 2]>,
    proved: Proved,
}

/// What an answer is when it is proved.
#[derive(Debug, Default)]
pub(crate) struct Proved {
    pub(crate) answer: Answer,
    pub(crate) refused: Vec<Refused>,
    /// Records out of which pages were left, which this node may hold, and whose they are.
    pub(crate) incomplete: Vec<(NodeId, Bytes)>,
    /// By which of the rules.
    pub(crate) rules: u64,
}

/// Revocation lists that are not judged yet.
#[derive(Debug)]
pub(crate) struct Unjudged {
    lists: VecDeque<Bytes>,
    /// Certificates of agencies that may have signed them, until the first list was judged.
    agencies: Vec<Bytes>,
    /// What came, in bytes.
    bytes: usize,
    is_newer: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Finding {
    Announcement {
        lane: Lane,
        message: MessageId,
        checked: Result<Announcement, DecodeError>,
    },
    Message {
        lane: Lane,
        message: MessageId,
        topic: Option<Topic>,
        length: usize,
        checked: Result<Gossip, DecodeError>,
    },
    /// It is signed.
    Report {
        report: Box<Signed>,
        message: (NodeId, u64, u64),
    },
    /// Whether it is its hop's.
    Signature {
        id: TraceId,
        hop: NodeId,
        holds: bool,
    },
    /// Whether any of them is newer than what was held.
    Lists {
        is_newer: bool,
        bytes: usize,
    },
    Answer(Box<Proved>),
    /// Those of them that are refused.
    Members {
        refused: Vec<Arc<Record>>,
    },
}

/// How far a job has come.
#[derive(Debug)]
pub(super) enum Step {
    More(Job),
    Done(Finding),
}

impl Unproved {
    pub(crate) fn of(encoded: EncodedAnswer) -> Self {
        let bytes = encoded.records.iter().map(Bytes::len).sum();
        let answer = Answer { more: encoded.more, bytes, ..Answer::default() };
        Self { records: encoded.records.into(), proofs: encoded.proofs.into(), ..Self::proved(answer) }
    }

    /// What was proved, to be proved once more.
    pub(crate) fn again(mut answer: Answer) -> Self {
        let records = answer.records.drain(..).map(|record| record.bytes.clone()).collect();
        Self { records, ..Self::proved(answer) }
    }

    /// What was proved, by the rules in force.
    pub(crate) fn proved(answer: Answer) -> Self {
        Self { proved: Proved { answer, ..Proved::default() }, ..Self::default() }
    }

    /// With records out of which pages were left, and the ones held that may have these.
    pub(crate) fn with(self, incomplete: Vec<(Bytes, Option<Arc<Record>>)>) -> Self {
        Self { incomplete: incomplete.into(), ..self }
    }

    pub(super) fn by(mut self, rules: u64) -> Self {
        self.proved.rules = rules;
        self
    }

    fn step(mut self: Box<Self>, context: &SigningContext, certifier: &dyn Certifier) -> Step {
        for proof in self.proofs.drain(..self.proofs.len().min(SLICE)) {
            match status_sync::prove_equivocation(proof, context, certifier) {
                Ok(proof) => self.proved.answer.proofs.push(proof),
                Err(refused) => self.proved.refused.push(refused),
            }
        }
        for record in self.records.drain(..self.records.len().min(SLICE)) {
            match status_sync::prove(record.clone(), context, certifier) {
                Err(Refused { left_out: Some(node), .. }) => self.proved.incomplete.push((*node, record)),
                proved => self.proved.take(proved),
            }
        }
        for (record, held) in self.incomplete.drain(..self.incomplete.len().min(SLICE)) {
            // What is no record is refused when it is read.
            let whole = status::complete(record.clone(), |_| held.as_deref()).unwrap_or(record);
            self.proved.take(status_sync::prove(whole, context, certifier));
        }
        if !self.records.is_empty() || !self.incomplete.is_empty() || !self.proofs.is_empty() {
            return Step::More(Job::Answer(self));
        }
        Step::Done(Finding::Answer(Box::new(self.proved)))
    }
}

impl Proved {
    fn take(&mut self, record: Result<Arc<Record>, Refused>) {
        match record {
            Ok(record) => self.answer.records.push(record),
            Err(refused) => {
                self.answer.refused.extend(refused.node);
                self.refused.push(refused);
            }
        }
    }
}

impl Unjudged {
    pub(crate) fn of(lists: Vec<Bytes>, agencies: Vec<Bytes>, bytes: usize) -> Self {
        Self { lists: lists.into(), agencies, bytes, is_newer: false }
    }

    /// One at a time: a long one takes a tenth of a second.
    fn step(mut self: Box<Self>, peer: NodeId, certifier: &dyn Certifier) -> Step {
        if let Some(list) = self.lists.pop_front() {
            let agencies = std::mem::take(&mut self.agencies);
            self.is_newer |= certifier.take_list(peer, &list, &agencies);
        }
        if !self.lists.is_empty() {
            return Step::More(Job::Lists(self));
        }
        Step::Done(Finding::Lists { is_newer: self.is_newer, bytes: self.bytes })
    }
}

impl Job {
    /// How many bytes it counts for.
    pub(super) fn weight(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Announcement { .. } | Self::Report { .. } | Self::Signature { .. } | Self::Members { .. } => 0,
                Self::Message { length, .. } => *length,
                Self::Answer(unproved) => unproved.proved.answer.bytes,
                Self::Lists(unjudged) => unjudged.bytes,
            }
    }

    pub(super) fn step(self, peer: NodeId, context: &SigningContext, certifier: &dyn Certifier) -> Step {
        match self {
            Self::Announcement { lane, message, unchecked } => {
                Step::Done(Finding::Announcement { lane, message, checked: unchecked.check(context) })
            }
            Self::Message { lane, message, topic, length, unchecked } => {
                let checked = unchecked.check(&multicast::gossip_topic(topic.as_ref()), context);
                Step::Done(Finding::Message { lane, message, topic, length, checked })
            }
            // A key in this process never fails, and no other's reports come here.
            Self::Report { report, message } => Step::Done(Finding::Report {
                report: Box::new(trace::sign(*report, context).expect("a key in this process signs")),
                message,
            }),
            Self::Signature { report } => {
                let (id, hop) = (report.report.id, report.report.hop);
                Step::Done(Finding::Signature { id, hop, holds: trace::check(&report, context).is_ok() })
            }
            Self::Answer(unproved) => unproved.step(context, certifier),
            Self::Lists(unjudged) => unjudged.step(peer, certifier),
            Self::Members(mut records) => {
                records.retain(|record| status_sync::is_refused(record, certifier));
                Step::Done(Finding::Members { refused: records })
            }
        }
    }
}

impl Step {
    /// Whether revocation lists of this job, so far, changed what the certifier says.
    pub(super) fn took_lists(&self) -> bool {
        match self {
            Self::More(Job::Lists(unjudged)) => unjudged.is_newer,
            Self::Done(Finding::Lists { is_newer, .. }) => *is_newer,
            _ => false,
        }
    }
}

impl Finding {
    /// The weight of the job it comes of.
    pub(super) fn weight(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Announcement { .. } | Self::Report { .. } | Self::Signature { .. } | Self::Members { .. } => 0,
                Self::Message { length, .. } => *length,
                Self::Answer(proved) => proved.answer.bytes,
                Self::Lists { bytes, .. } => *bytes,
            }
    }
}
