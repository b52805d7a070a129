use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::NodeId;
use rand::RngExt;

use super::{
    ClientId, Content, DeliveryId, Kind, Message, ResultCode,
    delivery::{Delivery, Errand, Origin},
    machine::Amop,
};
use crate::{Header, Output, turn::Turn};

/// A result counts at least so long: it may come a little late.
const RESULT_LIFETIME: Duration = Duration::from_secs(2);

/// The subscriber's side of a unicast.
impl Amop {
    /// Takes another node's publish.
    pub(super) fn run_errand(&mut self, from: NodeId, message: Message, time_left: Duration, turn: &mut Turn<'_>) {
        let Message { header: Header { source, source_epoch: epoch, number, .. }, content } = message;
        let Content::Publish { message, topic, data } = content else { return };
        self.sweep_later(turn.now);
        self.handed.admit(source, epoch, message, turn.now);
        let ends = turn.now + time_left.min(self.timeout);
        let errand = Errand { source, epoch, number, message, via: from, topic, data, ends };
        let is_full = self.deliveries.len() >= 2 * self.max_exchanges;
        if is_full || errand.topic.is_block_notification() {
            self.report(&errand, ResultCode::SUBSCRIBER_GONE, Bytes::new(), turn);
        } else {
            self.deliver_errand(errand, turn);
        }
    }

    /// Hands an errand to a session that has not had the message, or reports that there is none.
    pub(super) fn deliver_errand(&mut self, errand: Errand, turn: &mut Turn<'_>) {
        let Some(client) = self.choose_session(&errand, turn).filter(|_| errand.ends > turn.now) else {
            self.report(&errand, ResultCode::SUBSCRIBER_GONE, Bytes::new(), turn);
            return;
        };
        let delivery = self.deliveries.name();
        self.handed.note(&errand.key(), client);
        if let Some(client) = self.subscriptions.client_mut(client) {
            client.deliveries.insert(delivery);
        }
        turn.outbox.push(Self::deliver_as(client, delivery, Kind::Unicast, &errand.topic, errand.data.clone()));
        self.deliveries.insert(delivery, Delivery { client, origin: Origin::Peer(errand) });
    }

    /// Takes a client's acknowledgement; a late, double or foreign one is dropped.
    pub(super) fn acknowledge(
        &mut self,
        client: ClientId,
        delivery: DeliveryId,
        code: ResultCode,
        data: Bytes,
        turn: &mut Turn<'_>,
    ) {
        let Some(acknowledged) = self.deliveries.take(delivery, client) else {
            tracing::trace!(?client, ?delivery, "acknowledgement nobody waits for, dropped");
            return;
        };
        self.suspect_clients.clear(&client);
        if let Some(client) = self.subscriptions.client_mut(client) {
            client.deliveries.remove(&delivery);
        }
        match acknowledged.origin {
            Origin::Own { message } => self.answered_here(message, code, data, turn),
            Origin::Peer(errand) => self.report(&errand, code, data, turn),
        }
    }

    fn choose_session(&mut self, errand: &Errand, turn: &Turn<'_>) -> Option<ClientId> {
        let sessions = self.subscriptions.sessions_at(&errand.topic, |node| turn.routing.is_reachable(node));
        let had = self.handed.clients(&errand.key());
        if sessions.is_empty() {
            return None;
        }
        let is_good = |client: &ClientId| !self.suspect_clients.contains(client, turn.now);
        let drawn = sessions[self.rng.random_range(0..sessions.len())];
        if !had.contains(&drawn) && is_good(&drawn) {
            return Some(drawn);
        }
        let unused = || sessions.iter().filter(|client| !had.contains(client));
        let good: Vec<_> = unused().filter(|client| is_good(client)).collect();
        let pool = if good.is_empty() { unused().collect() } else { good };
        (!pool.is_empty()).then(|| *pool[self.rng.random_range(0..pool.len())])
    }

    /// Tells the publisher's node what became of its message.
    fn report(&self, errand: &Errand, code: ResultCode, data: Bytes, turn: &mut Turn<'_>) {
        let via = turn.routing.is_linked(&errand.via).then_some(errand.via);
        if let Some(to) = via.or_else(|| turn.routing.next_hop(&errand.source)) {
            let (asker, lifetime) = ((errand.source, errand.epoch), errand.ends.saturating_duration_since(turn.now));
            let header = turn.life.header(asker, errand.number, lifetime.max(RESULT_LIFETIME), turn.now);
            turn.outbox
                .push(Output::SendBridge { to, message: Message { header, content: Content::Result { code, data } } });
        }
    }
}
