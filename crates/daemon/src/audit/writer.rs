//! Takes events and writes them; what it cannot write it counts, and writes how many when it can again.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use nuncio_audit::{Entry, Mark, Missed, Next, Records};

use super::{Health, trail::Trail};

/// How often is looked whether something is due.
const TICK: Duration = Duration::from_secs(1);

/// A line stays unsigned so long at the most.
const SEAL: Duration = Duration::from_secs(10);

/// Lines are unsigned at the most.
const MOST_UNSEALED: u64 = 256;

/// How often it is said that events were missed, at the most.
const GAP: Duration = Duration::from_secs(10);

pub(super) struct Writer {
    records: Records,
    trail: Trail,
    health: Arc<Health>,
    missed: Missed,
    failing: Option<String>,
    /// Whether it was said that the key does not sign.
    is_unsigned: bool,
    ticked: Instant,
    sealed: Instant,
    told: Option<Instant>,
}

impl Writer {
    pub(super) fn new(records: Records, trail: Trail, health: Arc<Health>) -> Self {
        let now = Instant::now();
        let missed = Missed::default();
        Self { records, trail, health, missed, failing: None, is_unsigned: false, ticked: now, sealed: now, told: None }
    }

    /// Writes until nothing comes any more.
    pub(super) fn run(mut self) {
        let opened = self.trail.open();
        self.note(opened);
        loop {
            match self.records.next(TICK) {
                Next::Event(recorded) => {
                    let written = match self.failing {
                        None => self.trail.append(recorded.time, &Entry::Event(&recorded.event)),
                        Some(_) => Err(io::ErrorKind::Other.into()),
                    };
                    if written.is_err() {
                        self.missed.count(recorded.event.kind(), recorded.time);
                    }
                    if self.failing.is_none() {
                        self.note(written);
                    }
                }
                Next::Nothing => {}
                Next::End => return self.end(),
            }
            // A key that did not sign is asked again when the time has come.
            if self.trail.unsealed() >= MOST_UNSEALED && !self.is_unsigned {
                self.seal(Instant::now());
            }
            if self.ticked.elapsed() >= TICK {
                self.tick(Instant::now());
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        self.ticked = now;
        self.records.audit().conclude(now);
        if self.trail.look() {
            tracing::error!("the audit log's file was taken away or cut while it was written; another is begun");
        }
        self.missed.merge(self.records.take_missed());
        let is_gap_due = self.told.is_none_or(|told| now.saturating_duration_since(told) >= GAP);
        if self.failing.is_some() || is_gap_due {
            self.tell_missed(now);
        }
        if self.trail.unsealed() == 0 {
            self.sealed = now;
        } else if now.saturating_duration_since(self.sealed) >= SEAL {
            self.seal(now);
        }
    }

    fn seal(&mut self, now: Instant) {
        if self.failing.is_none() {
            let sealed = self.trail.seal();
            self.note(sealed);
            self.sealed = now;
            self.note_unsigned();
        }
    }

    /// Says once that the lines are not signed, and once that they are again. They are written all the same.
    fn note_unsigned(&mut self) {
        let unsigned = self.trail.unsigned();
        match unsigned {
            Some(error) if !self.is_unsigned => {
                tracing::error!(%error, "the audit log is written, but not signed: what is in it cannot be proved until the key signs again");
            }
            None if self.is_unsigned => tracing::info!("the audit log is signed again"),
            _ => {}
        }
        self.is_unsigned = unsigned.is_some();
    }

    /// Writes how many events were missed. When the log could not be written, this is how it is tried again.
    fn tell_missed(&mut self, now: Instant) {
        let mut missed = self.missed.clone();
        let Some((since, counts)) = missed.take() else {
            let opened = self.trail.open();
            return self.note(opened);
        };
        let cause = match &self.failing {
            Some(reason) => format!("the log could not be written: {reason}"),
            None => "there were too many at once".to_owned(),
        };
        let gap = Mark::Gap { since, missed: counts, cause: cause.into() };
        let written = self.trail.append(Timestamp::now(), &Entry::Mark(gap));
        if written.is_ok() {
            (self.missed, self.told) = (missed, Some(now));
        }
        self.note(written);
    }

    /// Says once that the log cannot be written, and once that it can again.
    fn note(&mut self, outcome: io::Result<()>) {
        match (outcome, &self.failing) {
            (Ok(()), Some(_)) => {
                self.failing = None;
                tracing::info!("the audit log is written again");
            }
            (Err(error), None) => {
                tracing::error!(%error, "the audit log cannot be written; the node goes on, and counts what is missing in it");
                self.failing = Some(error.to_string());
            }
            _ => {}
        }
        let unwritten = self.failing.as_ref().map(|reason| format!("the audit log cannot be written: {reason}"));
        let unsigned = self.trail.unsigned().map(|error| format!("the audit log is written, but not signed: {error}"));
        self.health.set(unwritten.or(unsigned), self.trail.position());
    }

    fn end(mut self) {
        self.missed.merge(self.records.take_missed());
        self.tell_missed(Instant::now());
        if self.trail.unsealed() > 0 {
            self.seal(Instant::now());
        }
    }
}
