use std::{
    cmp::Reverse,
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nuncio_door::Source;
use nuncio_pki::Credential;
use nuncio_rights::Party;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::{
    access::{self, ClientName},
    tls::Refusal,
};

/// How long it is remembered for whom others have made room.
const LATELY: Duration = Duration::from_secs(60);

/// The seats of a door: one for each session.
///
/// Bounds: so many in all, and so many from one [`Source`]. When all are taken, whoever has most of them makes room for one who
/// has fewer: the agency that has most for another one, and among clients of one agency the client that has most. Of his sessions
/// the one that has said nothing for longest ends. Nobody who has shown who he is makes room for somebody who has not. Whoever comes
/// and goes has others make room for no more than he could keep, within a minute.
#[derive(Debug, Clone)]
pub struct Sessions(Arc<Shared>);

/// Whose a seat is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The key of a certificate, or a token.
    Key {
        /// The agency that the root has named: whoever can make certificates gains no seats by it.
        agency: String,
        /// The key.
        name: ClientName,
    },
    /// Of somebody who has shown none: where he comes from.
    Source(Source),
}

/// With whom an owner shares seats before others come in: with his agency, or with all from where he comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Group<'a> {
    Agency(&'a str),
    Source(Source),
}

/// One session's seat; free again when dropped.
#[derive(Debug)]
pub struct Seat {
    sessions: Sessions,
    number: u64,
    sitter: Arc<Sitter>,
}

/// The session that has a seat, as far as it matters who makes room.
#[derive(Debug)]
pub struct Sitter {
    opened: Instant,
    /// When it said something last, in milliseconds since the door was opened.
    spoke: AtomicU64,
    out: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    limit_per_source: usize,
    opened: Instant,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    numbered: u64,
    seats: HashMap<u64, Sitting>,
    by_source: HashMap<Source, usize>,
    /// Those who make room, each with who waits for it.
    leaving: HashMap<u64, oneshot::Sender<()>>,
    /// For whom room was made lately, how often, and since when that is counted. Bound: as many as there are seats.
    made: HashMap<Owner, (usize, Instant)>,
}

#[derive(Debug)]
struct Sitting {
    source: Source,
    owner: Owner,
    sitter: Arc<Sitter>,
}

impl Owner {
    /// Of a client from this address.
    pub fn of(client: Option<&Credential>, address: IpAddr) -> Self {
        let Some(client) = client else { return Self::Source(address.into()) };
        let party = access::party(client, None);
        Self::known(&party, ClientName::of_key(client))
    }

    /// Of a client that is known by this name.
    pub(crate) fn known(party: &Party, name: ClientName) -> Self {
        Self::Key { agency: party.subject().top_agency().to_owned(), name }
    }

    fn group(&self) -> Group<'_> {
        match self {
            Self::Key { agency, .. } => Group::Agency(agency),
            Self::Source(source) => Group::Source(*source),
        }
    }

    /// Whether somebody who is known makes no room for him.
    const fn is_stranger(&self) -> bool {
        matches!(self, Self::Source(_))
    }
}

impl Sessions {
    /// So many seats in all, and from one source.
    pub fn new(limit: usize, limit_per_source: usize) -> Self {
        Self(Arc::new(Shared { limit, limit_per_source, opened: Instant::now(), taken: Mutex::default() }))
    }

    /// Whether somebody from there may have a seat, before a handshake is begun for it.
    ///
    /// # Errors
    /// When there are as many from there as there may be.
    pub fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        self.check_in(&self.taken(), address.into())
    }

    /// Takes a seat; waits for whoever makes room for it. Nobody is asked to where `ask` says that this owner may have no session
    /// whatever room there is.
    ///
    /// # Errors
    /// When there is none, and nobody has more than this owner; or what `ask` says.
    pub async fn begin(
        &self,
        address: IpAddr,
        owner: Owner,
        ask: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Seat, Refusal> {
        let (seat, room) = self.take(address.into(), owner, ask, Instant::now())?;
        if let Some(room) = room {
            // Nothing is ever said: it ends when who had the seat has gone.
            let _ = room.await;
        }
        Ok(seat)
    }

    fn take(
        &self,
        source: Source,
        owner: Owner,
        ask: impl FnOnce() -> Result<(), Refusal>,
        now: Instant,
    ) -> Result<(Seat, Option<oneshot::Receiver<()>>), Refusal> {
        let mut taken = self.taken();
        self.check_in(&taken, source)?;
        let room = match taken.seats.len() >= self.0.limit {
            true => {
                ask()?;
                let room = taken.make_room(&owner, now).ok_or(Refusal::Full { limit: self.0.limit })?;
                taken.note(&owner, self.0.limit, now);
                Some(room)
            }
            false => None,
        };
        let sitter =
            Arc::new(Sitter { opened: self.0.opened, spoke: AtomicU64::new(0), out: CancellationToken::new() });
        sitter.speaks();
        taken.numbered += 1;
        let number = taken.numbered;
        taken.seats.insert(number, Sitting { source, owner, sitter: Arc::clone(&sitter) });
        *taken.by_source.entry(source).or_default() += 1;
        drop(taken);
        Ok((Seat { sessions: self.clone(), number, sitter }, room))
    }

    fn check_in(&self, taken: &Taken, source: Source) -> Result<(), Refusal> {
        let limit = self.0.limit_per_source;
        match taken.by_source.get(&source) {
            Some(count) if *count >= limit => Err(Refusal::FullForAddress { limit }),
            _ => Ok(()),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Has whoever has most seats, and more than this owner will have, give one up.
    fn make_room(&mut self, newcomer: &Owner, now: Instant) -> Option<oneshot::Receiver<()>> {
        self.made.retain(|_, (_, since)| now.saturating_duration_since(*since) < LATELY);
        let number = self.whose_turn(newcomer)?;
        let sitter = self.seats.get(&number)?.sitter.clone();
        let (waits, room) = oneshot::channel();
        self.leave(number);
        self.leaving.insert(number, waits);
        sitter.out.cancel();
        Some(room)
    }

    /// The seat that is given up for this owner: of the agency that has most, when his has fewer, or else of his own.
    fn whose_turn(&self, newcomer: &Owner) -> Option<u64> {
        let (owners, groups) = self.count();
        let (own, own_group) = self.has(newcomer, &owners, &groups);
        let of = |sitting: &Sitting| {
            let has = |count: Option<&usize>| count.copied().unwrap_or_default();
            (has(groups.get(&sitting.owner.group())), has(owners.get(&sitting.owner)))
        };
        let gives_way = |sitting: &Sitting| {
            let (of_group, of_owner) = of(sitting);
            let is_his = sitting.owner.group() == newcomer.group();
            (!newcomer.is_stranger() || sitting.owner.is_stranger())
                && (of_group > own_group + 1 || is_his && of_owner > own + 1)
        };
        let candidates = self.seats.iter().filter(|(_, sitting)| gives_way(sitting));
        let silent = |number: u64, sitting: &Sitting| Reverse((sitting.sitter.spoke.load(Ordering::Relaxed), number));
        let first = candidates.max_by_key(|(number, sitting)| (of(sitting), silent(**number, sitting)));
        first.map(|(number, _)| *number)
    }

    /// How many seats everybody has, and every agency.
    fn count(&self) -> (HashMap<&Owner, usize>, HashMap<Group<'_>, usize>) {
        let (mut owners, mut groups) = (HashMap::new(), HashMap::new());
        for Sitting { owner, .. } in self.seats.values() {
            *owners.entry(owner).or_default() += 1;
            *groups.entry(owner.group()).or_default() += 1;
        }
        (owners, groups)
    }

    /// How many this owner and his agency have, or have had made for them lately: those that they have still are among both.
    fn has(
        &self,
        owner: &Owner,
        owners: &HashMap<&Owner, usize>,
        groups: &HashMap<Group<'_>, usize>,
    ) -> (usize, usize) {
        let made = |is_counted: &dyn Fn(&Owner) -> bool| {
            let counted = self.made.iter().filter(|(owner, _)| is_counted(owner));
            counted.map(|(_, (times, _))| times).sum::<usize>()
        };
        let of_owner = owners.get(owner).copied().unwrap_or_default();
        let of_group = groups.get(&owner.group()).copied().unwrap_or_default();
        (of_owner.max(made(&|one| one == owner)), of_group.max(made(&|one| one.group() == owner.group())))
    }

    /// Remembers that somebody makes room for him.
    fn note(&mut self, newcomer: &Owner, most: usize, now: Instant) {
        if self.made.len() >= most && !self.made.contains_key(newcomer) {
            let oldest = self.made.iter().min_by_key(|(_, (_, since))| *since).map(|(owner, _)| owner.clone());
            if let Some(oldest) = oldest {
                self.made.remove(&oldest);
            }
        }
        self.made.entry(newcomer.clone()).or_insert((0, now)).0 += 1;
    }

    fn leave(&mut self, number: u64) {
        let Some(Sitting { source, .. }) = self.seats.remove(&number) else { return };
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

impl Seat {
    /// Whose it is from now on: who took it has shown who he is.
    pub fn belongs_to(&self, owner: &Owner) {
        if let Some(sitting) = self.sessions.taken().seats.get_mut(&self.number) {
            sitting.owner.clone_from(owner);
        }
    }

    /// For the session that has it.
    pub fn sitter(&self) -> Arc<Sitter> {
        Arc::clone(&self.sitter)
    }
}

impl Sitter {
    /// It has said something, beside that it is there.
    pub fn speaks(&self) {
        let since = self.opened.elapsed().as_millis();
        self.spoke.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Ends when its seat is needed for somebody else.
    pub fn makes_room(&self) -> WaitForCancellationFuture<'_> {
        self.out.cancelled()
    }

    pub(crate) const fn out(&self) -> &CancellationToken {
        &self.out
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.sessions.taken();
        taken.leave(self.number);
        // Who waits for it hears so.
        taken.leaving.remove(&self.number);
    }
}

#[cfg(test)]
mod tests;
