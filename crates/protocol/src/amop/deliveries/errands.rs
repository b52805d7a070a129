use std::{
    collections::{BTreeMap, BTreeSet, VecDeque, hash_map::Entry},
    time::Instant,
};

use bytes::Bytes;
use nuncio_bounds::{Bound, Portions};
use nuncio_identity::NodeId;
use smallvec::SmallVec;

use super::{
    super::{ClientId, ResultCode, TenantId, account_of},
    errand::{Asked, Errand, Stage, Vias},
    shelf::{Place, Shelf},
};
use crate::{Account, hashed::HashMap, timers::Timers};

/// Most bytes of other nodes' messages and of answers to them, a quarter of them of one node.
const MAX_BYTES: usize = 256 << 20;

/// The attempts of other nodes, each until its time is over, and which sessions had which message.
///
/// A busy node keeps some ten thousand answered ones of each source, and each message that comes makes it forget one: so they are
/// found by hash, and what is ordered by time names their places only.
///
/// Bound: [`MAX_BYTES`]. When a source's share is full answered attempts of it are forgotten, the oldest of the client of it that wants
/// more, else of one that holds more; what still does not fit is not taken.
#[derive(Debug)]
pub(super) struct Errands {
    places: HashMap<Asked, Place>,
    shelf: Shelf<(Asked, Errand)>,
    had: HashMap<Message, Had>,
    /// Of each client of each source, in the order of their answers.
    answered: HashMap<NodeId, BTreeMap<Option<TenantId>, VecDeque<Place>>>,
    timers: Timers<Place>,
    held: Portions<NodeId>,
}

/// Clients of a source whose answered attempts are looked at for one to be forgotten.
const LOOKED_AT: usize = 16;

/// Of which node, and of which of its clients.
type Whose = (NodeId, Option<TenantId>);

/// A message, its source's epoch, and its source.
type Message = (u64, u64, NodeId);

/// Most attempts at one message: no honest node makes more, and each looks through what became of those before.
const MAX_ATTEMPTS: usize = 256;

/// The attempts at a message, and the sessions that had it, each with the attempt that brought it.
#[derive(Debug, Default)]
struct Had {
    attempts: usize,
    sessions: SmallVec<[(u64, ClientId); 1]>,
}

impl Errands {
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "other nodes' messages for clients here, and the answers to them",
        MAX_BYTES,
        "the oldest answered ones of a node are forgotten, from a quarter of all on; what does not fit is not taken",
    );

    pub(super) fn new() -> Self {
        Self {
            places: HashMap::default(),
            shelf: Shelf::default(),
            had: HashMap::default(),
            answered: HashMap::default(),
            timers: Timers::default(),
            held: Portions::default(),
        }
    }

    /// Makes room for an attempt; `false` when there is none.
    pub(super) fn make_room(&mut self, asked: &Asked, errand: &Errand) -> bool {
        if self.had.get(&message_of(asked, errand)).is_some_and(|had| had.attempts >= MAX_ATTEMPTS) {
            return false;
        }
        let whose = (asked.source, errand.tenant);
        while !self.take(whose, errand.bytes()) {
            if !self.forget_answered(whose) {
                return false;
            }
        }
        true
    }

    /// Takes an attempt for which room was made.
    pub(super) fn insert(&mut self, asked: Asked, errand: Errand) {
        let ends = errand.ends;
        self.had.entry(message_of(&asked, &errand)).or_default().attempts += 1;
        let place = self.shelf.put((asked, errand));
        self.timers.set(ends, place);
        self.places.insert(asked, place);
    }

    pub(super) fn get(&self, asked: &Asked) -> Option<&Errand> {
        self.shelf.get(*self.places.get(asked)?).map(|(_, errand)| errand)
    }

    pub(super) fn get_mut(&mut self, asked: &Asked) -> Option<&mut Errand> {
        self.shelf.get_mut(*self.places.get(asked)?).map(|(_, errand)| errand)
    }

    /// The sessions that had the message of an attempt.
    pub(super) fn had(&self, asked: &Asked) -> BTreeSet<ClientId> {
        let clients = self.get(asked).and_then(|errand| self.had.get(&message_of(asked, errand)));
        clients.into_iter().flat_map(|had| &had.sessions).map(|(_, client)| *client).collect()
    }

    /// The sessions at which earlier attempts at the same message still are.
    pub(super) fn waiting(&self, asked: &Asked) -> Vec<ClientId> {
        let Some(errand) = self.get(asked) else { return Vec::new() };
        let had = self.had.get(&message_of(asked, errand)).into_iter().flat_map(|had| &had.sessions);
        let is_open = |number: u64| {
            let earlier = self.get(&Asked { number, ..*asked });
            earlier.is_some_and(|errand| matches!(errand.stage, Stage::At { .. }))
        };
        had.filter(|(number, _)| is_open(*number)).map(|(_, client)| *client).collect()
    }

    pub(super) fn note_had(&mut self, asked: &Asked, client: ClientId) {
        if let Some(errand) = self.get(asked) {
            let message = message_of(asked, errand);
            self.had.entry(message).or_default().sessions.push((asked.number, client));
        }
    }

    /// Keeps an answer as long as the attempt counts, if there is room for it.
    pub(super) fn answer(&mut self, asked: &Asked, code: ResultCode, data: Bytes, over: Vias) {
        let Self { places, shelf, answered, held, .. } = self;
        let Some(place) = places.get(asked) else { return };
        let Some((_, errand)) = shelf.get_mut(*place) else { return };
        let whose = (asked.source, errand.tenant);
        held.remove(account(whose), errand.bytes());
        (errand.data, errand.over) = (Bytes::new(), over);
        errand.stage = Stage::Answered(Some((code, data)));
        if !has_room(held, whose, errand.bytes()) {
            // It is less than what it held.
            errand.stage = Stage::Answered(None);
        }
        held.add(account(whose), errand.bytes());
        answered.entry(asked.source).or_default().entry(errand.tenant).or_default().push_back(*place);
    }

    /// Takes an attempt whose time is over.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Asked, Errand)> {
        let place = self.timers.pop_due(now)?;
        self.remove(place)
    }

    /// Takes what a node asked.
    pub(super) fn remove_source(&mut self, node: &NodeId) -> Vec<Errand> {
        let theirs = self.places.iter().filter(|(asked, _)| asked.source == *node);
        let theirs: Vec<_> = theirs.map(|(_, place)| *place).collect();
        self.answered.remove(node);
        theirs.into_iter().filter_map(|place| self.remove(place)).map(|(_, errand)| errand).collect()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn remove(&mut self, place: Place) -> Option<(Asked, Errand)> {
        let (asked, errand) = self.shelf.take(place)?;
        self.places.remove(&asked);
        self.timers.cancel(errand.ends, place);
        let whose = (asked.source, errand.tenant);
        self.held.remove(account(whose), errand.bytes());
        if let Entry::Occupied(mut had) = self.had.entry(message_of(&asked, &errand)) {
            let of_message = had.get_mut();
            of_message.sessions.retain(|(number, _)| *number != asked.number);
            of_message.attempts -= 1;
            if of_message.attempts == 0 {
                had.remove();
            }
        }
        self.tidy(whose);
        Some((asked, errand))
    }

    fn take(&mut self, whose: Whose, bytes: usize) -> bool {
        let has_room = has_room(&self.held, whose, bytes);
        if has_room {
            self.held.add(account(whose), bytes);
        }
        has_room
    }

    /// Says whether there was one. Whoever holds most gives nobody else's up for its next one.
    fn forget_answered(&mut self, (source, tenant): Whose) -> bool {
        let Some(answered) = self.answered.get_mut(&source) else { return false };
        let held = |of: Option<TenantId>| self.held.held_by(account((source, of)));
        // Not all of them are looked at: a node can name as many as it has messages.
        let most = || answered.keys().take(LOOKED_AT).copied().max_by_key(|other| held(*other));
        let own = Some(tenant).filter(|own| answered.contains_key(own));
        let Some(tenant) = own.or_else(|| most().filter(|other| held(*other) > held(tenant))) else { return false };
        if let Some(place) = answered.get_mut(&tenant).and_then(VecDeque::pop_front) {
            self.remove(place);
        }
        self.tidy((source, tenant));
        true
    }

    /// Attempts end about in the order of their answers.
    fn tidy(&mut self, (source, tenant): Whose) {
        let Entry::Occupied(mut of_source) = self.answered.entry(source) else { return };
        if let Some(answered) = of_source.get_mut().get_mut(&tenant) {
            while answered.front().is_some_and(|place| self.shelf.get(*place).is_none()) {
                answered.pop_front();
            }
            if answered.is_empty() {
                of_source.get_mut().remove(&tenant);
            }
        }
        if of_source.get().is_empty() {
            of_source.remove();
        }
    }
}

/// Whether so many bytes more fit into all, and into what one source may have, of which its clients have portions.
fn has_room(held: &Portions<NodeId>, whose: Whose, bytes: usize) -> bool {
    held.all() + bytes <= MAX_BYTES && held.to_leave(account(whose)) + bytes <= MAX_BYTES / 4
}

fn account((source, tenant): Whose) -> Account {
    account_of(source, tenant)
}

const fn message_of(asked: &Asked, errand: &Errand) -> Message {
    (errand.message, asked.epoch, asked.source)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nuncio_testkit::simulator::node_id;

    use super::*;
    use crate::{Priority, Topic};

    const BODY: usize = 4 << 20;

    fn errand(tenant: u64, now: Instant) -> Errand {
        Errand {
            message: 1,
            vias: Vias::default(),
            over: Vias::default(),
            sent: Duration::ZERO,
            priority: Priority::Normal,
            topic: Topic::new("a").expect("a topic"),
            tenant: Some(TenantId(tenant)),
            data: Bytes::from(vec![0; BODY]),
            ends: now + Duration::from_secs(10),
            stage: Stage::New,
        }
    }

    /// Takes one more of a client; says whether there was room.
    fn take(errands: &mut Errands, tenant: u64, number: u64) -> bool {
        let (asked, errand) = (Asked { source: node_id(1), epoch: 1, number }, errand(tenant, Instant::now()));
        let fits = errands.make_room(&asked, &errand);
        if fits {
            errands.insert(asked, errand);
        }
        fits
    }

    fn answer(errands: &mut Errands, number: u64) {
        let asked = Asked { source: node_id(1), epoch: 1, number };
        errands.answer(&asked, ResultCode::OK, Bytes::from(vec![0; BODY]), Vias::default());
    }

    fn is_answered(errands: &Errands, number: u64) -> bool {
        errands.get(&Asked { source: node_id(1), epoch: 1, number }).is_some()
    }

    #[test]
    fn a_client_that_fills_its_portion_has_no_answer_to_another_forgotten() {
        let mut errands = Errands::new();
        for number in 0..3 {
            assert!(take(&mut errands, 1, number));
            answer(&mut errands, number);
        }
        let taken = (10..100).take_while(|number| take(&mut errands, 2, *number)).count();
        assert!(taken > 3, "it takes what it may: {taken}");
        assert!((0..3).all(|number| is_answered(&errands, number)), "for more than that nobody gives anything up");
    }

    #[test]
    fn whoever_holds_little_has_room_beside_answers_that_fill_all() {
        let mut errands = Errands::new();
        for number in 0..100 {
            if take(&mut errands, 1, number) {
                answer(&mut errands, number);
            }
        }
        assert!(!is_answered(&errands, 0) && is_answered(&errands, 99), "its own oldest ones went for its newest");
        assert!((100..103).all(|number| take(&mut errands, 2, number)));
        assert!((10..99).any(|number| is_answered(&errands, number)));
    }
}
