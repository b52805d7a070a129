use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use smallvec::smallvec;

use super::{
    super::{
        ClientId, ClientOutput, Content, DeliveryId, Kind, Message, Payer, ResultCode, account_of,
        private::names::shown, subscriptions::Subscriptions,
    },
    errand::{Asked, Errand, Stage, Vias},
    errands::Errands,
    report::{report, report_again},
    shelf::Place,
};
use crate::{MAX_NODES, Output, Priority, Topic, suspects::Suspects, turn::Turn};

/// How long a silence is held against a session.
const MEMORY: Duration = Duration::from_secs(10);

/// Messages at clients here: of exchanges of ours, and of other nodes.
///
/// Bound: one for each attempt of an own exchange, and the [`Errands`].
#[derive(Debug)]
pub(in crate::amop) struct Deliveries {
    open: BTreeMap<DeliveryId, Delivery>,
    of_client: BTreeSet<(ClientId, DeliveryId)>,
    errands: Errands,
    silent: Suspects<ClientId>,
    rng: SmallRng,
    next: u64,
}

#[derive(Debug, Clone, Copy)]
struct Delivery {
    client: ClientId,
    origin: Origin,
}

/// Who wants to know.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// An exchange of ours.
    Own { message: u64 },
    /// Another node, whose attempt is there.
    Peer(Place),
}

/// What became of a delivery for an exchange of ours.
#[derive(Debug)]
pub(in crate::amop) enum Outcome {
    Answered { code: ResultCode, data: Bytes },
    Gone,
}

/// The message and the delivery that an [`Outcome`] is of.
pub(in crate::amop) type Own = ((u64, DeliveryId), Outcome);

impl Deliveries {
    pub(in crate::amop) const BOUNDS: [Bound; 2] =
        [Errands::BOUND, Suspects::<ClientId>::bound("clients that were silent lately", MAX_NODES)];

    pub(in crate::amop) fn new(seed: u64) -> Self {
        Self {
            open: BTreeMap::new(),
            of_client: BTreeSet::new(),
            errands: Errands::new(),
            silent: Suspects::new(MEMORY, MAX_NODES),
            rng: SmallRng::seed_from_u64(seed),
            next: 0,
        }
    }

    /// A name for a delivery.
    pub(in crate::amop) const fn name(&mut self) -> DeliveryId {
        self.next += 1;
        DeliveryId(self.next)
    }

    /// Hands a message of an exchange of ours to a client.
    pub(in crate::amop) fn hand_over(
        &mut self,
        client: ClientId,
        (message, payer): (u64, Payer),
        (topic, priority, data): (Topic, Priority, Bytes),
        turn: &mut Turn<'_>,
    ) -> DeliveryId {
        let delivery = self.insert(client, Origin::Own { message });
        let (account, kind) = (payer.account(), Kind::Unicast);
        let deliver = ClientOutput::Deliver { client, account, delivery, kind, priority, topic, data };
        turn.outbox.push(Output::Client(deliver));
        delivery
    }

    /// Forgets a delivery whose exchange has ended.
    pub(in crate::amop) fn withdraw(&mut self, delivery: DeliveryId) {
        if let Some(withdrawn) = self.open.remove(&delivery) {
            self.of_client.remove(&(withdrawn.client, delivery));
        }
    }

    /// Takes an attempt of another node for the first time.
    pub(in crate::amop) fn handle_publish(
        &mut self,
        from: NodeId,
        message: Message,
        time_left: Duration,
        subscriptions: &Subscriptions,
        turn: &mut Turn<'_>,
    ) {
        let header = message.header;
        let Content::Publish { message, topic, tenant, data } = message.content else { return };
        let asked = Asked { source: header.source, epoch: header.source_epoch, number: header.number };
        let ends = turn.now + time_left;
        let (vias, over, sent) = (smallvec![from], Vias::new(), header.sent);
        let priority = header.priority;
        let errand = Errand { message, vias, over, sent, priority, topic, tenant, data, ends, stage: Stage::New };
        if !self.errands.make_room(&asked, &errand) {
            tracing::debug!(source = %asked.source.short(), "no room for its messages");
            report(&asked, &errand, ResultCode::SUBSCRIBER_GONE, &Bytes::new(), turn);
            return;
        }
        let place = self.errands.insert(asked, errand);
        // It is here again, so whoever has it is silent.
        for client in self.errands.waiting(place) {
            self.silent.note(client, turn.now);
        }
        self.deliver(place, subscriptions, turn);
    }

    /// The same attempt came over another path, or once more: its answer goes back there, too.
    pub(in crate::amop) fn handle_repeated(
        &mut self,
        from: NodeId,
        asked: &Asked,
        sent: Duration,
        turn: &mut Turn<'_>,
    ) {
        let place = self.errands.find(asked);
        let Some(errand) = place.and_then(|place| self.errands.get_mut(place)) else { return };
        let is_newer = sent > errand.sent;
        if errand.came_over(from, sent) {
            report_again(asked, errand, (from, is_newer), turn);
        }
    }

    /// Takes a client's acknowledgement; gives it back if it is of an exchange of ours. A late, double or foreign one is
    /// dropped.
    pub(in crate::amop) fn handle_acknowledged(
        &mut self,
        client: ClientId,
        delivery: DeliveryId,
        (code, data): (ResultCode, Bytes),
        turn: &mut Turn<'_>,
    ) -> Option<Own> {
        let Some(origin) = self.take(client, delivery) else {
            tracing::trace!(?client, ?delivery, "acknowledgement nobody waits for, dropped");
            return None;
        };
        self.silent.clear(&client);
        match origin {
            Origin::Own { message } => Some(((message, delivery), Outcome::Answered { code, data })),
            Origin::Peer(place) => {
                self.answer(place, code, data, turn);
                None
            }
        }
    }

    /// A client did not get a delivery: another session gets it, or the exchange of ours that is given back.
    pub(in crate::amop) fn handle_failed(
        &mut self,
        client: ClientId,
        delivery: DeliveryId,
        subscriptions: &Subscriptions,
        turn: &mut Turn<'_>,
    ) -> Option<Own> {
        match self.take(client, delivery)? {
            Origin::Own { message } => Some(((message, delivery), Outcome::Gone)),
            Origin::Peer(place) => {
                self.deliver(place, subscriptions, turn);
                None
            }
        }
    }

    /// A client is gone, and all its deliveries failed.
    pub(in crate::amop) fn handle_disconnected(
        &mut self,
        client: ClientId,
        subscriptions: &Subscriptions,
        turn: &mut Turn<'_>,
    ) -> Vec<Own> {
        self.silent.clear(&client);
        let theirs = self.of_client.range((client, DeliveryId(0))..=(client, DeliveryId(u64::MAX)));
        let theirs: Vec<_> = theirs.map(|(_, delivery)| *delivery).collect();
        theirs.into_iter().filter_map(|delivery| self.handle_failed(client, delivery, subscriptions, turn)).collect()
    }

    /// Forgets whatever an expelled node wanted.
    pub(in crate::amop) fn handle_expelled(&mut self, node: &NodeId) {
        for errand in self.errands.remove_source(node) {
            if let Stage::At { delivery, .. } = errand.stage {
                self.withdraw(delivery);
            }
        }
    }

    pub(in crate::amop) fn handle_timeout(&mut self, now: Instant) {
        self.silent.forget_ended(now);
        while let Some((_, errand)) = self.errands.pop_due(now) {
            if let Stage::At { client, delivery } = errand.stage {
                self.withdraw(delivery);
                self.silent.note(client, now);
            }
        }
    }

    pub(in crate::amop) fn poll_timeout(&self) -> Option<Instant> {
        self.errands.next()
    }

    pub(in crate::amop) fn is_silent(&self, client: ClientId) -> bool {
        self.silent.contains(&client)
    }

    pub(in crate::amop) fn note_silent(&mut self, client: ClientId, now: Instant) {
        self.silent.note(client, now);
    }

    /// Hands an errand to a session that has not had the message, or reports that there is none.
    fn deliver(&mut self, place: Place, subscriptions: &Subscriptions, turn: &mut Turn<'_>) {
        let Some((asked, errand)) = self.errands.get(place).filter(|(_, errand)| errand.ends > turn.now) else {
            return;
        };
        let (topic, priority, data) = (errand.topic.clone(), errand.priority, errand.data.clone());
        let account = account_of(asked.source, errand.tenant);
        let Some(client) = self.choose(place, &subscriptions.receivers(&topic)) else {
            self.answer(place, ResultCode::SUBSCRIBER_GONE, Bytes::new(), turn);
            return;
        };
        let delivery = self.insert(client, Origin::Peer(place));
        self.errands.note_had(place, client);
        if let Some(errand) = self.errands.get_mut(place) {
            errand.stage = Stage::At { client, delivery };
        }
        let (kind, topic) = (Kind::Unicast, shown(&topic));
        let deliver = ClientOutput::Deliver { client, account, delivery, kind, priority, topic, data };
        turn.outbox.push(Output::Client(deliver));
    }

    fn choose(&mut self, place: Place, sessions: &[ClientId]) -> Option<ClientId> {
        if sessions.is_empty() {
            return None;
        }
        let had = self.errands.had(place);
        let drawn = sessions[self.rng.random_range(0..sessions.len())];
        if !had.contains(&drawn) && !self.is_silent(drawn) {
            return Some(drawn);
        }
        let unused = || sessions.iter().filter(|client| !had.contains(client));
        let good: Vec<_> = unused().filter(|client| !self.is_silent(**client)).collect();
        let pool = if good.is_empty() { unused().collect() } else { good };
        (!pool.is_empty()).then(|| *pool[self.rng.random_range(0..pool.len())])
    }

    fn answer(&mut self, place: Place, code: ResultCode, data: Bytes, turn: &mut Turn<'_>) {
        if let Some((asked, errand)) = self.errands.get(place) {
            let over = report(asked, errand, code, &data, turn);
            self.errands.answer(place, code, data, over);
        }
    }

    fn insert(&mut self, client: ClientId, origin: Origin) -> DeliveryId {
        let delivery = self.name();
        self.open.insert(delivery, Delivery { client, origin });
        self.of_client.insert((client, delivery));
        delivery
    }

    /// Takes a delivery if it is this client's.
    fn take(&mut self, client: ClientId, delivery: DeliveryId) -> Option<Origin> {
        let origin = self.open.get(&delivery).filter(|open| open.client == client)?.origin;
        self.withdraw(delivery);
        Some(origin)
    }
}
