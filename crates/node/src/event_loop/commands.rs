//! What handles ask for.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use nuncio_audit::Event;
use nuncio_identity::NodeId;
use nuncio_metrics::CallKind;
use nuncio_pki::{Credential, Identity};
use nuncio_protocol::{
    Priority, Topic,
    peering::Address,
    unicast::{ExchangeId, UnicastError},
};
use rustls_pki_types::UnixTime;
use tokio::sync::oneshot;

use super::EventLoop;
use crate::{
    command::Command,
    handle::{AddressError, Answer, MessageId, PublishError, RenewalError},
    publisher::Post,
};

/// A caller of [`crate::NodeHandle::request`].
pub(crate) struct Waiting {
    pub(super) answer: oneshot::Sender<Result<Answer, UnicastError>>,
    pub(super) since: Instant,
}

impl EventLoop {
    pub(super) fn handle_command(&mut self, command: Command) {
        let behaviour = self.swarm.behaviour_mut();
        match command {
            Command::Ask { kind, target, body, timeout, trace, priority, way, answer } => {
                let exchange = match kind {
                    CallKind::Application => behaviour.follow(target, body, timeout, (trace, priority)),
                    CallKind::Service => behaviour.follow_service(target, body, timeout, trace),
                };
                self.ways.extend(way.map(|way| (exchange, way)));
                self.open(exchange, kind, answer);
            }
            Command::Publish { priority, topic, data, answer } => {
                // The caller may have gone; the message is sent all the same.
                let outcome = self.publish(priority, topic.as_ref(), data);
                self.count_publish(topic.as_ref(), outcome.as_ref().map(|_| ()));
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
                self.shown.touch();
                let _ = answer.send(outcome.map_err(|reason| AddressError { text: address, reason }));
            }
            Command::RemovePeer { peer, answer } => {
                let _ = answer.send(self.remove_peer(&peer));
            }
            Command::PolicyChanged => {
                self.admission.judge_again(behaviour, UnixTime::now());
                self.shown.touch();
            }
            Command::RightsChanged => behaviour.set_rights(self.hearing.rights.in_force()),
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

    /// Takes what a publisher sent; if links are full, it waits.
    pub(super) fn handle_post(&mut self, mut post: Post) {
        let taken = post.perform(|(topic, priority), data| {
            let outcome = self.publish(priority, topic, data);
            if outcome != Err(PublishError::Busy) {
                self.count_publish(topic, outcome.as_ref().map(|_| ()));
            }
            outcome.map(|_| ())
        });
        self.posts.put_back(post, taken);
    }

    fn open(&mut self, exchange: ExchangeId, kind: CallKind, answer: oneshot::Sender<Result<Answer, UnicastError>>) {
        self.exchanges.insert(exchange, Waiting { answer, since: Instant::now() });
        self.metrics.unicast.taken.increment(kind);
        self.show_open_requests();
    }

    fn publish(&mut self, priority: Priority, topic: Option<&Topic>, data: Bytes) -> Result<MessageId, PublishError> {
        let behaviour = self.swarm.behaviour_mut();
        if let Some(topic) = topic {
            self.hearing.keep_inside(topic).map_err(|reason| PublishError::Denied { reason })?;
        }
        let (epoch, seq) = behaviour.publish_as(priority, topic, data)?;
        Ok(MessageId { origin: behaviour.overlay().node(), epoch, seq })
    }

    /// Takes a configured address, or a node ID or its beginning.
    fn remove_peer(&mut self, peer: &str) -> bool {
        let overlay = self.swarm.behaviour().overlay();
        let links = overlay.links().into_iter().flat_map(|link| {
            let met = link.configured.into_iter();
            met.map(move |address| (address, Some(link.peer)))
        });
        let pending = overlay.pending_peers().into_iter().map(|pending| (pending.address, pending.node));
        let is_meant = |address: &Address, node: Option<NodeId>| {
            address.as_str() == peer || node.is_some_and(|node| node.to_string().starts_with(&peer.to_lowercase()))
        };
        let meant = links.chain(pending).filter(|(address, node)| is_meant(address, *node));
        let addresses: Vec<Address> = meant.map(|(address, _)| address).collect();
        for address in &addresses {
            self.swarm.behaviour_mut().remove_peer(address.as_str());
        }
        self.shown.touch();
        !addresses.is_empty()
    }

    fn renew(&mut self, identity: &Arc<Identity>) -> Result<(), RenewalError> {
        let (new, own) = (&identity.certificate, &self.facts.certificate);
        let (key, node) = (identity.key.node_id(), self.swarm.behaviour().overlay().node());
        if key != node {
            return Err(RenewalError::OtherKey { new: key.short(), own: node.short() });
        }
        let named = |one: &Credential| format!("{} of {}", one.name, one.agency);
        if (&new.name, &new.agency) != (&own.name, &own.agency) {
            return Err(RenewalError::OtherName { new: named(new), own: named(own) });
        }
        self.identity.store(Arc::clone(identity));
        self.admission.meet(&identity.chain);
        if new.serial != own.serial {
            self.audit.record(Event::CertificateRenewed {
                subject: (&new.subject).into(),
                serial: (&new.serial).into(),
                not_after: new.not_after.as_secs(),
            });
        }
        self.facts.certificate = new.clone();
        let chain = identity.chain.iter().map(|der| Bytes::copy_from_slice(der)).collect();
        self.swarm.behaviour_mut().renew(chain);
        self.shown.touch();
        Ok(())
    }
}
