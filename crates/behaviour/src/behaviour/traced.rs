//! Traces: what applications ask for, and reports, which are signed and checked outside the swarm's task.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_metrics::{DropCause, TraceReport};
use nuncio_protocol::{
    Priority, TraceInput, UnicastInput,
    trace::{Passage, Signed, Trace},
    unicast::ExchangeId,
};

use super::Behaviour;
use crate::{notary::Paper, prover::Job};

impl Behaviour {
    /// As [`Behaviour::request`], as urgent as is said, and in the application's trace context, if it has one. With a name for the trace the hops report
    /// too, and [`crate::Event::Traced`] follows the end.
    pub fn follow(
        &mut self,
        target: NodeId,
        body: Bytes,
        timeout: Duration,
        (trace, priority): (Trace, Priority),
    ) -> ExchangeId {
        self.last_exchange += 1;
        let exchange = ExchangeId(self.last_exchange);
        self.handle(UnicastInput::Request { exchange, target, body, timeout, trace, priority });
        exchange
    }

    /// As [`Behaviour::ask_service`], likewise.
    pub fn follow_service(&mut self, target: NodeId, body: Bytes, timeout: Duration, trace: Trace) -> ExchangeId {
        self.last_exchange += 1;
        let exchange = ExchangeId(self.last_exchange);
        self.handle(UnicastInput::ServiceRequest { exchange, target, body, timeout, trace });
        exchange
    }

    pub(super) fn sign_report(&self, passage: &Passage, now: Instant) {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let report = Box::new(passage.report(self.context.node(), (clock, Instant::now())));
        let (from, message) = (passage.from, passage.message);
        let is_taken = if self.notary.signs_at_once() {
            self.prover.push(from, Job::Report { report, message })
        } else {
            self.notary.leave(Paper::Report { report, message }, now)
        };
        if !is_taken {
            self.drop_message(DropCause::KeyBusy);
        }
    }

    pub(super) fn check_report(&mut self, from: NodeId, report: Box<Signed>, now: Instant) {
        let (id, hop) = (report.report.id, report.report.hop);
        if !self.prover.push(from, Job::Signature { report }) {
            self.overlay.handle_input(TraceInput::Checked { id, hop, holds: None }, now);
        }
    }

    /// Counts of the core's, for the metrics.
    pub(super) fn measure_reports(&self) {
        let (counted, reports) = (&self.meter.metrics.core.trace_reports, self.overlay.reports());
        counted.copy(TraceReport::Sent, reports.sent);
        counted.copy(TraceReport::Taken, reports.taken);
        counted.copy(TraceReport::Refused, reports.refused);
    }
}
