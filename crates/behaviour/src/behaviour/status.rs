//! Queries and answers about the status of nodes.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use libp2p::{
    request_response::{self, InboundRequestId, ResponseChannel},
    swarm::ToSwarm,
};
use nuncio_identity::NodeId;
use nuncio_metrics::MessageKind;
use nuncio_protocol::{
    AccessInput, StatusInput, Strike,
    status_sync::{Equivocation, IssuerId, Query, QueryId, Record},
};
use nuncio_wire::{DecodeError, status};

use super::Behaviour;
use crate::{
    Event,
    prover::{Proved, Unjudged, Unproved},
    status_sync::{OpenQuery, Refused},
};

impl Behaviour {
    pub(super) fn handle_status_event(&mut self, event: request_response::Event<Bytes, Bytes>) {
        match event {
            request_response::Event::Message { peer, message, .. } => {
                let Some(peer) = self.names.of(peer) else { return };
                self.count_status(&peer, &message);
                match message {
                    request_response::Message::Request { request, channel, request_id: name } => {
                        let (wanted, held) = match status::decode_query(request) {
                            Ok(query) => query,
                            Err(error) => return self.refuse_status(peer, &error),
                        };
                        let pages = held.len();
                        let Some(query) = self.queries.open(OpenQuery { channel, name, peer, held }) else { return };
                        self.handle(StatusInput::Queried { query, peer, wanted, pages });
                    }
                    request_response::Message::Response { request_id, response } => {
                        if self.revocation_queries.remove(&request_id) {
                            self.handle_revocations_answer(peer, response);
                        } else {
                            self.handle_answer(peer, response);
                        }
                    }
                }
            }
            request_response::Event::OutboundFailure { peer, error, request_id, .. } => {
                self.revocation_queries.remove(&request_id);
                let Some(peer) = self.names.of(peer) else { return };
                tracing::debug!(peer = %peer.short(), %error, "status query failed");
                self.handle(StatusInput::QueryFailed { peer });
            }
            request_response::Event::InboundFailure { request_id, .. }
            | request_response::Event::ResponseSent { request_id, .. } => self.answering.end(request_id),
        }
    }

    fn handle_answer(&mut self, peer: NodeId, response: Bytes) {
        match status::decode_answer(response) {
            Ok(answer) => self.prover.prove(peer, Unproved::of(answer)),
            Err(error) => {
                self.refuse_status(peer, &error);
                self.handle(StatusInput::QueryFailed { peer });
            }
        }
    }

    /// An answer is proved, though perhaps by rules that have changed meanwhile: then its records are proved once more, for
    /// nobody looks at them again. Where pages were left out, it is proved when they are in.
    pub(super) fn handle_proved(&mut self, peer: NodeId, proved: Proved) {
        let Proved { answer, refused, incomplete, rules } = proved;
        for refused in &refused {
            self.refuse_record(peer, refused);
        }
        let is_outdated = rules != self.prover.rules();
        if is_outdated || !incomplete.is_empty() {
            let proved = if is_outdated { Unproved::again(answer) } else { Unproved::proved(answer) };
            return self.prover.prove(peer, proved.with(self.pages_of(incomplete)));
        }
        for record in &answer.records {
            self.readmit_if_proved(record.status.node);
        }
        self.handle(StatusInput::Answered { peer, answer });
    }

    /// The records that have the pages which were not sent, as they are held. Once for a node, whose record comes once: so all of
    /// them together become no longer than what is held.
    fn pages_of(&self, incomplete: Vec<(NodeId, Bytes)>) -> Vec<(Bytes, Option<Arc<Record>>)> {
        let mut completed = HashSet::new();
        let with = |(node, record)| {
            let held = self.overlay.record(&node).filter(|_| completed.insert(node));
            (record, held.cloned())
        };
        incomplete.into_iter().map(with).collect()
    }

    fn handle_revocations_answer(&mut self, peer: NodeId, response: Bytes) {
        let bytes = response.len();
        match status::decode_revocations_answer(response) {
            Ok(status::RevocationsAnswer { lists, agencies }) => {
                self.prover.judge(peer, Unjudged::of(lists, agencies, bytes));
            }
            Err(error) => {
                self.refuse_status(peer, &error);
                self.handle(StatusInput::QueryFailed { peer });
            }
        }
    }

    /// Whether the lists hold or not, the peer has answered.
    pub(super) fn handle_judged_lists(&mut self, peer: NodeId, is_newer: bool) {
        if is_newer {
            self.actions.push_back(ToSwarm::GenerateEvent(Event::ListsTaken));
        }
        self.handle(StatusInput::RevocationsAnswered { peer });
    }

    pub(super) fn query(&mut self, peer: NodeId, wanted: &Query) {
        let pages = |node: NodeId| self.overlay.record(&node).map(|record| record.pages.clone()).unwrap_or_default();
        let held: Vec<_> = match wanted {
            Query::Nodes(nodes) => nodes.iter().flat_map(|(node, _)| pages(*node)).collect(),
            Query::All { known } => known.iter().flat_map(|(node, _)| pages(*node)).collect(),
            Query::Revocations { .. } | Query::Proofs { .. } | Query::Same { .. } => Vec::new(),
        };
        let query = Bytes::from(status::encode_query(wanted, held));
        self.meter.count_sent(MessageKind::StatusQuery, self.class_of_link(&peer), query.len());
        let request = self.inner.status.send_request(&peer.into(), query);
        if matches!(wanted, Query::Revocations { .. }) {
            self.revocation_queries.insert(request);
        }
    }

    /// The peer may be gone; then it needs no answer.
    pub(super) fn answer(&mut self, query: QueryId, records: &[Arc<Record>], proofs: &[Equivocation], more: bool) {
        let Some(OpenQuery { channel, name, peer, held }) = self.queries.close(query) else { return };
        // Looked up for records only, which it has paid for.
        let held = if records.is_empty() { HashSet::new() } else { held.into_iter().collect() };
        let answer = status::encode_answer(records, &held, proofs, more);
        self.send_answer(channel, (name, peer), answer.into());
    }

    pub(super) fn answer_revocations(&mut self, query: QueryId, held: &BTreeMap<IssuerId, u64>) {
        let Some(OpenQuery { channel, name, peer, .. }) = self.queries.close(query) else { return };
        let (lists, agencies) = self.certifier.newer_lists(held);
        let answer = status::encode_revocations_answer(&lists, &agencies);
        self.send_answer(channel, (name, peer), answer.into());
    }

    fn send_answer(
        &mut self,
        channel: ResponseChannel<Bytes>,
        (query, peer): (InboundRequestId, NodeId),
        answer: Bytes,
    ) {
        if self.answering.begin(query, peer, answer.len()) {
            self.meter.count_sent(MessageKind::StatusAnswer, self.class_of_link(&peer), answer.len());
            let _ = self.inner.status.send_response(channel, answer);
        }
    }

    /// A query or an answer that is none.
    fn refuse_status(&mut self, peer: NodeId, error: &DecodeError) {
        tracing::debug!(peer = %peer.short(), %error, "refused a status message");
        self.handle(AccessInput::Struck { peer, strike: Strike::Malformed });
    }

    fn refuse_record(&mut self, peer: NodeId, Refused { reason, strike, .. }: &Refused) {
        if let Some(kept_back) = self.refused_records.line(Instant::now()) {
            tracing::warn!(peer = %peer.short(), %reason, kept_back, "refused a status record");
        }
        if let Some(strike) = *strike {
            self.handle(AccessInput::Struck { peer, strike });
        }
    }
}
