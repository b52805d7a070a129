use std::{
    net::{IpAddr, Ipv4Addr},
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::*;

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

fn owner(name: u8) -> Owner {
    of_agency("agency", name)
}

fn of_agency(agency: &str, name: u8) -> Owner {
    Owner::Key { agency: agency.into(), name: ClientName::KeyHash([name; 32]) }
}

/// Whoever asks may have a session.
fn may() -> Result<(), Refusal> {
    Ok(())
}

/// What comes at once; `None` when somebody is waited for.
fn poll<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn begin(sessions: &Sessions, last: u8, name: u8) -> Result<Seat, Refusal> {
    poll(sessions.begin(address(last), owner(name), may)).expect("nobody is waited for")
}

/// Whether it was told to end.
fn is_out(seat: &Seat) -> bool {
    seat.sitter.out.is_cancelled()
}

#[test]
fn sessions_are_counted_in_all_and_by_address_and_seats_come_back() {
    let sessions = Sessions::new(3, 2);
    let first = begin(&sessions, 1, 1).unwrap();
    let _second = begin(&sessions, 1, 2).unwrap();
    assert!(matches!(begin(&sessions, 1, 3), Err(Refusal::FullForAddress { limit: 2 })));
    assert!(matches!(sessions.check(address(1)), Err(Refusal::FullForAddress { limit: 2 })));
    let _third = begin(&sessions, 2, 3).unwrap();
    assert!(matches!(begin(&sessions, 3, 4), Err(Refusal::Full { limit: 3 })), "all have one");
    drop(first);
    sessions.check(address(1)).unwrap();
    begin(&sessions, 1, 1).unwrap();
}

#[test]
fn a_host_is_one_source_however_many_addresses_of_its_network_it_has() {
    let sessions = Sessions::new(8, 2);
    let from = |text: &str| poll(sessions.begin(text.parse().unwrap(), owner(1), may)).unwrap();
    let _seats = ["2001:db8:1:2::1", "2001:db8:1:2::2"].map(|text| from(text).unwrap());
    assert!(matches!(from("2001:db8:1:2:ffff::9"), Err(Refusal::FullForAddress { limit: 2 })));
    assert!(from("2001:db8:1:3::1").is_ok());
}

#[test]
fn whoever_has_most_makes_room_and_the_newcomer_waits_for_it() {
    let sessions = Sessions::new(4, 4);
    let mut greedy: Vec<_> = (1..=3).map(|last| begin(&sessions, last, 1).unwrap()).collect();
    let modest = begin(&sessions, 4, 2).unwrap();
    for (seat, spoke) in greedy.iter().zip([7, 3, 9]) {
        seat.sitter.spoke.store(spoke, Ordering::Relaxed);
    }
    let mut newcomer = pin!(sessions.begin(address(5), owner(3), may));
    assert!(poll(newcomer.as_mut()).is_none(), "its seat is not free yet");
    assert_eq!(greedy.iter().map(is_out).collect::<Vec<_>>(), [false, true, false]);
    assert!(!is_out(&modest));
    drop(greedy.remove(1));
    let newcomer = poll(newcomer).expect("there is room").unwrap();
    assert!(!is_out(&newcomer));
    assert!(
        matches!(begin(&sessions, 6, 2), Err(Refusal::Full { limit: 4 })),
        "it would have as many as the greedy one"
    );
    assert_eq!(sessions.taken().seats.len(), 4);
}

#[test]
fn one_who_gives_up_waiting_leaves_nothing_behind() {
    let sessions = Sessions::new(2, 2);
    let greedy: Vec<_> = (1..=2).map(|last| begin(&sessions, last, 1).unwrap()).collect();
    {
        let mut newcomer = pin!(sessions.begin(address(3), owner(2), may));
        assert!(poll(newcomer.as_mut()).is_none());
    }
    drop(greedy);
    let taken = sessions.taken();
    assert!(taken.seats.is_empty() && taken.by_source.is_empty() && taken.leaving.is_empty());
}

#[test]
fn nobody_who_has_shown_who_he_is_makes_room_for_one_who_has_not() {
    let sessions = Sessions::new(4, 4);
    let guest = |last: u8| poll(sessions.begin(address(last), Owner::of(None, address(last)), may));
    let known: Vec<_> = [begin(&sessions, 1, 1).unwrap(), begin(&sessions, 2, 1).unwrap()].into();
    let guests: Vec<_> = (0..2).map(|_| guest(3).expect("nobody is waited for").unwrap()).collect();
    assert!(guest(4).is_none(), "a guest makes room for another one");
    assert!(guests.iter().any(is_out) && !known.iter().any(is_out));
    drop(guests);
    let shown: Vec<_> = [5, 6].map(|last| guest(last).expect("there is room").unwrap()).into();
    shown.iter().for_each(|seat| seat.belongs_to(&owner(2)));
    assert!(matches!(guest(7), Some(Err(Refusal::Full { limit: 4 }))), "whatever those have who are known");
    assert!(poll(sessions.begin(address(8), owner(3), may)).is_none(), "somebody who is known gets a place of theirs");
    drop((known, shown));
    assert!(sessions.taken().seats.is_empty());
}

#[test]
fn the_sessions_of_a_token_are_of_one_owner_wherever_they_come_from() {
    let sessions = Sessions::new(3, 3);
    let guest = |last: u8| poll(sessions.begin(address(last), Owner::of(None, address(last)), may)).unwrap().unwrap();
    let seats = [1, 2].map(guest);
    seats.iter().for_each(|seat| seat.belongs_to(&owner(1)));
    let modest = begin(&sessions, 3, 2).unwrap();
    assert!(poll(sessions.begin(address(4), owner(3), may)).is_none());
    assert!(seats.iter().any(is_out) && !is_out(&modest));
}

#[test]
fn nobody_makes_room_for_one_who_may_have_no_session() {
    let sessions = Sessions::new(2, 2);
    let may_not = || Err(Refusal::GaveWay);
    let mut greedy = vec![poll(sessions.begin(address(1), owner(1), may_not)).unwrap().expect("there is room")];
    greedy.push(begin(&sessions, 2, 1).unwrap());
    assert!(matches!(poll(sessions.begin(address(3), owner(2), may_not)), Some(Err(Refusal::GaveWay))));
    assert!(!greedy.iter().any(is_out) && sessions.taken().made.is_empty());
}

#[test]
fn whoever_comes_and_goes_ends_no_more_sessions_than_he_could_have_had() {
    let (sessions, start) = (Sessions::new(8, 100), Instant::now());
    let mut others: Vec<_> = (0..8).map(|last| begin(&sessions, last, 1).unwrap()).collect();
    let mut come_and_go = |now| {
        let taken = sessions.take(address(9).into(), owner(2), may, now).is_ok();
        others.retain(|seat| !is_out(seat));
        (others.len()..8).for_each(|_| others.push(begin(&sessions, 1, 1).unwrap()));
        taken
    };
    let ended = (0..100).filter(|_| come_and_go(start)).count();
    assert_eq!(ended, 7, "he could have had as many, and one more would be most of all");
    assert!(!come_and_go(start + LATELY - Duration::from_millis(1)));
    assert!(come_and_go(start + LATELY));
}

#[test]
fn for_whom_room_was_made_is_remembered_within_bounds() {
    let (mut taken, start) = (Taken::default(), Instant::now());
    (0..100).for_each(|n| taken.note(&owner(n), 4, start + Duration::from_millis(n.into())));
    assert_eq!(taken.made.len(), 4);
    assert!((96..100).all(|n| taken.made.contains_key(&owner(n))), "the oldest is forgotten");
}

#[test]
fn an_agency_gains_no_seats_by_making_certificates() {
    let sessions = Sessions::new(8, 8);
    let take = |agency, name| poll(sessions.begin(address(name), of_agency(agency, name), may));
    let mut many: Vec<_> = (1..=6).map(|name| take("many", name).expect("there is room").unwrap()).collect();
    let few: Vec<_> = (0..2).map(|_| take("few", 7).expect("there is room").unwrap()).collect();
    assert!(matches!(take("many", 8), Some(Err(Refusal::Full { limit: 8 }))), "whatever one of the others has");
    assert!(take("few", 9).is_none(), "the agency with most makes room");
    assert!(!few.iter().any(is_out) && many.iter().filter(|seat| is_out(seat)).count() == 1);
    many.retain(|seat| !is_out(seat));
    let more = [10, 11].map(|name| take("few", name));
    assert!(matches!(&more[0], Some(Ok(_))), "of the one that waited no more");
    assert!(more[1].is_none() && many.iter().any(is_out));
}

#[test]
fn within_an_agency_the_client_with_most_makes_room() {
    let sessions = Sessions::new(6, 6);
    let take = |agency, name| poll(sessions.begin(address(name), of_agency(agency, name), may));
    let own: Vec<_> = (0..3).map(|_| take("one", 1).unwrap().unwrap()).collect();
    let others: Vec<_> = (0..3).map(|_| take("other", 2).unwrap().unwrap()).collect();
    assert!(take("one", 3).is_none());
    assert!(own.iter().any(is_out) && !others.iter().any(is_out), "the agencies have as many as each other");
}

#[test]
fn certificates_that_come_and_go_count_for_their_agency() {
    let (sessions, start) = (Sessions::new(8, 100), Instant::now());
    let mut others: Vec<_> = (0..8).map(|last| begin(&sessions, last, 1).unwrap()).collect();
    let ended = (10..60).filter(|name| {
        let taken = sessions.take(address(9).into(), of_agency("mint", *name), may, start).is_ok();
        others.retain(|seat| !is_out(seat));
        (others.len()..8).for_each(|_| others.push(begin(&sessions, 1, 1).unwrap()));
        taken
    });
    assert_eq!(ended.count(), 7);
}
