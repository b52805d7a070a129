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
/// A busy node keeps some ten thousand answered ones of each source, and each message that comes makes it forget one: what is looked
/// up there is in no cache. So an attempt is found by its name once, in a table of its source's that is as small as it can be, and by
/// its place from then on.
///
/// Bound: [`MAX_BYTES`]. When a source's share is full answered attempts of it are forgotten, the oldest of the client of it that wants
/// more, else of one that holds more; what still does not fit is not taken.
#[derive(Debug)]
pub(super) struct Errands {
    shelf: Shelf<(Asked, Errand)>,
    sources: HashMap<NodeId, Source>,
    timers: Timers<Place>,
    held: Portions<NodeId>,
}

/// The attempts of one source; one that has none is not kept.
#[derive(Debug, Default)]
struct Source {
    /// By its epoch and their number.
    places: HashMap<(u64, u64), Place>,
    /// By its epoch and the message.
    had: HashMap<(u64, u64), Had>,
    /// Of each client of it, in the order of their answers.
    answered: BTreeMap<Option<TenantId>, VecDeque<Place>>,
}

/// Most attempts at one message: no honest node makes more, and each looks through what became of those before.
const MAX_ATTEMPTS: usize = 256;

/// The attempts at a message, and the sessions that had it, each with the attempt that brought it.
#[derive(Debug, Default)]
struct Had {
    attempts: usize,
    sessions: SmallVec<[(u64, ClientId); 1]>,
}

/// Clients of a source whose answered attempts are looked at for one to be forgotten.
const LOOKED_AT: usize = 16;

/// Of which node, and of which of its clients.
type Whose = (NodeId, Option<TenantId>);

impl Errands {
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "other nodes' messages for clients here, and the answers to them",
        MAX_BYTES,
        "the oldest answered ones of a node are forgotten, from a quarter of all on; what does not fit is not taken",
    );

    pub(super) fn new() -> Self {
        Self {
            shelf: Shelf::default(),
            sources: HashMap::default(),
            timers: Timers::default(),
            held: Portions::default(),
        }
    }

    /// Makes room for an attempt; `false` when there is none.
    pub(super) fn make_room(&mut self, asked: &Asked, errand: &Errand) -> bool {
        let had = self.sources.get(&asked.source).and_then(|source| source.had.get(&(asked.epoch, errand.message)));
        if had.is_some_and(|had| had.attempts >= MAX_ATTEMPTS) {
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
    pub(super) fn insert(&mut self, asked: Asked, errand: Errand) -> Place {
        let (ends, message) = (errand.ends, errand.message);
        let place = self.shelf.put((asked, errand));
        self.timers.set(ends, place);
        let source = self.sources.entry(asked.source).or_default();
        source.places.insert((asked.epoch, asked.number), place);
        source.had.entry((asked.epoch, message)).or_default().attempts += 1;
        place
    }

    /// Where an attempt is.
    pub(super) fn find(&self, asked: &Asked) -> Option<Place> {
        self.sources.get(&asked.source)?.places.get(&(asked.epoch, asked.number)).copied()
    }

    pub(super) fn get(&self, place: Place) -> Option<&(Asked, Errand)> {
        self.shelf.get(place)
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Errand> {
        self.shelf.get_mut(place).map(|(_, errand)| errand)
    }

    /// The sessions that had the message of an attempt.
    pub(super) fn had(&self, place: Place) -> BTreeSet<ClientId> {
        self.had_by(place).into_iter().flat_map(|(_, had)| had).map(|(_, client)| *client).collect()
    }

    /// The sessions at which earlier attempts at the same message still are.
    pub(super) fn waiting(&self, place: Place) -> Vec<ClientId> {
        let Some((epoch, source)) = self.get(place).map(|(asked, _)| (asked.epoch, asked.source)) else {
            return Vec::new();
        };
        let is_open = |number: u64| {
            let earlier = self.find(&Asked { number, epoch, source }).and_then(|place| self.get(place));
            earlier.is_some_and(|(_, errand)| matches!(errand.stage, Stage::At { .. }))
        };
        let had = self.had_by(place).into_iter().flat_map(|(_, had)| had);
        had.filter(|(number, _)| is_open(*number)).map(|(_, client)| *client).collect()
    }

    fn had_by(&self, place: Place) -> Option<(&Source, &[(u64, ClientId)])> {
        let (asked, errand) = self.get(place)?;
        let source = self.sources.get(&asked.source)?;
        source.had.get(&(asked.epoch, errand.message)).map(|had| (source, &had.sessions[..]))
    }

    pub(super) fn note_had(&mut self, place: Place, client: ClientId) {
        if let Some((asked, errand)) = self.shelf.get(place)
            && let Some(source) = self.sources.get_mut(&asked.source)
        {
            source.had.entry((asked.epoch, errand.message)).or_default().sessions.push((asked.number, client));
        }
    }

    /// Keeps an answer as long as the attempt counts, if there is room for it.
    pub(super) fn answer(&mut self, place: Place, code: ResultCode, data: Bytes, over: Vias) {
        let Self { shelf, sources, held, .. } = self;
        let Some((asked, errand)) = shelf.get_mut(place) else { return };
        let (whose, before) = ((asked.source, errand.tenant), errand.bytes());
        (errand.data, errand.over) = (Bytes::new(), over);
        errand.stage = Stage::Answered(Some((code, data)));
        match errand.bytes() {
            after if after > before => {
                held.remove(account(whose), before);
                if !has_room(held, whose, after) {
                    // It is less than what it held.
                    errand.stage = Stage::Answered(None);
                }
                held.add(account(whose), errand.bytes());
            }
            after => held.remove(account(whose), before - after),
        }
        let answered = sources.entry(asked.source).or_default().answered.entry(errand.tenant).or_default();
        answered.push_back(place);
    }

    /// Takes an attempt whose time is over.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Asked, Errand)> {
        let place = self.timers.pop_due(now)?;
        self.remove(place)
    }

    /// Takes what a node asked.
    pub(super) fn remove_source(&mut self, node: &NodeId) -> Vec<Errand> {
        let theirs = self.sources.get_mut(node).map(|source| {
            source.answered.clear();
            source.places.values().copied().collect::<Vec<_>>()
        });
        theirs.into_iter().flatten().filter_map(|place| self.remove(place)).map(|(_, errand)| errand).collect()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn remove(&mut self, place: Place) -> Option<(Asked, Errand)> {
        let (asked, errand) = self.shelf.take(place)?;
        self.timers.cancel(errand.ends, place);
        let whose = (asked.source, errand.tenant);
        self.held.remove(account(whose), errand.bytes());
        let Entry::Occupied(mut of_source) = self.sources.entry(asked.source) else { return Some((asked, errand)) };
        let source = of_source.get_mut();
        source.places.remove(&(asked.epoch, asked.number));
        if let Entry::Occupied(mut had) = source.had.entry((asked.epoch, errand.message)) {
            let of_message = had.get_mut();
            of_message.sessions.retain(|(number, _)| *number != asked.number);
            of_message.attempts -= 1;
            if of_message.attempts == 0 {
                had.remove();
            }
        }
        if source.places.is_empty() {
            of_source.remove();
        } else {
            source.tidy(errand.tenant, &self.shelf);
        }
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
        let Some(of_source) = self.sources.get_mut(&source) else { return false };
        let answered = &mut of_source.answered;
        let held = |of: Option<TenantId>| self.held.held_by(account((source, of)));
        // Not all of them are looked at: a node can name as many as it has messages.
        let most = || answered.keys().take(LOOKED_AT).copied().max_by_key(|other| held(*other));
        let own = Some(tenant).filter(|own| answered.contains_key(own));
        let Some(tenant) = own.or_else(|| most().filter(|other| held(*other) > held(tenant))) else { return false };
        let oldest = answered.get_mut(&tenant).and_then(VecDeque::pop_front);
        of_source.tidy(tenant, &self.shelf);
        if let Some(place) = oldest {
            self.remove(place);
        }
        true
    }
}

impl Source {
    /// Attempts end about in the order of their answers.
    fn tidy(&mut self, tenant: Option<TenantId>, shelf: &Shelf<(Asked, Errand)>) {
        let Some(answered) = self.answered.get_mut(&tenant) else { return };
        while answered.front().is_some_and(|place| shelf.get(*place).is_none()) {
            answered.pop_front();
        }
        if answered.is_empty() {
            self.answered.remove(&tenant);
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
        if let Some(place) = errands.find(&asked) {
            errands.answer(place, ResultCode::OK, Bytes::from(vec![0; BODY]), Vias::default());
        }
    }

    fn is_answered(errands: &Errands, number: u64) -> bool {
        errands.find(&Asked { source: node_id(1), epoch: 1, number }).is_some()
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
