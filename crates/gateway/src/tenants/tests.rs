use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use nuncio_protocol::amop::ClientId;
use nuncio_rights::{Limit, Party, Per, Quota, Rights, Rules, Who};

use super::*;

const LIMITS: Limits = Limits { intake_bytes: 100, intake_bytes_per_certificate: 60, ..Limits::DEFAULT };

fn tenants<const N: usize>(names: [&str; N]) -> [Arc<Tenant>; N] {
    let (tenants, counters) = (Tenants::default(), Arc::new(Counters::default()));
    names.map(|name| tenants.join(named(name), &Party::sdk("agency", "sdk"), &LIMITS, &counters))
}

fn named(name: &str) -> ClientName {
    ClientName::Fingerprint(name.to_owned())
}

fn poll<T>(future: impl Future<Output = T> + Unpin) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn lease(tenant: &Arc<Tenant>, bytes: usize) -> std::pin::Pin<Box<impl Future<Output = Lease>>> {
    Box::pin(Arc::clone(tenant).lease(bytes))
}

#[test]
fn sessions_of_one_certificate_share_its_room_and_leave_others_theirs() {
    let [first, again, other] = tenants(["a", "a", "b"]);
    let held = poll(lease(&first, 40)).expect("there is room");
    let mut waits = lease(&again, 30);
    assert!(poll(&mut waits).is_none(), "its certificate has only 20 left");
    assert!(first.is_contended() && !other.is_contended());
    let _others = poll(lease(&other, 60)).expect("another certificate has its own");
    drop(held);
    let _again = poll(&mut waits).expect("what was given back is taken");
    assert!(!first.is_contended());
}

#[test]
fn a_certificate_keeps_its_number_when_its_session_ends_and_another_begins() {
    let (tenants, counters) = (Tenants::default(), Arc::new(Counters::default()));
    let number = |name, party| tenants.join(named(name), &party, &LIMITS, &counters).id;
    let first = number("a", Party::sdk("agency", "sdk"));
    let others = [("b", Party::sdk("agency", "sdk")), ("a", Party::sdk("agency", "other"))];
    assert!(others.into_iter().all(|(name, party)| number(name, party) != first));
    assert_eq!(number("a", Party::sdk("agency", "sdk")), first, "none of its sessions was there any more");
}

#[test]
fn whoever_asked_first_is_served_first_and_small_frames_do_not_overtake() {
    let [tenant] = tenants(["a"]);
    let held = poll(lease(&tenant, 50)).unwrap();
    let (mut large, mut small) = (lease(&tenant, 60), lease(&tenant, 5));
    assert!(poll(&mut large).is_none());
    assert!(poll(&mut small).is_none(), "five are free, but the large one was first");
    drop(held);
    assert!(poll(&mut small).is_none());
    let large = poll(&mut large).expect("all is free");
    drop(large);
    assert!(poll(&mut small).is_some());
}

#[test]
fn the_room_of_all_is_bounded_and_its_holders_know_that_others_wait() {
    let [a, b, c] = tenants(["a", "b", "c"]);
    let (_first, second) = (poll(lease(&a, 60)).unwrap(), poll(lease(&b, 40)).unwrap());
    let mut third = lease(&c, 30);
    assert!(poll(&mut third).is_none(), "100 are taken");
    assert!(a.is_contended() && b.is_contended());
    drop(second);
    assert!(poll(&mut third).is_some());
}

#[test]
fn a_frame_larger_than_the_room_takes_all_of_it_and_who_gives_up_leaves_nothing_behind() {
    let [a, b] = tenants(["a", "b"]);
    let whole = poll(lease(&a, 1000)).expect("nobody waits for ever");
    let mut waits = lease(&a, 1);
    assert!(poll(&mut waits).is_none());
    drop(waits);
    assert!(!a.is_contended());
    assert_eq!(a.counters.intake_bytes.read(), 1000);
    drop(whole);
    assert_eq!(a.counters.intake_bytes.read(), 0);
    assert!(poll(lease(&b, 60)).is_some() && poll(lease(&a, 60)).is_some());
}

fn limited(messages: u64) -> (Party, Rights) {
    let quota = Quota { messages: Some(messages), ..Quota::default() };
    let limit = |per| Limit { who: Who::default(), per, quota };
    let limits = vec![limit(Per::Credential), limit(Per::Agency)];
    let rights = Rights::new(Rules { limits, ..Rules::default() }).expect("possible rules");
    (Party::sdk("agency", "sdk"), rights)
}

#[test]
fn who_ends_his_session_and_comes_again_begins_where_he_was() {
    let (tenants, counters, (party, rights)) = (Tenants::default(), Arc::default(), limited(2));
    let session = |name| {
        let tenant = tenants.join(named(name), &Party::sdk("agency", "sdk"), &LIMITS, &counters);
        tenant.sit(&party, &rights).expect("there is no limit of sessions")
    };
    let now = Instant::now();
    assert!(session("a").tenant.admit(1, now) && session("a").tenant.admit(1, now));
    assert!(!session("a").tenant.admit(1, now), "a third session of it");
    assert!(!session("b").tenant.admit(1, now), "and one of its agency");
}

#[test]
fn certificates_of_one_key_have_each_the_quota_that_is_theirs() {
    let of = |name: &str| Who { agency: Some("agency".into()), name: Some(name.into()), ..Who::default() };
    let limit = |name, messages| {
        let quota = Quota { messages: Some(messages), ..Quota::default() };
        Limit { who: of(name), per: Per::Credential, quota }
    };
    let limits = vec![limit("slow", 1), limit("fast", 9)];
    let rights = Rights::new(Rules { limits, ..Rules::default() }).expect("possible rules");
    let (tenants, counters, now) = (Tenants::default(), Arc::default(), Instant::now());
    let session = |name| {
        let party = Party::sdk("agency", name);
        let tenant = tenants.join(named("one key"), &party, &LIMITS, &counters);
        tenant.sit(&party, &rights).expect("there is no limit of sessions")
    };
    let (slow, fast) = (session("slow"), session("fast"));
    assert!((0..9).all(|_| fast.tenant.admit(1, now)) && !fast.tenant.admit(1, now));
    assert!(slow.tenant.admit(1, now) && !slow.tenant.admit(1, now), "whoever came last");
}

#[test]
fn a_session_that_has_sent_nothing_is_not_read_while_its_agency_has_as_much_as_it_may() {
    let quota = Quota { in_flight: Some(10), ..Quota::default() };
    let limits = vec![Limit { who: Who::default(), per: Per::Agency, quota }];
    let rights = Rights::new(Rules { limits, ..Rules::default() }).expect("possible rules");
    let (tenants, counters, party) = (Tenants::default(), Arc::default(), Party::sdk("agency", "sdk"));
    let session = |name, number| {
        let tenant = tenants.join(named(name), &party, &LIMITS, &counters);
        let place = tenant.sit(&party, &rights).expect("there is no limit of sessions");
        (FlightShare::new(tenant, ClientId(number)), place)
    };
    let ((mut first, _one), (second, _other)) = (session("a", 1), session("b", 2));
    assert!(second.is_open());
    first.add(10);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(!second.is_open() && second.poll_open(&mut cx).is_pending());
    first.remove(1);
    assert!(second.poll_open(&mut cx).is_ready());
}

/// Rights with a quota of bytes in flight for each certificate, and one for each agency.
fn of_bytes_in_flight(own: Option<usize>, agency: Option<usize>) -> Rights {
    let limits = [(Per::Credential, own), (Per::Agency, agency)].into_iter().filter(|(_, bytes)| bytes.is_some());
    let limit = |(per, in_flight)| Limit { who: Who::default(), per, quota: Quota { in_flight, ..Quota::default() } };
    Rights::new(Rules { limits: limits.map(limit).collect(), ..Rules::default() }).expect("possible rules")
}

/// Whatever the order in which frames come and are answered, sessions come and go, and quotas are set, lowered below what is in
/// flight, and taken away.
#[test]
fn quotas_that_change_under_bytes_in_flight_leave_nothing_behind_and_keep_nobody_waiting() {
    let (tenants, counters, party) = (Tenants::default(), Arc::default(), Party::sdk("agency", "sdk"));
    let session = |number: usize, rights: &Rights| {
        let tenant = tenants.join(named(["a", "b", "c"][number % 3]), &party, &LIMITS, &counters);
        let place = tenant.sit(&party, rights).expect("there is no limit of sessions");
        (FlightShare::new(Arc::clone(&tenant), ClientId(number as u64)), tenant, place)
    };
    let mut random = 1_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).expect("31 bits") % below
    };
    let (mut own, mut agency) = (None, None);
    let mut sessions: Vec<_> = (0..6).map(|number| session(number, &of_bytes_in_flight(own, agency))).collect();
    // As long as these last, what is counted of their certificates and of the agency is not forgotten.
    let silent: Vec<_> = (6..9).map(|number| session(number, &of_bytes_in_flight(own, agency))).collect();
    let mut held = [0; 6];
    for _ in 0..20_000 {
        let which = next(6);
        match next(5) {
            0 | 1 => {
                let bytes = next(40);
                sessions[which].0.add(bytes);
                held[which] += bytes;
            }
            2 => {
                let bytes = next(held[which] + 1);
                sessions[which].0.remove(bytes);
                held[which] -= bytes;
            }
            3 => {
                let mut limit = || (next(3) > 0).then(|| 1 + next(60));
                (own, agency) = (limit(), limit());
                let rights = of_bytes_in_flight(own, agency);
                sessions.iter().for_each(|(_, tenant, _)| tenant.follow(&party, &rights));
            }
            _ => {
                sessions[which] = session(which, &of_bytes_in_flight(own, agency));
                held[which] = 0;
            }
        }
        let of_certificate = held[which] + held[(which + 3) % 6];
        if agency.is_none() && own.is_some_and(|own| own <= LIMITS.in_flight_bytes) {
            assert_eq!(sessions[which].0.is_open(), own.is_none_or(|own| of_certificate < own));
        }
    }
    sessions.clear();
    // One byte too much anywhere would keep these from being read.
    for (share, tenant, _) in &silent {
        tenant.follow(&party, &of_bytes_in_flight(Some(1), Some(1)));
        assert!(share.is_open());
    }
}

#[test]
fn those_who_owe_something_are_remembered_within_bounds() {
    let (tenants, counters, (party, rights)) = (Tenants::default(), Arc::default(), limited(1));
    for number in 0..2 * MAX_OWING {
        let (name, agency) = (named(&number.to_string()), format!("agency{number}"));
        let tenant = tenants.join(name, &Party::sdk(agency, "sdk"), &LIMITS, &counters);
        assert!(tenant.sit(&party, &rights).expect("no limit").tenant.admit(1, Instant::now()));
    }
    let known = tenants.known.lock().unwrap();
    assert!(known.certificates.len() <= MAX_OWING + 2 && known.agencies.len() <= MAX_OWING + 2);
}

#[test]
fn certificates_without_sessions_are_forgotten() {
    let (tenants, counters) = (Tenants::default(), Arc::new(Counters::default()));
    for number in 0..100 {
        tenants.join(named(&number.to_string()), &Party::sdk(format!("agency{number}"), "sdk"), &LIMITS, &counters);
    }
    let known = tenants.known.lock().unwrap();
    assert_eq!((known.certificates.len(), known.agencies.len()), (1, 1));
}
