use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures::channel::oneshot;

use crate::{
    Limits,
    machine::{Machine, Refusal, Spot},
    source::Source,
};

/// A door; clones are the same door.
#[derive(Debug, Clone)]
pub struct Door(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    machine: Machine<Ticket>,
    /// Places not dropped yet, also by those who have lost theirs and have not noticed.
    alive: usize,
    most_alive: usize,
}

/// A connection's place at the door; free again when dropped.
#[derive(Debug)]
pub struct Place {
    door: Door,
    spot: Spot,
    given_away: oneshot::Receiver<()>,
}

/// Dropped when its place is given to another.
type Ticket = oneshot::Sender<()>;

impl Door {
    /// A door with nobody at it.
    pub fn new(limits: &Limits) -> Self {
        Self(Arc::new(Mutex::new(State { machine: Machine::new(limits), alive: 0, most_alive: limits.most_alive() })))
    }

    /// A place for a connection from there. Nothing is read or written before it is taken.
    ///
    /// # Errors
    /// When the connection is to be closed at once.
    pub fn knock(&self, address: IpAddr) -> Result<Place, Refusal> {
        let (ticket, given_away) = oneshot::channel();
        let mut state = self.state();
        // Whoever made room is gone when its task has run: on a busy machine that takes a while.
        let knocked = match state.alive < state.most_alive {
            true => state.machine.handle_knock(address.into(), ticket, Instant::now()),
            false => Err(Refusal::Crowd),
        };
        let (spot, out) = knocked?;
        state.alive += 1;
        drop(state);
        // Woken without the lock.
        drop(out);
        Ok(Place { door: self.clone(), spot, given_away })
    }

    /// Keeps places for connections from there, for good: the operator has named the address.
    pub fn expect(&self, address: IpAddr) {
        self.state().machine.handle_named(address.into());
    }

    /// Keeps places for connections from there, as long as it is among the 1,024 sources admitted last.
    pub fn admitted(&self, address: IpAddr) {
        self.admitted_source(address.into());
    }

    fn admitted_source(&self, source: Source) {
        self.state().machine.handle_admitted(source);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Ends when the place is given to another.
    pub async fn given_away(&mut self) {
        // Nothing is ever sent: that the sender is gone is the message.
        let _ = (&mut self.given_away).await;
    }

    /// The handshake has ended well: the place is another's, and the source is remembered.
    pub fn admitted(self) {
        self.door.admitted_source(self.spot.source);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.door.state();
        state.alive -= 1;
        state.machine.handle_left(self.spot);
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, executor::block_on};

    use super::*;

    #[test]
    fn whoever_makes_room_is_told_and_a_dropped_place_is_free() {
        let door = Door::new(&Limits::new(1, 1000, 1000));
        let [first, second] = ["192.0.2.1", "198.51.100.1"].map(|text| text.parse::<IpAddr>().unwrap());
        let mut oldest = door.knock(first).unwrap();
        assert!(oldest.given_away().now_or_never().is_none());
        let newcomer = door.knock(second).unwrap();
        block_on(oldest.given_away());
        assert_eq!(door.knock(second).unwrap_err(), Refusal::Full);
        drop((oldest, newcomer));
        door.knock(second).unwrap();
    }

    #[test]
    fn those_who_have_lost_their_place_and_are_not_gone_yet_are_bounded_too() {
        let door = Door::new(&Limits::new(1, 1000, 1000));
        let knock = |network: u8| door.knock(IpAddr::from([10, network, 0, 1]));
        let mut alive: Vec<_> = (0..4).map(|network| knock(network).unwrap()).collect();
        assert_eq!(knock(4).unwrap_err(), Refusal::Crowd, "twice one place and one kept");
        alive.remove(0);
        knock(4).unwrap();
    }

    #[test]
    fn who_was_admitted_is_no_stranger_the_next_time() {
        let door = Door::new(&Limits::new(1, 1000, 1000));
        let [known, other] = ["192.0.2.1", "198.51.100.1"].map(|text| text.parse::<IpAddr>().unwrap());
        door.knock(known).unwrap().admitted();
        let mut kept = door.knock(known).unwrap();
        let _stranger = door.knock(other).unwrap();
        assert!(kept.given_away().now_or_never().is_none(), "a stranger took a kept place");
    }
}
