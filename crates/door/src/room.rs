use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    machine::Refusal,
    source::{Network, Source},
};

/// Places, shared fairly: when they are short, the most crowded source of the most crowded network makes room.
#[derive(Debug)]
pub(crate) struct Room<T> {
    size: Size,
    taken: usize,
    networks: HashMap<Network, Neighbours<T>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) places: usize,
    pub(crate) per_network: usize,
    pub(crate) per_source: usize,
    pub(crate) patience: Duration,
}

/// Each source's own, oldest first; none is empty.
type Neighbours<T> = HashMap<Source, VecDeque<Standing<T>>>;

#[derive(Debug)]
struct Standing<T> {
    id: u64,
    since: Instant,
    ticket: T,
}

impl<T> Room<T> {
    pub(crate) fn new(size: Size) -> Self {
        Self { size, taken: 0, networks: HashMap::new() }
    }

    /// Takes a place. Returns the ticket of whoever made room for it. Numbers grow with time.
    pub(crate) fn enter(&mut self, source: Source, id: u64, ticket: T, now: Instant) -> Result<Option<T>, Refusal> {
        let out = match self.who_makes_room(source, now)? {
            Some((source, id)) => self.leave(source, id),
            None => None,
        };
        let own = self.networks.entry(source.network()).or_default().entry(source).or_default();
        own.push_back(Standing { id, since: now, ticket });
        self.taken += 1;
        Ok(out)
    }

    /// Gives a place back; nothing happens to one that was lost already.
    pub(crate) fn leave(&mut self, source: Source, id: u64) -> Option<T> {
        let network = source.network();
        let neighbours = self.networks.get_mut(&network)?;
        let own = neighbours.get_mut(&source)?;
        let index = own.iter().position(|standing| standing.id == id)?;
        let standing = own.remove(index)?;
        if own.is_empty() {
            neighbours.remove(&source);
        }
        if neighbours.is_empty() {
            self.networks.remove(&network);
        }
        self.taken -= 1;
        Some(standing.ticket)
    }

    fn who_makes_room(&self, newcomer: Source, now: Instant) -> Result<Option<(Source, u64)>, Refusal> {
        let network = newcomer.network();
        let neighbours = self.networks.get(&network);
        let of_source = neighbours.and_then(|sources| sources.get(&newcomer)).map_or(0, VecDeque::len);
        let oldest = if of_source >= self.size.per_source {
            neighbours.and_then(|sources| oldest_of(sources, newcomer))
        } else if neighbours.map_or(0, count) >= self.size.per_network {
            neighbours.and_then(|sources| most_crowded(sources, newcomer))
        } else if self.taken >= self.size.places {
            self.most_crowded_network(network).and_then(|sources| most_crowded(sources, newcomer))
        } else {
            return Ok(None);
        };
        match oldest {
            Some((source, standing)) if source != newcomer || now - standing.since >= self.size.patience => {
                Ok(Some((source, standing.id)))
            }
            _ => Err(Refusal::Full),
        }
    }

    fn most_crowded_network(&self, newcomers: Network) -> Option<&Neighbours<T>> {
        let crowd = |(network, sources): &(&Network, &Neighbours<T>)| {
            let oldest = sources.values().filter_map(|own| own.front()).map(|standing| standing.id).min();
            Crowd::new(count(sources), **network == newcomers, oldest)
        };
        self.networks.iter().max_by_key(crowd).map(|(_, sources)| sources)
    }
}

fn count<T>(sources: &Neighbours<T>) -> usize {
    sources.values().map(VecDeque::len).sum()
}

fn oldest_of<T>(sources: &Neighbours<T>, source: Source) -> Option<(Source, &Standing<T>)> {
    sources.get(&source)?.front().map(|standing| (source, standing))
}

fn most_crowded<T>(sources: &Neighbours<T>, newcomer: Source) -> Option<(Source, &Standing<T>)> {
    let crowd = |(source, own): &(&Source, &VecDeque<Standing<T>>)| {
        Crowd::new(own.len(), **source == newcomer, own.front().map(|standing| standing.id))
    };
    let (source, _) = sources.iter().max_by_key(crowd)?;
    oldest_of(sources, *source)
}

/// The order in which crowds make room: the largest with the newcomer counted, of equal ones rather another's than the
/// newcomer's own, then the one that has stood there longest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Crowd(usize, bool, Reverse<Option<u64>>);

impl Crowd {
    fn new(count: usize, is_own: bool, oldest: Option<u64>) -> Self {
        Self(count + usize::from(is_own), !is_own, Reverse(oldest))
    }
}

#[cfg(test)]
mod tests;
