//! Nodes in a line with a virtual clock: what a message waits in a node, in a queue and on a wire takes its time.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_identity::{NodeId, Signature};
use nuncio_protocol::{
    Config, Header, Output, UnicastInput,
    peering::Direction,
    status_sync::{Record, Status},
    trace::{Fate, Passage, Report, Signed, Trace, TraceId, TraceInput, Traced},
    unicast::{ExchangeId, Message, Reply, UnicastError},
};
use nuncio_testkit::simulator::{Lone, node_id, record, sign as sign_record};

/// From when a message is read until its node comes to it; until it leaves the queue; and until it is at the other end.
pub(crate) const STEP: Duration = Duration::from_micros(100);
pub(crate) const QUEUE: Duration = Duration::from_micros(30);
pub(crate) const WIRE: Duration = Duration::from_millis(2);

pub(crate) fn id(n: u8) -> TraceId {
    TraceId::from_bytes(&[n; 16]).unwrap()
}

pub(crate) fn followed(id: TraceId) -> Trace {
    Trace { id: Some(id), ..Trace::default() }
}

pub(crate) fn request(target: usize, exchange: u64, id: TraceId) -> UnicastInput {
    UnicastInput::Request {
        exchange: ExchangeId(exchange),
        target: node_id(target),
        body: Bytes::from_static(b"ping"),
        timeout: Duration::from_secs(5),
        trace: followed(id),
        priority: Default::default(),
    }
}

/// What the `hop`-th node says that it had from the `from`-th.
pub(crate) fn report(id: TraceId, hop: usize, from: usize, fate: Fate) -> Signed {
    let [origin, hop, from] = [0, hop, from].map(node_id);
    let none = Duration::ZERO;
    seal(Report { id, origin, hop, from, took: none, queued: none, done: none, fate })
}

fn seal(report: Report) -> Signed {
    let signature = Signature::from_bytes(&[7; Signature::LENGTH]).unwrap();
    Signed { report, bytes: Bytes::new(), signature }
}

/// The record of a node that takes reports.
pub(crate) fn signed(n: usize, neighbours: &[usize]) -> Arc<Record> {
    sign_record(Status { traces: true, ..record(n, 2, neighbours, &[]).status.clone() })
}

pub(crate) fn tracing(n: usize) -> Lone {
    Lone::passive(n)
}

/// A message of which this is the header left for `to`.
pub(crate) fn departed(lone: &mut Lone, to: NodeId, header: &Header) -> Vec<Output> {
    let message = (header.source, header.source_epoch, header.number);
    let Some(id) = header.trace.id else { return Vec::new() };
    lone.input(TraceInput::Departed { id, message, to, at: lone.now })
}

/// Signs what is to be reported.
pub(crate) fn sign(lone: &mut Lone, passage: &Passage) -> Vec<Output> {
    let report = passage.report(lone.overlay.node(), (Duration::from_secs(1_000_000), lone.now));
    lone.input(TraceInput::Signed { report: Box::new(seal(report)), message: passage.message })
}

/// A node of the line.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) lone: Lone,
    /// It reports nothing.
    pub(crate) says_nothing: bool,
    /// Its queues are full for what others send.
    pub(crate) is_full: bool,
}

#[derive(Debug)]
enum Happening {
    Read { from: NodeId, message: Message },
    Handled { from: NodeId, message: Message },
    Departed { to: NodeId, message: Message },
}

/// All of them, and what is to come.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) nodes: Vec<Member>,
    base: Instant,
    now: Duration,
    began: Duration,
    coming: BTreeMap<(Duration, u64), (usize, Happening)>,
    counted: u64,
    outcome: Option<Result<Reply, UnicastError>>,
    traced: Option<Traced>,
}

impl Line {
    pub(crate) fn of(length: usize) -> Self {
        Self::with(length, |_| Config::default())
    }

    /// Of nodes with these settings, all of whom know all records.
    pub(crate) fn with(length: usize, config: impl Fn(usize) -> Config) -> Self {
        let configured = |n| Config { target_degree: 0, ..config(n) };
        let mut nodes: Vec<_> = (0..length).map(|n| Lone::new(n, configured(n))).collect();
        let base = nodes.iter().map(|lone| lone.now).max().unwrap();
        for n in 1..length {
            nodes[n - 1].connect(n, Direction::Outbound);
            nodes[n].connect(n - 1, Direction::Inbound);
        }
        for lone in &mut nodes {
            lone.advance(base - lone.now + Duration::from_secs(3));
        }
        let records: Vec<_> =
            nodes.iter().map(|lone| lone.overlay.record(&lone.overlay.node()).unwrap().clone()).collect();
        for (n, lone) in nodes.iter_mut().enumerate() {
            let neighbour = if n == 0 { 1 } else { n - 1 };
            lone.answered(neighbour, records.iter().filter(|one| one.status.node != node_id(n)).cloned().collect());
        }
        let member = |lone| Member { lone, says_nothing: false, is_full: false };
        Self {
            nodes: nodes.into_iter().map(member).collect(),
            base,
            now: Duration::from_secs(3),
            began: Duration::ZERO,
            coming: BTreeMap::new(),
            counted: 0,
            outcome: None,
            traced: None,
        }
    }

    /// Has one node ask another, and waits for the trace.
    pub(crate) fn ask(&mut self, from: usize, to: usize, id: TraceId) -> (Result<Reply, UnicastError>, Traced) {
        self.began = self.now;
        self.handle(from, request(to, 77, id));
        while self.traced.is_none() {
            let timer =
                |member: &Member| member.lone.overlay.poll_timeout().map(|at| at.saturating_duration_since(self.base));
            let due = self.nodes.iter().filter_map(timer).min();
            let next = self.coming.first_key_value().map(|((at, _), _)| *at);
            let at = due.into_iter().chain(next).min().expect("a timer");
            assert!(at < self.began + Duration::from_secs(100), "no trace is told");
            self.now = self.now.max(at);
            for n in 0..self.nodes.len() {
                self.advance(n);
            }
            while let Some(first) = self.coming.first_entry().filter(|first| first.key().0 <= self.now) {
                let (n, happening) = first.remove();
                self.happen(n, happening);
            }
        }
        (self.outcome.take().expect("it ended before"), self.traced.take().unwrap())
    }

    /// How long the last trace took.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.began
    }

    pub(crate) fn number(&self, node: &NodeId) -> usize {
        self.nodes.iter().position(|member| member.lone.overlay.node() == *node).expect("one of the line")
    }

    /// The virtual time, by which all clocks go.
    pub(crate) fn since(&self, at: Instant) -> Duration {
        at - self.base
    }

    fn happen(&mut self, n: usize, happening: Happening) {
        match happening {
            Happening::Read { from, mut message } => {
                message.header.trace.taken = message.header.trace.id.map(|_| self.base + self.now);
                self.schedule(STEP, n, Happening::Handled { from, message });
            }
            Happening::Handled { from, message } => self.handle(n, UnicastInput::Received { from, message }),
            Happening::Departed { to, message } => {
                self.advance(n);
                let outputs = departed(&mut self.nodes[n].lone, to, &message.header);
                self.carry_out(n, outputs);
                let (from, target) = (node_id(n), self.number(&to));
                self.schedule(WIRE, target, Happening::Read { from, message });
            }
        }
    }

    fn schedule(&mut self, after: Duration, n: usize, happening: Happening) {
        self.counted += 1;
        self.coming.insert((self.now + after, self.counted), (n, happening));
    }

    fn advance(&mut self, n: usize) {
        let lone = &mut self.nodes[n].lone;
        let outputs = lone.advance((self.base + self.now).saturating_duration_since(lone.now));
        self.carry_out(n, outputs);
    }

    fn handle(&mut self, n: usize, input: UnicastInput) {
        self.advance(n);
        let outputs = self.nodes[n].lone.input(input);
        self.carry_out(n, outputs);
    }

    fn carry_out(&mut self, n: usize, outputs: Vec<Output>) {
        let member = &mut self.nodes[n];
        let more = outputs.into_iter().flat_map(|output| match output {
            Output::SendUnicast { to, message, .. } if member.is_full && message.header.source != node_id(n) => {
                member.lone.input(UnicastInput::NotSent { to, message })
            }
            Output::SendUnicast { to, message, .. } => {
                self.counted += 1;
                let left = Happening::Departed { to, message };
                self.coming.insert((self.now + QUEUE, self.counted), (n, left));
                Vec::new()
            }
            Output::Request { inbound, body, .. } => member.lone.input(UnicastInput::Respond { inbound, body }),
            Output::SignReport { .. } if member.says_nothing => Vec::new(),
            Output::SignReport { passage } => {
                let clock = self.now;
                let report = passage.report(node_id(n), (clock, member.lone.now));
                let signed = TraceInput::Signed { report: Box::new(seal(report)), message: passage.message };
                member.lone.input(signed)
            }
            Output::CheckReport { report, .. } => {
                let (id, hop) = (report.report.id, report.report.hop);
                member.lone.input(TraceInput::Checked { id, hop, holds: Some(true) })
            }
            Output::Completed { exchange: ExchangeId(77), outcome } => {
                self.outcome = Some(outcome);
                Vec::new()
            }
            Output::Traced { traced, .. } => {
                self.traced = Some(*traced);
                Vec::new()
            }
            _ => Vec::new(),
        });
        let more: Vec<_> = more.collect();
        if !more.is_empty() {
            self.carry_out(n, more);
        }
    }
}
