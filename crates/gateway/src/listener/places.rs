use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::{config::Limits, tls::Refusal};

/// Who is inside, and who is at the door.
///
/// Bounds: [`Limits::connections`] and [`Limits::connections_per_address`] in all, [`Limits::handshakes`] and
/// [`Limits::handshakes_per_address`] at the door. When the door is full the one who has stood there longest gives way, if it
/// has stood there for long enough that an honest client would be through; else the newcomer is refused.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Shared>);

/// One connection's place, at the door first; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    address: IpAddr,
    id: u64,
    gives_way: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    connections: usize,
    connections_per_address: usize,
    handshakes: usize,
    handshakes_per_address: usize,
    stale: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connections: usize,
    by_address: HashMap<IpAddr, usize>,
    next: u64,
    /// Oldest first.
    handshakes: VecDeque<Handshake>,
}

#[derive(Debug)]
struct Handshake {
    id: u64,
    address: IpAddr,
    since: Instant,
    gives_way: CancellationToken,
}

impl Places {
    pub(super) fn new(limits: &Limits, stale: Duration) -> Self {
        Self(Arc::new(Shared {
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
            handshakes: limits.handshakes,
            handshakes_per_address: limits.handshakes_per_address,
            stale,
            state: Mutex::default(),
        }))
    }

    pub(super) fn take(&self, address: IpAddr) -> Result<Place, Refusal> {
        self.take_at(address, Instant::now())
    }

    fn take_at(&self, address: IpAddr, now: Instant) -> Result<Place, Refusal> {
        let mut state = self.lock();
        if state.by_address.get(&address).is_some_and(|count| *count >= self.0.connections_per_address) {
            return Err(Refusal::FullForAddress { limit: self.0.connections_per_address });
        }
        if state.connections >= self.0.connections {
            return Err(Refusal::Full { limit: self.0.connections });
        }
        let of_address = state.handshakes.iter().filter(|handshake| handshake.address == address).count();
        if of_address >= self.0.handshakes_per_address {
            state.make_room(now, self.0.stale, |handshake| handshake.address == address)?;
        } else if state.handshakes.len() >= self.0.handshakes {
            state.make_room(now, self.0.stale, |_| true)?;
        }
        let id = state.next;
        state.next += 1;
        state.connections += 1;
        *state.by_address.entry(address).or_default() += 1;
        let gives_way = CancellationToken::new();
        state.handshakes.push_back(Handshake { id, address, since: now, gives_way: gives_way.clone() });
        Ok(Place { places: self.clone(), address, id, gives_way })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Ends when the place is needed for another.
    pub(super) async fn gives_way(&self) {
        self.gives_way.cancelled().await;
    }

    /// The handshake is over: the place at the door is another's.
    pub(super) fn leave_door(&self) {
        self.places.lock().leave_door(self.id);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.lock();
        state.leave_door(self.id);
        state.connections -= 1;
        if let Some(count) = state.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                state.by_address.remove(&self.address);
            }
        }
    }
}

impl State {
    fn make_room(
        &mut self,
        now: Instant,
        stale: Duration,
        concerns: impl Fn(&Handshake) -> bool,
    ) -> Result<(), Refusal> {
        let oldest = self.handshakes.iter().position(concerns);
        match oldest.filter(|index| now.duration_since(self.handshakes[*index].since) >= stale) {
            Some(index) => {
                self.handshakes.remove(index).into_iter().for_each(|oldest| oldest.gives_way.cancel());
                Ok(())
            }
            None => Err(Refusal::FullOfHandshakes),
        }
    }

    fn leave_door(&mut self, id: u64) {
        self.handshakes.retain(|handshake| handshake.id != id);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const STALE: Duration = Duration::from_secs(3);

    fn places(limits: Limits) -> Places {
        Places::new(&limits, STALE)
    }

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    #[test]
    fn connections_are_counted_in_all_and_by_address_and_places_come_back() {
        let places = places(Limits { connections: 3, connections_per_address: 2, ..Limits::default() });
        let first = places.take(address(1)).unwrap();
        first.leave_door();
        let _second = places.take(address(1)).unwrap();
        assert!(matches!(places.take(address(1)), Err(Refusal::FullForAddress { limit: 2 })));
        let _third = places.take(address(2)).unwrap();
        assert!(matches!(places.take(address(3)), Err(Refusal::Full { limit: 3 })));
        drop(first);
        places.take(address(1)).unwrap();
    }

    #[test]
    fn a_full_door_refuses_newcomers_until_the_oldest_is_stale_which_then_gives_way() {
        let start = Instant::now();
        let places = places(Limits { handshakes: 9, handshakes_per_address: 2, ..Limits::default() });
        let oldest = places.take_at(address(1), start).unwrap();
        let second = places.take_at(address(1), start + Duration::from_secs(1)).unwrap();
        assert!(matches!(places.take_at(address(1), start + Duration::from_secs(2)), Err(Refusal::FullOfHandshakes)));
        let _other = places.take_at(address(2), start).expect("another address does not suffer");
        let _newcomer = places.take_at(address(1), start + STALE).unwrap();
        assert!(oldest.gives_way.is_cancelled() && !second.gives_way.is_cancelled());
        assert!(matches!(places.take_at(address(1), start + STALE), Err(Refusal::FullOfHandshakes)));
    }

    #[test]
    fn whoever_is_through_the_handshake_leaves_the_door() {
        let places = places(Limits { handshakes: 1, ..Limits::default() });
        let first = places.take(address(1)).unwrap();
        assert!(places.take(address(2)).is_err());
        first.leave_door();
        places.take(address(2)).unwrap();
    }
}
