//! What a peer is asked next, and whether it has had time to answer.

use std::time::{Duration, Instant};

use nuncio_identity::NodeId;

use super::{
    Held, Inquiry, PATIENCE,
    asking::{Asking, Open},
    wanted::State,
};
use crate::{
    Output,
    outbox::Outbox,
    status_sync::{Query, Version, table::Table},
};

/// How long a peer may take to answer.
const SILENCE: Duration = Duration::from_secs(5);

impl Inquiry {
    /// Whether a peer is still to be asked for a node that it offered, or may take its time to answer: on a slow line what it
    /// was asked before takes as long. One that answers nothing twice has had its time.
    pub(in crate::status_sync) fn is_patient_with(&self, peer: &NodeId, node: &NodeId, now: Instant) -> bool {
        let (asking, offer) = (self.peers.get(peer), self.nodes.get(node).and_then(|wanted| wanted.offer(peer)));
        let may_answer = |asking: &Asking| {
            let is_late = matches!(asking.open, Some(Open::Nodes { since, .. }) if since + SILENCE <= now);
            asking.failures < 2 && !is_late
        };
        offer.is_some_and(|offer| offer.misses == 0) && asking.is_some_and(may_answer)
    }

    /// Whether a peer is asked for all that did not answer that in time before.
    pub(in crate::status_sync) fn gets_parts(&self, peer: &NodeId) -> bool {
        let asking = self.peers.get(peer);
        asking.is_some_and(|asking| asking.all_failed && matches!(asking.open, Some(Open::All { .. })))
    }

    /// Opens every query that can be opened now.
    pub(in crate::status_sync) fn ask(
        &mut self,
        own: (NodeId, Version),
        held: Held<'_>,
        table: &Table,
        outbox: &mut Outbox,
        now: Instant,
    ) {
        for peer in std::mem::take(&mut self.ripe) {
            let Some(asking) = self.peers.get_mut(&peer) else { continue };
            asking.is_ripe = false;
            if asking.open.is_some() || asking.rests_until.is_some() {
                continue;
            }
            let (open, wanted) = if asking.lists.take() {
                (Open::Lists, Query::Revocations { held: held.revocations.clone() })
            } else if asking.proofs.take() {
                (Open::Proofs, Query::Proofs { held: held.proofs.unwanted() })
            } else if asking.all.take() {
                let known = table.records().map(|record| (record.status.node, record.status.version));
                let in_doubt = std::mem::take(&mut asking.in_doubt);
                (Open::All { in_doubt }, Query::All { known: std::iter::once(own).chain(known).collect() })
            } else if asking.same.take() {
                (Open::Same, Query::Same { digest: held.digest })
            } else {
                let missing = self.claim_some(&peer, table, now);
                if missing.is_empty() {
                    continue;
                }
                let nodes = missing.iter().map(|(node, _)| *node).collect();
                (Open::Nodes { nodes, since: now }, Query::Nodes(missing))
            };
            if let Some(asking) = self.peers.get_mut(&peer) {
                asking.open = Some(open);
            }
            outbox.push(Output::Query { peer, wanted });
        }
    }

    /// The nodes that a peer is to be asked for now: as many as it may have answered in time.
    fn claim_some(&mut self, peer: &NodeId, table: &Table, now: Instant) -> Vec<(NodeId, Option<Version>)> {
        let Some(asking) = self.peers.get_mut(peer) else { return Vec::new() };
        let (at_once, ready) = (asking.at_once, std::mem::take(&mut asking.ready));
        let (mut ready, mut missing) = (ready.into_iter(), Vec::new());
        while missing.len() < at_once
            && let Some(node) = ready.next()
        {
            missing.extend(self.claim(peer, node, table, now));
        }
        if let Some(asking) = self.peers.get_mut(peer) {
            asking.ready.splice(0..0, ready);
        }
        missing
    }

    /// Whether a peer is to be asked for a node that it offered, and which version is known.
    fn claim(&mut self, peer: &NodeId, node: NodeId, table: &Table, now: Instant) -> Option<(NodeId, Option<Version>)> {
        let wanted = self.nodes.get_mut(&node)?;
        wanted.not_before = table.restless_until(&node, now);
        let is_held = wanted.held_until(now).is_some();
        let offer = wanted.offer_mut(peer).filter(|offer| offer.state == State::Ready)?;
        let known = table.version(&node);
        if Some(offer.version) <= known {
            self.drop_offer(peer, &node, now);
            return None;
        }
        offer.state = if is_held { State::Waiting } else { State::Asked };
        if !is_held {
            wanted.left_to = Some((*peer, now + PATIENCE));
        }
        self.refresh(&node, now);
        (!is_held).then_some((node, known))
    }
}
