use std::time::Instant;

use crate::{
    Limits,
    familiar::Familiar,
    rates::Rates,
    room::{Room, Size},
    source::Source,
};

/// Why a connection does not get a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Its source has come too often lately.
    #[error("its address has connected too often lately")]
    TooOften,
    /// All strangers together have come too often lately.
    #[error("too many strangers connect at once")]
    Crowd,
    /// Its source is the most crowded one at the door, and its oldest handshake is young.
    #[error("too many handshakes from its address are under way")]
    Full,
}

/// The rules of a door, without clock and locks. `T` is what somebody at the door is reached by.
#[derive(Debug)]
pub(crate) struct Machine<T> {
    rates: Rates,
    familiar: Familiar,
    strangers: Room<T>,
    kept: Room<T>,
    next: u64,
}

/// The place of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) source: Source,
    id: u64,
    is_stranger: bool,
}

impl<T> Machine<T> {
    pub(crate) fn new(limits: &Limits) -> Self {
        let Limits { places, places_per_network, places_per_source, kept_places, patience, .. } = *limits;
        let per_network = places_per_network;
        let strangers = Size { places, per_network, per_source: places_per_source, patience };
        // All of an organisation's nodes may be named: its network has no quota here.
        let kept = Size {
            places: kept_places,
            per_network: kept_places,
            per_source: places_per_source.min(kept_places),
            patience,
        };
        Self {
            rates: Rates::new(limits),
            familiar: Familiar::default(),
            strangers: Room::new(strangers),
            kept: Room::new(kept),
            next: 0,
        }
    }

    /// A connection's place, and the ticket of whoever made room for it.
    pub(crate) fn handle_knock(
        &mut self,
        source: Source,
        ticket: T,
        now: Instant,
    ) -> Result<(Spot, Option<T>), Refusal> {
        let is_stranger = !self.familiar.contains(source);
        self.rates.take(source, is_stranger, now)?;
        let id = self.next;
        self.next += 1;
        let spot = Spot { source, id, is_stranger };
        let out = self.room(spot).enter(source, id, ticket, now)?;
        Ok((spot, out))
    }

    /// The connection is no longer at the door.
    pub(crate) fn handle_left(&mut self, spot: Spot) -> Option<T> {
        self.room(spot).leave(spot.source, spot.id)
    }

    /// Somebody from there was admitted.
    pub(crate) fn handle_admitted(&mut self, source: Source) {
        self.familiar.admit(source);
    }

    /// The operator expects somebody from there.
    pub(crate) fn handle_named(&mut self, source: Source) {
        self.familiar.name(source);
    }

    fn room(&mut self, spot: Spot) -> &mut Room<T> {
        if spot.is_stranger { &mut self.strangers } else { &mut self.kept }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        time::Duration,
    };

    use super::*;

    fn source(network: u8, host: u8) -> Source {
        IpAddr::from(Ipv4Addr::new(127, 0, network, host)).into()
    }

    /// 50 addresses open 2,000 silent connections, and a new one for each that is cut, for ten seconds of virtual time.
    #[test]
    fn an_honest_newcomer_comes_in_and_stays_while_50_addresses_hold_all_they_can() {
        let start = Instant::now();
        let mut machine = Machine::new(&Limits::new(256, 16, 128));
        let honest = source(1, 200);
        for round in 0..100_u64 {
            let now = start + Duration::from_millis(100 * round);
            for knock in 0..if round == 0 { 2000_u32 } else { 150 } {
                let _ = machine.handle_knock(source(1, 1 + (knock % 50) as u8), false, now);
            }
            let (spot, _) = machine.handle_knock(honest, true, now).unwrap_or_else(|error| panic!("{round}: {error}"));
            for knock in 0..100_u32 {
                let later = now + Duration::from_millis(50);
                let out =
                    machine.handle_knock(source(1, 1 + (knock % 50) as u8), false, later).ok().and_then(|(_, out)| out);
                assert_ne!(out, Some(true), "the honest one made room in round {round}");
            }
            assert_eq!(machine.handle_left(spot), Some(true));
        }
    }

    #[test]
    fn the_named_and_the_admitted_have_places_that_no_stranger_takes() {
        let (start, mut machine) = (Instant::now(), Machine::new(&Limits::new(8, 1000, 1000)));
        machine.handle_named(source(9, 1));
        machine.handle_admitted(source(9, 2));
        let [named, _] = [1, 2].map(|host| machine.handle_knock(source(9, host), 0, start).unwrap().0);
        for knock in 0..=u8::MAX {
            if let Ok((_, Some(out))) = machine.handle_knock(source(knock, 1), 1, start) {
                assert_eq!(out, 1);
            }
        }
        assert_eq!(machine.handle_left(named), Some(0));
    }
}
