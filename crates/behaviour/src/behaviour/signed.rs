//! What the node's key has signed, put to its use.

use std::time::Instant;

use libp2p::{
    gossipsub::{self, IdentTopic},
    swarm::ToSwarm,
};
use nuncio_protocol::{
    StatusInput, TraceInput,
    status_sync::{Status, Version},
};
use nuncio_wire::{amop, announcement};

use super::{Behaviour, LONG_GOSSIP_PAUSE};
use crate::{
    Event,
    gossip::Lane,
    notary::{Paper, Signed, Taken, Told},
};

/// Why gossip does not carry a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotCarried {
    /// The queues to all peers are full. It is offered to them later all the same, so that its number is used.
    Yet,
    Refused,
}

impl Behaviour {
    pub(super) fn sign_status(&mut self, status: Status, now: Instant) {
        let paper = Paper::Status { status: Box::new(status), chain: self.chain.clone() };
        self.sign(paper, now);
    }

    pub(super) fn announce(&mut self, version: Version, now: Instant) {
        self.sign(Paper::Announcement { version, clock: self.overlay.clock(now) }, now);
    }

    /// Says whether there was room.
    pub(super) fn sign(&mut self, paper: Paper, now: Instant) -> bool {
        match self.notary.take(paper) {
            // Gossip that nobody takes is missed, as when its sender hears of it.
            Taken::Signed(signed) => {
                let _ = self.use_signed(signed, now);
            }
            Taken::Later => {}
            Taken::Full => return false,
        }
        true
    }

    pub(super) fn handle_told(&mut self, told: Told) {
        let now = Instant::now();
        match told {
            Told::Signed(signed) => {
                if self.use_signed(signed, now).is_err() {
                    tracing::debug!("the queues to all peers are full, gossip dropped");
                }
                self.drain(now);
            }
            Told::Failing(error) => {
                self.actions.push_back(ToSwarm::GenerateEvent(Event::KeyFailed { reason: error.reason }));
            }
            Told::Recovered => self.actions.push_back(ToSwarm::GenerateEvent(Event::KeyRecovered)),
        }
    }

    /// # Errors
    /// When gossip does not carry it now.
    pub(super) fn use_signed(&mut self, signed: Signed, now: Instant) -> Result<(), NotCarried> {
        match signed {
            Signed::Status(record) => self.overlay.handle_input(StatusInput::Signed { record }, now),
            Signed::Announcement(announcement) => {
                // Nobody to tell yet: the next announcement comes soon.
                let sent = self.inner.lane(Lane::Short).publish(IdentTopic::new(announcement::TOPIC), announcement);
                self.meter.metrics.core.announced.increment();
                if sent.is_ok() {
                    self.count_gossip_published(Lane::Short);
                }
            }
            Signed::Report { report, message } => {
                self.overlay.handle_input(TraceInput::Signed { report, message }, now);
            }
            Signed::Multicast { to, account, multicast } => {
                self.send_bridge(to, account, amop::Frame::Multicast(*multicast), now);
            }
            Signed::Batch { to, account, leg } => self.send_bridge(to, account, amop::Frame::Batch(*leg), now),
            Signed::Gossip { lane, topic, message } => {
                let length = message.len();
                let sent = self.inner.lane(lane).publish(IdentTopic::new(topic), message);
                match sent {
                    Ok(_) => {
                        if lane == Lane::Long {
                            let rest = self.overlay.rest_after_own_long_gossip(length, now);
                            self.long_gossip_from = Some(now + rest);
                        }
                        self.count_gossip_published(lane);
                    }
                    Err(gossipsub::PublishError::NoPeersSubscribedToTopic) => {}
                    Err(error) => {
                        let is_kept = matches!(error, gossipsub::PublishError::AllQueuesFull(_));
                        if lane == Lane::Long && is_kept {
                            self.long_gossip_from = Some(now + LONG_GOSSIP_PAUSE);
                        }
                        tracing::debug!(%error, "gossip takes no message now");
                        return Err(if is_kept { NotCarried::Yet } else { NotCarried::Refused });
                    }
                }
            }
        }
        Ok(())
    }
}
