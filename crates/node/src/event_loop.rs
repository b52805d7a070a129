//! The swarm's task: commands in, events out. It decides nothing.

mod commands;
mod counts;
mod messages;
mod reports;
mod shown;

use std::{
    collections::HashMap,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt};
use libp2p::{Swarm, swarm::SwarmEvent};
use nuncio_audit::{Audit, Told};
use nuncio_behaviour::{Behaviour, EpochError, Event, from_multiaddr};
use nuncio_identity::NodeId;
use nuncio_metrics::{Metrics, QuotaRefusal};
use nuncio_protocol::{amop::ClientInput, trace::Probes, unicast::ExchangeId};
use nuncio_transport::{Admissions, SharedIdentity};
use rustls_pki_types::UnixTime;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::commands::Waiting;
pub(crate) use self::counts::{cast, end, of_chain, publish_result};
pub(crate) use self::shown::Shown;
use crate::{
    addresses::OwnAddresses,
    admission::Admission,
    command::Commands,
    listener::Run,
    listeners::{Listeners, Missed},
    outrun::Outrun,
    publisher::Posts,
    queue,
    replies::{Replies, Reply},
    rights::Hearing,
    service,
    swarm_metrics::SwarmMetrics,
    turn::{Source, Work, work_until},
    view::{self, Facts},
    way::Way,
};

/// How often the snapshot is made anew when something changed, and dropped listeners are noticed.
const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(100);

/// How long the goodbyes may take when the node stops.
const GOODBYE: Duration = Duration::from_millis(1500);

pub(crate) struct EventLoop {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) tick: Interval,
    pub(crate) commands: Commands,
    pub(crate) posts: Posts,
    pub(crate) client_inputs: mpsc::Receiver<ClientInput>,
    pub(crate) replies: Replies,
    pub(crate) taken_replies: mpsc::UnboundedReceiver<Reply>,
    pub(crate) shown: Shown,
    pub(crate) facts: Facts,
    pub(crate) admission: Admission,
    pub(crate) admissions: Admissions,
    pub(crate) addresses: OwnAddresses,
    pub(crate) epochs: Outrun,
    pub(crate) exchanges: HashMap<ExchangeId, Waiting>,
    /// Callers that wait for the way of their request. Bound: one for each trace that is open, which the core bounds.
    pub(crate) ways: HashMap<ExchangeId, oneshot::Sender<Way>>,
    pub(crate) probes: Probes,
    pub(crate) listeners: Listeners,
    pub(crate) service: Option<service::Port>,
    pub(crate) hearing: Hearing,
    pub(crate) round_trips: HashMap<NodeId, Duration>,
    pub(crate) told: Told,
    pub(crate) audit: Audit,
    pub(crate) identity: SharedIdentity,
    /// Messages for many that did not come, though their numbers were known.
    pub(crate) lost: u64,
    /// How often a second host with somebody's key was seen.
    pub(crate) duplicates: u64,
    pub(crate) metrics: Metrics,
    pub(crate) swarm_metrics: SwarmMetrics,
    pub(crate) command_room: [queue::Taken; 2],
    pub(crate) ticks: u32,
}

/// The ticks of an event loop. Call it inside a tokio runtime.
pub(crate) fn ticks() -> Interval {
    let mut tick = tokio::time::interval(SNAPSHOT_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

impl EventLoop {
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        self.tell_addresses();
        work_until(&shutdown, &mut self).await;
        self.say_goodbye().await;
    }

    fn handle_event(&mut self, event: SwarmEvent<Event>) {
        self.swarm_metrics.record(&event);
        match event {
            SwarmEvent::Behaviour(event) => self.handle_behaviour_event(event),
            SwarmEvent::NewListenAddr { address, .. } => {
                self.addresses.learn(from_multiaddr(&address));
                self.tell_addresses();
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.addresses.forget(&from_multiaddr(&address));
                self.tell_addresses();
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => self.report_dial(peer_id, &error),
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.report_refusal(&send_back_addr, &error);
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "a listener closed");
            }
            SwarmEvent::ListenerError { error, .. } => self.report_listener(&error),
            _ => {}
        }
    }

    fn handle_behaviour_event(&mut self, event: Event) {
        match event {
            Event::Completed { exchange, outcome } => self.complete(exchange, outcome),
            request @ Event::Request { .. } => self.hand_over(request),
            Event::Traced { exchange, traced } => self.tell_way(exchange, &traced),
            Event::ServiceRequest { inbound, source, body } => self.serve(inbound, source, body),
            Event::Multicast { origin, topic, epoch, first, bodies } => {
                self.hear(Run::new(origin, topic, epoch, first, bodies));
            }
            Event::Gap { origin, topic, epoch, from: first, to: last } => {
                self.miss(origin, topic.as_ref(), Missed { epoch, first, last });
            }
            Event::LinkUp { peer } => {
                self.metrics.links.up.increment();
                self.report_link_up(&peer);
                self.shown.touch();
            }
            Event::LinkDown { peer, reason } => {
                self.metrics.links.down.increment();
                self.report_link_down(&peer, &reason);
                self.round_trips.remove(&peer);
                self.shown.touch();
            }
            Event::ReachabilityChanged { node, reachable } => {
                self.report_reachability(&node, reachable);
                self.shown.touch();
            }
            Event::NodeChanged { .. } => self.shown.touch(),
            Event::DuplicateIdentity { node, address, epoch } => {
                self.duplicates += 1;
                self.shown.touch();
                self.report_duplicate(node, address.as_ref(), epoch);
            }
            Event::Equivocation { node } => {
                self.report_equivocation(node);
                self.shown.touch();
            }
            Event::OverQuota { source } => self.audit.over_quota(format!("node {source}"), QuotaRefusal::Message),
            Event::Denied { source, topic, reason } => self.report_denied(source, &topic, &reason),
            Event::KeyFailed { reason } => {
                self.audit.record(nuncio_audit::Event::KeyFailed { cause: reason.into() });
            }
            Event::KeyRecovered => self.audit.record(nuncio_audit::Event::KeyRecovered),
            Event::EpochOutrun { seen } => self.outrun(seen),
            Event::EpochSpent { epoch } => self.renew_epoch(epoch),
            Event::Banned { peer, until, reason } => {
                self.report_ban(&peer, until, reason);
                self.shown.touch();
            }
            Event::ListsTaken => self.admission.handle_lists_taken(self.swarm.behaviour_mut()),
            Event::MembersRefused { records } => {
                self.admission.handle_refused(records, self.swarm.behaviour_mut(), UnixTime::now());
                self.shown.touch();
            }
            Event::RoundTrip { peer, time } => {
                self.round_trips.insert(peer, time);
                self.shown.touch();
            }
            _ => {}
        }
    }

    fn handle_client_input(&mut self, input: ClientInput) {
        self.swarm.behaviour_mut().client(input);
    }

    fn handle_tick(&mut self) {
        self.told.conclude(Instant::now());
        self.audit.conclude(Instant::now());
        if self.admission.handle_tick(self.swarm.behaviour_mut(), UnixTime::now(), Instant::now()) {
            self.shown.touch();
        }
        self.listeners.tell_missed();
        for topic in self.listeners.prune() {
            self.swarm.behaviour_mut().unsubscribe(&topic);
        }
        let (overlay, began) = (self.swarm.behaviour().overlay(), Instant::now());
        let [denied, over_quota] = self.hearing.refused(overlay.refused());
        let counts = [self.duplicates, self.listeners.missed(), self.lost, denied, over_quota];
        if self.shown.is_due(overlay.version(), counts, began) {
            let snapshot = view::snapshot(&self.facts, overlay, &self.admissions, &self.round_trips, counts);
            self.shown.show(snapshot, began, Instant::now());
        }
    }

    fn outrun(&mut self, seen: u64) {
        tracing::warn!(
            seen,
            "the network knows this node in a later epoch: its data directory was lost, and its clock is behind; it takes a later one"
        );
        self.epochs.begin_above(seen, tokio::time::Instant::now());
    }

    fn renew_epoch(&mut self, spent: u64) {
        tracing::warn!(
            epoch = spent,
            "applications here have published to so many topics that the epoch has no numbers left: it takes a later one"
        );
        self.epochs.begin_above(spent, tokio::time::Instant::now());
    }

    fn handle_epoch(&mut self, taken: Result<u64, EpochError>) {
        match taken {
            Ok(epoch) => {
                tracing::info!(epoch, "goes on in a later epoch");
                self.swarm.behaviour_mut().begin_epoch(epoch);
                self.shown.touch();
            }
            Err(error) => tracing::error!(%error, "cannot take a later epoch: others do not hear this node"),
        }
    }

    fn tell_addresses(&mut self) {
        self.swarm.behaviour_mut().set_addresses(self.addresses.told());
    }

    /// Closes every link, so that peers need not wait for silence.
    async fn say_goodbye(mut self) {
        self.swarm.behaviour_mut().leave();
        let closed = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
                // A peer that floods to the end does not hold up the time limit.
                tokio::task::consume_budget().await;
            }
        };
        let _ = tokio::time::timeout(GOODBYE, closed).await;
    }
}

impl Work for EventLoop {
    fn poll_work(&mut self, source: Source, cx: &mut Context<'_>) -> Poll<()> {
        match source {
            Source::Tick => {
                let due = ready!(self.tick.poll_tick(cx));
                self.measure(due.into_std());
                self.handle_tick();
            }
            // A channel whose senders are all gone never has work again.
            Source::Commands => match ready!(self.commands.poll_recv(cx)) {
                Some(command) => self.handle_command(command),
                None => return Poll::Pending,
            },
            Source::Posts => {
                let post = ready!(self.posts.poll_next(cx));
                self.handle_post(post);
            }
            Source::Responses => match ready!(self.taken_replies.poll_recv(cx)) {
                Some(reply) => self.handle_reply(reply),
                None => return Poll::Pending,
            },
            Source::ClientInputs => match ready!(self.client_inputs.poll_recv(cx)) {
                Some(input) => self.handle_client_input(input),
                None => return Poll::Pending,
            },
            Source::Epoch => {
                let taken = ready!(self.epochs.poll_epoch(cx));
                self.handle_epoch(taken);
            }
            Source::Network => {
                let event = ready!(self.swarm.select_next_some().poll_unpin(cx));
                self.handle_event(event);
            }
        }
        Poll::Ready(())
    }
}
