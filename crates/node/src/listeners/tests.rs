use std::time::Duration;

use nuncio_identity::NodeKey;
use nuncio_protocol::multicast::priority_of;

use super::{entry::LEFT_TO_REQUESTS, *};
use crate::listener::LEAD;

fn node() -> NodeId {
    NodeKey::generate().node_id()
}

impl Listeners {
    fn multicast_now(&mut self, run: &Run) {
        self.multicast(run, Instant::now());
    }
}

fn broadcast(listeners: &mut Listeners, origin: NodeId, seq: u64, data: &Bytes) {
    listeners.multicast_now(&Run::new(origin, None, 1, seq, vec![data.clone()]));
}

fn waiting(listener: &mut Listener) -> Vec<u64> {
    let mut seqs = Vec::new();
    while let Some(incoming) = listener.try_next() {
        // Between them it is told what it missed.
        if let Incoming::Broadcast { id, .. } = incoming {
            seqs.push(id.seq);
        }
    }
    seqs
}

#[test]
fn a_stopped_listener_holds_the_bytes_of_its_queue_and_others_hear_everything() {
    let mut listeners = Listeners::new(0);
    let (mut stopped, _) = listeners.add(Vec::new(), false);
    let (mut healthy, _) = listeners.add(Vec::new(), false);
    let (origin, largest) = (node(), Bytes::from(vec![0; MAX_BODY]));
    for seq in 0..20 {
        broadcast(&mut listeners, origin, seq, &largest);
        assert_eq!(waiting(&mut healthy), [seq]);
    }
    assert_eq!(waiting(&mut stopped), [0, 1], "two of the greatest length");
    assert_eq!(listeners.missed(), 18);
    broadcast(&mut listeners, origin, 20, &largest);
    assert_eq!(waiting(&mut stopped), [20], "once it reads again, it hears again");
}

#[test]
fn what_a_slow_listener_missed_is_told_before_anything_later_and_without_it() {
    let (mut listeners, topic) = (Listeners::new(0), Topic::new("prices").unwrap());
    let (mut slow, _) = listeners.add(vec![topic.clone()], false);
    let origin = node();
    let largest = Bytes::from(vec![0; MAX_BODY]);
    let publish = |listeners: &mut Listeners, seq| {
        listeners.multicast_now(&Run::new(origin, Some(topic.clone()), 7, seq, vec![largest.clone()]));
    };
    let heard = |listener: &mut Listener| match listener.try_next() {
        Some(Incoming::Multicast { id, .. }) => Some((id.seq, id.seq)),
        Some(Incoming::Gap { from, topic: Some(_), epoch: 7, first, last }) if from == origin => Some((first, last)),
        _ => None,
    };
    for seq in 1..=5 {
        publish(&mut listeners, seq);
    }
    assert_eq!([(); 2].map(|()| heard(&mut slow)), [Some((1, 1)), Some((2, 2))]);
    publish(&mut listeners, 6);
    assert_eq!([(); 3].map(|()| heard(&mut slow)), [Some((3, 5)), Some((6, 6)), None]);
    for seq in 7..=9 {
        publish(&mut listeners, seq);
    }
    listeners.gap(origin, Some(&topic), Missed { epoch: 7, first: 10, last: 12 });
    assert_eq!([(); 2].map(|()| heard(&mut slow)), [Some((7, 7)), Some((8, 8))]);
    listeners.tell_missed();
    assert_eq!([(); 2].map(|()| heard(&mut slow)), [Some((9, 12)), None], "without a later message, too");
}

#[test]
fn short_messages_are_counted_one_by_one() {
    let mut listeners = Listeners::new(1 << 30);
    let (mut stopped, _) = listeners.add(Vec::new(), false);
    let (origin, most) = (node(), (MAX_WAITING - LEFT_TO_REQUESTS) / 2);
    for seq in 0..2 * MAX_WAITING as u64 {
        broadcast(&mut listeners, origin, seq, &Bytes::new());
    }
    assert_eq!(waiting(&mut stopped).len(), most);
    assert_eq!(listeners.missed(), (2 * MAX_WAITING - most) as u64);
}

#[test]
fn of_messages_that_come_together_a_listener_takes_the_first_ones_it_has_room_for() {
    let mut listeners = Listeners::new(0);
    let (mut slow, _) = listeners.add(Vec::new(), false);
    let origin = node();
    let bodies = vec![Bytes::from(vec![0; MAX_BODY]); 2];
    broadcast(&mut listeners, origin, 4, &bodies[0]);
    listeners.multicast_now(&Run::new(origin, None, 1, 5, bodies));
    assert_eq!(waiting(&mut slow), [4, 5]);
    assert_eq!(listeners.missed(), 1);
    listeners.multicast_now(&Run::new(origin, None, 1, 7, vec![Bytes::new(); 1000]));
    assert!(matches!(slow.try_next(), Some(Incoming::Gap { first: 6, last: 6, .. })));
    assert_eq!(waiting(&mut slow), (7..1007).collect::<Vec<_>>(), "short ones that come together take one place");
}

#[test]
fn broadcasts_without_end_leave_room_for_requests() {
    let (mut listeners, (replies, _kept)) = (Listeners::new(0), Replies::new());
    let from = node();
    let body = Bytes::from(vec![0; 1024]);
    let ask = |listeners: &mut Listeners, number| {
        listeners.request(from, (body.clone(), None, Priority::Normal), InboundId(number), &replies)
    };
    for length in [0, MAX_BODY] {
        let ((_slow, _), data) = (listeners.add(Vec::new(), true), Bytes::from(vec![0; length]));
        for origin in (0..12).map(|_| node()) {
            for seq in 0..MAX_WAITING as u64 {
                broadcast(&mut listeners, origin, seq, &data);
            }
        }
        assert!((0..LEFT_TO_REQUESTS as u64 / 2).all(|number| ask(&mut listeners, number).is_ok()), "{length} bytes");
        listeners.entries.clear();
    }
}

#[test]
fn a_request_goes_past_a_listener_without_room_and_is_busy_when_there_is_no_other() {
    let mut listeners = Listeners::new(0);
    let (replies, _kept) = Replies::new();
    let (_stopped, _) = listeners.add(Vec::new(), true);
    let from = node();
    let largest = Bytes::from(vec![0; MAX_BODY]);
    let ask = |listeners: &mut Listeners, number| {
        listeners.request(from, (largest.clone(), None, Priority::Normal), InboundId(number), &replies)
    };
    assert_eq!(
        (0..3).map(|number| ask(&mut listeners, number)).collect::<Vec<_>>(),
        [Ok(()), Ok(()), Err(Refusal::Busy)]
    );
    let (mut healthy, _) = listeners.add(Vec::new(), true);
    for number in 3..9 {
        assert_eq!(ask(&mut listeners, number), Ok(()));
        assert!(healthy.try_next().is_some());
    }
}

#[test]
fn an_urgent_request_is_heard_before_all_that_waits_and_one_source_has_half_of_the_room_for_such() {
    let (mut listeners, (replies, _kept)) = (Listeners::new(0), Replies::new());
    let (mut listener, _) = listeners.add(Vec::new(), true);
    let [flooder, honest] = [(); 2].map(|()| node());
    let mut ask = |from, body: &Bytes, priority, number| {
        listeners.request(from, (body.clone(), None, priority), InboundId(number), &replies).is_ok()
    };
    assert!(ask(flooder, &Bytes::from(vec![0; MAX_BODY]), Priority::Bulk, 0));
    let flood = (1..10_000).take_while(|n| ask(flooder, &Bytes::from("?"), Priority::Control, *n)).count();
    assert!((MAX_URGENT..MAX_WAITING).contains(&flood), "{flood}: the rest is normal, and its share of that");
    assert!(ask(honest, &Bytes::from("now"), Priority::Control, 10_000));
    let heard: Vec<_> = std::iter::from_fn(|| listener.try_next())
        .map(|incoming| match incoming {
            Incoming::Unicast { body, .. } => body.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    let place = |length| heard.iter().position(|one| *one == length);
    assert_eq!(heard.len(), flood + 2);
    assert_eq!(place(MAX_BODY), Some(LEAD as usize), "the rest has its share");
    assert!(place(3).is_some_and(|place| place < 64), "sources have turns: {:?}", place(3));
}

#[test]
fn a_listener_that_was_dropped_misses_nothing() {
    let mut listeners = Listeners::new(0);
    let topic = Topic::new("prices").unwrap();
    let (gone, fresh) = listeners.add(vec![topic.clone()], false);
    assert_eq!(fresh, std::slice::from_ref(&topic));
    drop(gone);
    broadcast(&mut listeners, node(), 1, &Bytes::new());
    assert_eq!(listeners.missed(), 0);
    assert_eq!(listeners.prune(), [topic]);
}

type Flood<'a> = &'a dyn Fn(&mut Listeners, NodeId, u64);

/// Whether what another source sends is taken while one sends all that it can: a request, or else a multicast.
fn is_taken_beside(flood: Flood<'_>, is_request: bool) -> bool {
    let (mut listeners, (replies, _kept)) = (Listeners::new(0), Replies::new());
    let (mut slow, _) = listeners.add(topics(), true);
    let ([flooder, honest], largest) = ([(); 2].map(|()| node()), Bytes::from(vec![0; MAX_BODY]));
    for number in 0..2 * MAX_WAITING as u64 {
        flood(&mut listeners, flooder, number);
    }
    if is_request {
        let _ = listeners.request(honest, (largest, None, Priority::Normal), InboundId(0), &replies);
    } else {
        broadcast(&mut listeners, honest, 1, &largest);
    }
    let is_its = |incoming| match incoming {
        Incoming::Unicast { from, .. } | Incoming::Broadcast { from, .. } => from == honest,
        _ => false,
    };
    std::iter::from_fn(|| slow.try_next()).any(is_its)
}

fn topics() -> Vec<Topic> {
    (0..MAX_WAITING).map(|number| Topic::new(&number.to_string()).unwrap()).collect()
}

#[test]
fn whatever_one_source_sends_leaves_room_for_others() {
    let (replies, _kept) = Replies::new();
    for length in [0, 1000, MAX_BODY] {
        let data = Bytes::from(vec![0; length]);
        let multicasts: Flood<'_> = &|listeners, flooder, number| broadcast(listeners, flooder, number, &data);
        let requests: Flood<'_> = &|listeners, flooder, number| {
            let _ = listeners.request(flooder, (data.clone(), None, Priority::Normal), InboundId(number), &replies);
        };
        for (flood, is_request) in [(multicasts, false), (multicasts, true), (requests, false), (requests, true)] {
            assert!(is_taken_beside(flood, is_request), "{length} bytes, {is_request}");
        }
    }
}

#[test]
fn what_is_missed_of_many_topics_of_one_source_leaves_room_for_others() {
    let topics = topics();
    let gaps: Flood<'_> = &|listeners, flooder, number| {
        let topic = &topics[number as usize % topics.len()];
        listeners.gap(flooder, Some(topic), Missed { epoch: 1, first: number, last: number });
        listeners.tell_missed();
    };
    assert!([false, true].into_iter().all(|is_request| is_taken_beside(gaps, is_request)));
}

/// The first number of a priority.
fn first_of(priority: Priority) -> u64 {
    (1..64).map(|bit| 1 << bit).chain([3 << 34, 0]).find(|number| priority_of(*number) == priority).unwrap()
}

/// What is heard: of multicasts the number, of a gap those that are missing.
fn heard(listener: &mut Listener) -> Vec<(u64, u64)> {
    let one = |incoming| match incoming {
        Incoming::Broadcast { id, .. } | Incoming::Multicast { id, .. } => (id.seq, id.seq),
        Incoming::Gap { first, last, .. } => (first, last),
        other => panic!("{other:?}"),
    };
    std::iter::from_fn(|| listener.try_next()).map(one).collect()
}

#[test]
fn what_is_missed_of_two_priorities_of_a_topic_is_told_of_each() {
    for order in [[Priority::Normal, Priority::Control], [Priority::Bulk, Priority::Normal]] {
        let mut listeners = Listeners::new(0);
        let (mut slow, _) = listeners.add(Vec::new(), false);
        let (origin, [one, other]) = (node(), order.map(first_of));
        for (first, last) in [(one + 3, one + 4), (other + 7, other + 7), (one + 5, one + 5)] {
            // A listener without any room is told later.
            listeners.entries[0].owe(origin, None, Missed { epoch: 1, first, last });
        }
        listeners.tell_missed();
        let mut told = heard(&mut slow);
        told.sort_unstable();
        let mut expected = [(one + 3, one + 5), (other + 7, other + 7)];
        expected.sort_unstable();
        assert_eq!(told, expected, "{order:?}");
    }
}

#[test]
fn an_urgent_multicast_is_heard_before_those_that_wait_and_each_priority_keeps_its_order_whatever_its_source_names_urgent()
 {
    let mut listeners = Listeners::new(0);
    let (mut slow, _) = listeners.add(Vec::new(), false);
    let ([flooder, honest], now) = ([(); 2].map(|()| node()), Instant::now());
    let [bulk, control] = [Priority::Bulk, Priority::Control].map(first_of);
    for number in 0..100 {
        broadcast(&mut listeners, flooder, bulk + number, &Bytes::from(vec![0; 100_000]));
    }
    // More than its source may have of it, and more than there is room for.
    for number in 0..200 {
        let bodies = vec![Bytes::from(vec![0; 1000]); 10];
        listeners.multicast(&Run::new(flooder, None, 1, control + 10 * number, bodies), now);
    }
    listeners.multicast(&Run::new(honest, None, 1, control, vec![Bytes::from("stop")]), now);
    let mut came = Vec::new();
    while let Some(incoming) = slow.try_next() {
        match incoming {
            Incoming::Broadcast { from, id, .. } => came.push((from, id.seq)),
            other => panic!("{other:?}"),
        }
    }
    let of = |from, class| -> Vec<u64> {
        came.iter().filter(|(who, n)| *who == from && priority_of(*n) == class).map(|(_, n)| *n).collect()
    };
    assert_eq!(of(flooder, Priority::Control), (control..control + 2000).collect::<Vec<_>>());
    assert_eq!(of(flooder, Priority::Bulk), (bulk..bulk + 100).collect::<Vec<_>>());
    let place = |message| came.iter().position(|one| *one == message).unwrap();
    assert!(
        place((honest, control)) < 600,
        "{}: half of the room for what is urgent is left",
        place((honest, control))
    );
    assert_eq!(place((flooder, bulk)), LEAD as usize, "all else has its share");
    assert!(place((flooder, bulk + 99)) < 100 * (LEAD as usize + 1));
}

#[test]
fn what_one_member_names_urgent_is_so_within_its_budget_only() {
    let mut listeners = Listeners::new(0);
    let (mut slow, _) = listeners.add(Vec::new(), false);
    let ([flooder, honest], now, control) = ([(); 2].map(|()| node()), Instant::now(), first_of(Priority::Control));
    let mut heard_first = 0;
    for number in 0..2000 {
        broadcast(&mut listeners, honest, number, &Bytes::new());
        listeners.multicast(&Run::new(flooder, None, 1, control + number, vec![Bytes::from(vec![0; 1000])]), now);
        heard_first += usize::from(
            slow.try_next().is_some_and(|first| matches!(first, Incoming::Broadcast { from, .. } if from == flooder)),
        );
        while slow.try_next().is_some() {}
    }
    let budget = (1 << 20) / 1256;
    assert!((budget * 9 / 10..=budget).contains(&heard_first), "{heard_first} of {budget}");
}

#[test]
fn urgent_multicasts_stay_in_order_though_room_for_them_comes_and_goes() {
    let mut listeners = Listeners::new(0);
    let (mut slow, _) = listeners.add(Vec::new(), false);
    let (origin, control, mut came) = (node(), first_of(Priority::Control), Vec::new());
    for number in 0..1000 {
        // Their time comes between: what is urgent of them is so within a budget.
        let now = Instant::now() + Duration::from_millis(number);
        listeners.multicast(&Run::new(origin, None, 1, control + number, vec![Bytes::from(vec![0; 3000])]), now);
        came.extend((number % 3 == 0).then(|| slow.try_next()).flatten());
    }
    came.extend(std::iter::from_fn(|| slow.try_next()));
    let numbers: Vec<_> = came
        .into_iter()
        .map(|incoming| match incoming {
            Incoming::Broadcast { id, .. } => id.seq - control,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

#[test]
fn a_request_waits_for_nobody_who_sends_much_and_what_the_listener_has_seen_counts_until_it_is_heard() {
    let (mut listeners, (replies, _kept)) = (Listeners::new(0), Replies::new());
    let (mut listener, _) = listeners.add(Vec::new(), true);
    let [flooder, honest] = [(); 2].map(|()| node());
    let long = Bytes::from(vec![0; 1 << 20]);
    for number in 0..100 {
        broadcast(&mut listeners, flooder, number, &long);
    }
    let (heard, missed) = (listener.try_next(), listeners.missed());
    assert!(matches!(heard, Some(Incoming::Broadcast { .. })), "it has looked at all that waits");
    for number in 100..110 {
        broadcast(&mut listeners, flooder, number, &long);
    }
    assert!(listeners.missed() >= missed + 9, "there is room for one more at the most");
    listeners.request(honest, (Bytes::from("?"), None, Priority::Normal), InboundId(1), &replies).unwrap();
    let (mut numbers, mut before) = (Vec::new(), None);
    while let Some(incoming) = listener.try_next() {
        match incoming {
            Incoming::Unicast { from, .. } if from == honest => before = Some(numbers.len()),
            Incoming::Broadcast { id, .. } => numbers.push(id.seq),
            _ => {}
        }
    }
    assert!(before.is_some_and(|before| before <= 1), "{before:?} broadcasts are heard before");
    assert!(numbers.len() > 5 && numbers.is_sorted(), "those of one source in their order: {numbers:?}");
}
