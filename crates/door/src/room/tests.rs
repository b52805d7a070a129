use std::net::{IpAddr, Ipv4Addr};

use super::*;

const PATIENCE: Duration = Duration::from_secs(1);

/// A room whose tickets are the numbers; every entry is a millisecond after the one before.
struct Rig {
    room: Room<u64>,
    now: Instant,
    next: u64,
}

impl Rig {
    fn new(places: usize, per_network: usize, per_source: usize) -> Self {
        let size = Size { places, per_network, per_source, patience: PATIENCE };
        Self { room: Room::new(size), now: Instant::now(), next: 0 }
    }

    fn enter(&mut self, source: Source) -> Result<Option<u64>, Refusal> {
        self.now += Duration::from_millis(1);
        let id = self.next;
        self.next += 1;
        self.room.enter(source, id, id, self.now)
    }

    fn fill(&mut self, source: Source, places: usize) {
        for _ in 0..places {
            assert_eq!(self.enter(source), Ok(None));
        }
    }
}

fn source(network: u8, host: u8) -> Source {
    IpAddr::from(Ipv4Addr::new(10, 0, network, host)).into()
}

#[test]
fn in_a_full_room_the_oldest_of_the_most_crowded_source_makes_room_however_young() {
    let mut rig = Rig::new(6, 6, 6);
    rig.fill(source(1, 1), 2);
    rig.fill(source(1, 2), 3);
    rig.fill(source(1, 3), 1);
    assert_eq!(rig.enter(source(1, 4)), Ok(Some(2)), "the oldest of the second source");
    assert_eq!(rig.enter(source(1, 4)), Ok(Some(0)), "of equally crowded ones the oldest");
}

#[test]
fn of_equally_crowded_sources_the_one_with_the_oldest_handshake_makes_room() {
    let mut rig = Rig::new(4, 4, 4);
    [1, 2, 2, 1].into_iter().for_each(|host| rig.fill(source(1, host), 1));
    assert_eq!(rig.enter(source(1, 3)), Ok(Some(0)));
}

#[test]
fn many_sources_of_one_network_do_not_crowd_out_another_network() {
    let mut rig = Rig::new(8, 8, 8);
    rig.fill(source(2, 1), 2);
    (1..=6).for_each(|host| rig.fill(source(1, host), 1));
    assert_eq!(rig.enter(source(3, 1)), Ok(Some(2)), "the most crowded source is alone in its network");
    assert_eq!(rig.enter(source(1, 7)), Ok(Some(3)), "a newcomer counts for its own network");
}

#[test]
fn the_honest_keep_their_place_however_many_newcomers_come() {
    let mut rig = Rig::new(64, 56, 8);
    let honest = rig.next;
    rig.fill(source(1, 200), 1);
    for number in 0..2000_u32 {
        let out = rig.enter(source(1, 1 + (number % 50) as u8)).unwrap();
        assert_ne!(out, Some(honest), "after {number}");
    }
    assert_eq!(rig.room.leave(source(1, 200), honest), Some(honest));
    assert_eq!(rig.room.taken, 55, "at most so many of one network, and the honest one has left");
}

#[test]
fn a_source_over_its_quota_gives_up_its_own_oldest_but_not_before_it_is_stale() {
    let mut rig = Rig::new(9, 9, 2);
    rig.fill(source(1, 1), 2);
    rig.fill(source(1, 2), 1);
    assert_eq!(rig.enter(source(1, 1)), Err(Refusal::Full));
    rig.now += PATIENCE;
    assert_eq!(rig.enter(source(1, 1)), Ok(Some(0)));
}

#[test]
fn who_is_the_crowd_itself_is_refused_while_its_oldest_is_young() {
    let mut rig = Rig::new(4, 4, 4);
    rig.fill(source(1, 1), 3);
    rig.fill(source(1, 2), 1);
    assert_eq!(rig.enter(source(1, 1)), Err(Refusal::Full));
    assert_eq!(rig.enter(source(1, 2)), Ok(Some(0)), "two against three");
}

#[test]
fn a_place_is_free_once_however_often_it_is_given_back() {
    let mut rig = Rig::new(1, 1, 1);
    rig.fill(source(1, 1), 1);
    assert_eq!(rig.enter(source(1, 2)), Ok(Some(0)));
    assert_eq!(rig.room.leave(source(1, 1), 0), None, "lost already");
    assert_eq!(rig.room.leave(source(1, 2), 1), Some(1));
    assert!(rig.room.networks.is_empty(), "{:?}", rig.room);
    rig.fill(source(1, 3), 1);
}
