//! The swarm's task: commands in, events out. It decides nothing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    swarm::{DialError, ListenError, SwarmEvent},
};
use nuncio_behaviour::{Behaviour, Event, from_multiaddr};
use nuncio_identity::NodeId;
use nuncio_pki::{Certificate, Identity, NodeCertificate, RevocationList, SharedPolicy};
use nuncio_protocol::{
    amop::ClientInput,
    peering::Address,
    status_sync::Record,
    unicast::{ExchangeId, UnicastError},
};
use nuncio_transport::{Admission, Admissions, SharedIdentity};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use crate::{
    agencies::Agencies,
    certifier::revocation_numbers,
    command::Command,
    handle::{AddressError, Answer, MessageId, PublishError, RenewalError, Response},
    lifetimes::Lifetimes,
    listeners::Listeners,
    refusals::Refusals,
    snapshot::Snapshot,
    view::{self, Facts},
};

/// How often the snapshot is made anew when something changed, and dropped listeners are noticed.
const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(100);

/// How long the goodbyes may take when the node stops.
const GOODBYE: Duration = Duration::from_millis(1500);

/// Commands taken between two looks at the network.
const BATCH: usize = 128;

/// Most addresses a node tells others.
const MAX_ADDRESSES: usize = 8;

pub(crate) struct EventLoop {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) client_inputs: mpsc::Receiver<ClientInput>,
    /// As many wait as requests are open, which the core bounds.
    pub(crate) responses: mpsc::UnboundedReceiver<Response>,
    pub(crate) response_sender: mpsc::UnboundedSender<Response>,
    pub(crate) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(crate) snapshot_due: bool,
    pub(crate) facts: Facts,
    pub(crate) policy: SharedPolicy,
    pub(crate) admissions: Admissions,
    pub(crate) external: Vec<String>,
    pub(crate) learnt_addresses: BTreeSet<String>,
    /// Whom this node refuses, though it was let in once.
    pub(crate) expelled: BTreeMap<NodeId, Grounds>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) exchanges: HashMap<ExchangeId, Waiting>,
    pub(crate) listeners: Listeners,
    pub(crate) round_trips: HashMap<NodeId, Duration>,
    pub(crate) refusals: Refusals,
    pub(crate) identity: SharedIdentity,
    pub(crate) agencies: Agencies,
    pub(crate) adoptions: Option<watch::Sender<Vec<Certificate>>>,
    /// How often a second host with somebody's key was seen.
    pub(crate) duplicates: u64,
}

/// The certificate that is refused: as the handshake showed it, or as the record carried it.
pub(crate) enum Grounds {
    Admission(Arc<Admission>),
    Record(Arc<Record>),
}

/// A caller of [`crate::NodeHandle::request`].
pub(crate) struct Waiting {
    answer: oneshot::Sender<Result<Answer, UnicastError>>,
    since: Instant,
}

impl EventLoop {
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        self.tell_addresses();
        let mut tick = tokio::time::interval(SNAPSHOT_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut commands, mut responses, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.handle_event(event),
                1.. = self.commands.recv_many(&mut commands, BATCH) => {
                    commands.drain(..).for_each(|command| self.handle_command(command));
                }
                1.. = self.responses.recv_many(&mut responses, BATCH) => {
                    responses.drain(..).for_each(|response| self.handle_response(response));
                }
                1.. = self.client_inputs.recv_many(&mut inputs, BATCH) => {
                    let behaviour = self.swarm.behaviour_mut();
                    inputs.drain(..).for_each(|input| behaviour.client(input));
                    self.snapshot_due = true;
                }
                _ = tick.tick() => self.handle_tick(),
                () = shutdown.cancelled() => break,
            }
        }
        self.say_goodbye().await;
    }

    fn handle_event(&mut self, event: SwarmEvent<Event>) {
        match event {
            SwarmEvent::Behaviour(event) => self.handle_behaviour_event(event),
            SwarmEvent::NewListenAddr { address, .. } => {
                self.learnt_addresses.insert(from_multiaddr(&address));
                self.tell_addresses();
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.learnt_addresses.remove(&from_multiaddr(&address));
                self.tell_addresses();
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => self.report_dial(peer_id, &error),
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.report_refusal(&send_back_addr, &error);
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "a listener closed");
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener failed to accept"),
            _ => {}
        }
    }

    fn handle_behaviour_event(&mut self, event: Event) {
        match event {
            Event::Completed { exchange, outcome } => {
                let Some(Waiting { answer, since }) = self.exchanges.remove(&exchange) else { return };
                let outcome = outcome.map(|reply| Answer { body: reply.body, hops: reply.hops, rtt: since.elapsed() });
                // The caller may have gone; the exchange ends all the same.
                let _ = answer.send(outcome);
            }
            Event::Request { inbound, source, body } => {
                if let Err(refusal) = self.listeners.request(source, body, inbound, &self.response_sender) {
                    self.swarm.behaviour_mut().decline(inbound, refusal);
                }
            }
            Event::Multicast { origin, topic, data, id: (epoch, seq) } => {
                self.listeners.multicast(origin, topic.as_ref(), &data, MessageId { origin, epoch, seq });
            }
            Event::LinkUp { peer } => {
                tracing::info!(peer = %peer.short(), name = %self.name_of(&peer), "link up");
                self.snapshot_due = true;
            }
            Event::LinkDown { peer, reason } => {
                tracing::info!(peer = %peer.short(), name = %self.name_of(&peer), %reason, "link down");
                self.round_trips.remove(&peer);
                self.snapshot_due = true;
            }
            Event::ReachabilityChanged { node, reachable } => {
                tracing::info!(node = %node.short(), reachable, "reachability changed");
                self.snapshot_due = true;
            }
            Event::NodeChanged { .. } => self.snapshot_due = true,
            Event::DuplicateIdentity { node, address, epoch } => self.report_duplicate(node, address.as_ref(), epoch),
            Event::RevocationLists { peer, lists, agencies } => self.adopt(peer, &lists, &agencies),
            Event::RoundTrip { peer, time } => {
                self.round_trips.insert(peer, time);
                self.snapshot_due = true;
            }
            _ => {}
        }
    }

    fn handle_command(&mut self, command: Command) {
        let behaviour = self.swarm.behaviour_mut();
        match command {
            Command::Request { target, body, timeout, answer } => {
                let exchange = behaviour.request(target, body, timeout);
                self.exchanges.insert(exchange, Waiting { answer, since: Instant::now() });
            }
            Command::Publish { topic, data, answer } => {
                let outcome = behaviour.publish(topic.as_ref(), data);
                let origin = self.facts.certificate.node;
                let outcome = outcome.map(|(epoch, seq)| MessageId { origin, epoch, seq });
                let outcome = outcome.map_err(PublishError::from);
                // The caller may have gone; the message is sent all the same.
                let _ = answer.send(outcome);
            }
            Command::Listen { topics, requests, started } => {
                let (listener, fresh) = self.listeners.add(topics, requests);
                for topic in &fresh {
                    behaviour.subscribe(topic);
                }
                // A caller that has gone is noticed like a listener that was dropped.
                let _ = started.send(listener);
            }
            Command::AddPeer { address, answer } => {
                let outcome = behaviour.add_peer(&address);
                self.snapshot_due = true;
                let _ = answer.send(outcome.map_err(|reason| AddressError { text: address, reason }));
            }
            Command::RemovePeer { peer, answer } => {
                let _ = answer.send(self.remove_peer(&peer));
            }
            Command::PolicyChanged => self.judge_again(),
            Command::Renew { identity, answer } => {
                let _ = answer.send(self.renew(&identity));
            }
            Command::Route { target, answer } => {
                let _ = answer.send(behaviour.overlay().route(&target));
            }
            Command::Record { node, answer } => {
                let _ = answer.send(behaviour.overlay().record(&node).cloned());
            }
            Command::ApplicationField { bytes } => behaviour.set_application_field(bytes),
        }
    }

    fn handle_response(&mut self, Response { inbound, body }: Response) {
        let behaviour = self.swarm.behaviour_mut();
        match body {
            Some(body) => behaviour.respond(inbound, body),
            None => behaviour.decline(inbound, nuncio_protocol::unicast::Refusal::NoHandler),
        }
    }

    fn handle_tick(&mut self) {
        self.judge_ended();
        self.note_readmitted();
        for topic in self.listeners.prune() {
            self.swarm.behaviour_mut().unsubscribe(&topic);
        }
        if std::mem::take(&mut self.snapshot_due) || self.seq_changed() {
            let overlay = self.swarm.behaviour().overlay();
            let snapshot = view::snapshot(&self.facts, overlay, &self.admissions, &self.round_trips, self.duplicates);
            self.snapshots.send_replace(Arc::new(snapshot));
        }
    }

    /// Also while no peer is linked, dials change what there is to see.
    fn seq_changed(&self) -> bool {
        let shown = self.snapshots.borrow();
        let overlay = self.swarm.behaviour().overlay();
        shown.seq != overlay.version().seq || !shown.ready || shown.peers.iter().any(|peer| peer.node_id.is_none())
    }

    /// Takes a configured address, or a node ID or its beginning.
    fn remove_peer(&mut self, peer: &str) -> bool {
        let overlay = self.swarm.behaviour().overlay();
        let links = overlay.links().into_iter().filter_map(|link| Some((link.configured?, Some(link.peer))));
        let pending = overlay.pending_peers().into_iter().map(|pending| (pending.address, pending.node));
        let is_meant = |address: &Address, node: Option<NodeId>| {
            address.as_str() == peer || node.is_some_and(|node| node.to_string().starts_with(&peer.to_lowercase()))
        };
        let meant = links.chain(pending).filter(|(address, node)| is_meant(address, *node));
        let addresses: Vec<Address> = meant.map(|(address, _)| address).collect();
        for address in &addresses {
            self.swarm.behaviour_mut().remove_peer(address.as_str());
        }
        self.snapshot_due = true;
        !addresses.is_empty()
    }

    /// The handshake judges newcomers by the new policy; here those who are in already are judged again, and those who
    /// were expelled.
    fn judge_again(&mut self) {
        let (policy, now) = (self.policy.load_full(), UnixTime::now());
        let behaviour = self.swarm.behaviour_mut();
        let is_refused = |grounds: &Grounds| match grounds {
            Grounds::Admission(admission) => policy.judge(&admission.chain, now).is_err(),
            Grounds::Record(record) => behaviour.refuses(record),
        };
        let (refused, forgiven): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.expelled).into_iter().partition(|(_, grounds)| is_refused(grounds));
        self.expelled = refused;
        for node in forgiven.into_keys() {
            behaviour.readmit(node);
        }
        let records = behaviour.refused_records().into_iter();
        let mut newly: BTreeMap<_, _> = records.map(|record| (record.status.node, Grounds::Record(record))).collect();
        for (node, admission, reason) in self.admissions.refused_by(&policy, now) {
            tracing::warn!(node = %node.short(), %reason, "expelled");
            newly.insert(node, Grounds::Admission(admission));
        }
        // From here on, only what they prove anew counts.
        self.admissions.retain(|node, _| !newly.contains_key(node));
        for node in newly.keys() {
            self.lifetimes.forget(node);
            behaviour.expel(*node);
        }
        self.expelled.append(&mut newly);
        behaviour.set_revocation_lists(revocation_numbers(&policy));
        self.snapshot_due = true;
    }

    /// The behaviour lets those back in who show another certificate that holds.
    fn note_readmitted(&mut self) {
        let overlay = self.swarm.behaviour().overlay();
        for (node, _) in self.expelled.extract_if(.., |node, _| !overlay.is_expelled(node)) {
            tracing::info!(node = %node.short(), "let in again: it has another certificate");
        }
    }

    /// Judges again as soon as the certificate of a linked or known node has ended.
    fn judge_ended(&mut self) {
        let now = UnixTime::now();
        if self.lifetimes.take_ended(now) || self.admissions.any_ended(now) {
            self.judge_again();
        }
    }

    /// Takes revocation lists from the network: each must be signed by an authority trusted here.
    fn adopt(&mut self, peer: NodeId, lists: &[Bytes], agencies: &[Bytes]) {
        for der in agencies {
            self.agencies.remember(&CertificateDer::from(der.to_vec()));
        }
        let agencies = self.agencies.all();
        let mut adopted = false;
        for der in lists {
            let judged = RevocationList::from_der(der).map_err(|error| error.to_string());
            match judged.and_then(|list| Ok((adopt(&self.policy, &list, &agencies)?, list))) {
                Ok((true, list)) => {
                    tracing::info!(peer = %peer.short(), issuer = list.issuer(), number = list.number(), "took a newer revocation list");
                    adopted = true;
                }
                Ok((false, _)) => {}
                Err(error) => tracing::warn!(peer = %peer.short(), %error, "refused a revocation list"),
            }
        }
        if adopted {
            self.judge_again();
            if let Some(keeper) = &self.adoptions {
                let policy = self.policy.load();
                keeper.send_replace(self.agencies.signers_of(&policy.crls().iter().collect::<Vec<_>>()));
            }
        }
    }

    fn renew(&mut self, identity: &Arc<Identity>) -> Result<(), RenewalError> {
        let (new, own) = (&identity.certificate, &self.facts.certificate);
        if new.node != own.node {
            return Err(RenewalError::OtherKey { new: new.node.short(), own: own.node.short() });
        }
        let named = |one: &NodeCertificate| format!("{} of {}", one.name, one.agency);
        if (&new.name, &new.agency) != (&own.name, &own.agency) {
            return Err(RenewalError::OtherName { new: named(new), own: named(own) });
        }
        self.identity.store(Arc::clone(identity));
        self.agencies.meet(&identity.chain);
        self.facts.certificate = new.clone();
        let chain = identity.chain.iter().map(|der| Bytes::copy_from_slice(der)).collect();
        self.swarm.behaviour_mut().renew(chain);
        self.snapshot_due = true;
        Ok(())
    }

    fn report_duplicate(&mut self, node: NodeId, address: Option<&Address>, epoch: u64) {
        self.duplicates += 1;
        self.snapshot_due = true;
        let from = address.map_or_else(|| "elsewhere in the network".to_owned(), ToString::to_string);
        let name = self.name_of(&node);
        if node == self.facts.certificate.node {
            tracing::error!(%from, epoch, "another host runs with the key of this node: stop one of them, or issue it a certificate of its own");
        } else {
            tracing::error!(node = %node.short(), %name, %from, epoch, "two hosts run with the key of one node: the first keeps its links; stop the second, or issue it a certificate of its own");
        }
    }

    /// Loopback is told only when there is nothing else: to others it is their own machine.
    fn tell_addresses(&mut self) {
        let is_loopback = |address: &&String| address.starts_with("127.") || address.starts_with("[::1]");
        let (local, far): (Vec<_>, Vec<_>) = self.learnt_addresses.iter().partition(is_loopback);
        let learnt = if far.is_empty() { local } else { far };
        let all = if self.external.is_empty() { learnt } else { self.external.iter().collect() };
        let addresses: Vec<String> = all.into_iter().take(MAX_ADDRESSES).cloned().collect();
        self.swarm.behaviour_mut().set_addresses(addresses);
    }

    fn report_dial(&mut self, peer: Option<PeerId>, error: &DialError) {
        if matches!(error, DialError::LocalPeerId { .. } | DialError::Aborted | DialError::DialPeerConditionFalse(_)) {
            return;
        }
        let words = nuncio_transport::describe(error);
        let source = peer.map_or_else(|| words.clone(), |peer| peer.to_string());
        if self.refusals.is_news(&source, &words, Instant::now()) {
            tracing::warn!("cannot link: {words}");
        }
    }

    fn report_refusal(&mut self, from: &Multiaddr, error: &ListenError) {
        let words = nuncio_transport::describe(error);
        let host = from_multiaddr(from).rsplit_once(':').map(|(host, _)| host.to_owned()).unwrap_or_default();
        if self.refusals.is_news(&host, &words, Instant::now()) {
            tracing::warn!(from = %from_multiaddr(from), "refused a connection: {words}");
        }
    }

    fn name_of(&self, peer: &NodeId) -> String {
        self.admissions.get(peer).map(|admission| admission.certificate.name.clone()).unwrap_or_default()
    }

    /// Closes every link, so that peers need not wait for silence.
    async fn say_goodbye(mut self) {
        self.swarm.behaviour_mut().leave();
        let closed = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        let _ = tokio::time::timeout(GOODBYE, closed).await;
    }
}

/// Whether the list was newer than what was in force. One step: the operator changes the policy meanwhile.
fn adopt(policy: &SharedPolicy, list: &RevocationList, agencies: &[Certificate]) -> Result<bool, String> {
    let mut outcome = Ok(false);
    policy.rcu(|current| {
        let adopted = current.adopt(list.clone(), agencies);
        outcome = adopted.as_ref().map(Option::is_some).map_err(ToString::to_string);
        adopted.ok().flatten().map_or_else(|| Arc::clone(current), Arc::new)
    });
    outcome
}
