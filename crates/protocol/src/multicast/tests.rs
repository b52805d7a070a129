use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_bounds::SharedBytes;
use nuncio_identity::NodeId;
use nuncio_testkit::simulator::node_id;

use super::{
    Batch, COUNT_BITS, Long, Proof,
    history::History,
    incoming::Incoming,
    room::Room,
    stream::{Due, Since, Stream, Told},
};
use crate::{LARGE_BODY, MAX_BODY, Output, Topic, outbox::Outbox};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn batch(first: u64, bodies: &[&'static str]) -> Batch {
    let bodies = bodies.iter().map(|body| Bytes::from_static(body.as_bytes())).collect();
    Batch {
        origin: node_id(1),
        epoch: 1,
        sent: Duration::ZERO,
        lifetime: 60 * S,
        topic: None,
        first,
        bodies,
        long: None,
        proof: Proof::default(),
    }
}

fn stream(first: &Batch, since: u64) -> Stream {
    Stream::new(first, origins(since), via(), Instant::now())
}

fn stream_of_others(first: &Batch, since: Since) -> Stream {
    Stream::new(first, since, node_id(2), Instant::now())
}

/// As the origin itself says.
const fn origins(number: u64) -> Since {
    Since { number, is_origins: true }
}

fn via() -> NodeId {
    node_id(1)
}

fn messages(first: u64, bodies: &[&'static str]) -> Told {
    Told::Messages(first, batch(first, bodies).bodies)
}

fn room() -> Room {
    room_for(1 << 20)
}

fn room_for(bytes: usize) -> Room {
    Room::in_all(Arc::new(SharedBytes::new(bytes)))
}

fn take(stream: &mut Stream, batch: &Batch, since: Since, room: &mut Room, now: Instant) -> Vec<Told> {
    stream.take(Arc::new(batch.clone()), since, room, now)
}

/// Bodies that share what they came in, as those of a link do.
fn sharing(first: u64, count: usize) -> (Batch, Bytes) {
    let came = Bytes::from(vec![7; 10 * count]);
    let mut rest = came.clone();
    let bodies = (0..count).map(|_| rest.split_to(10)).collect();
    (Batch { bodies, ..batch(first, &[]) }, came)
}

#[test]
fn what_waits_for_its_turn_and_the_rest_of_what_overlaps_keep_nothing_of_what_they_came_with() {
    let (mut room, now) = (room(), Instant::now());
    let mut stream = stream(&batch(1, &["a"]), 0);
    let shares = |told: Vec<Told>, came: &Bytes| -> Vec<bool> {
        let bodies = |told| match told {
            Told::Messages(_, bodies) => bodies,
            Told::Gap(..) => panic!("all came"),
        };
        told.into_iter().flat_map(bodies).map(|body| came.as_ptr_range().contains(&body.as_ptr())).collect()
    };
    let (in_turn, came) = sharing(1, 50);
    assert_eq!(shares(take(&mut stream, &in_turn, origins(0), &mut room, now), &came), [true; 50]);
    let (overlapping, came) = sharing(41, 20);
    assert_eq!(shares(take(&mut stream, &overlapping, origins(0), &mut room, now), &came), [false; 10]);
    let (early, came) = sharing(70, 20);
    assert!(take(&mut stream, &early, origins(0), &mut room, now).is_empty());
    let (missing, _) = sharing(61, 9);
    assert_eq!(shares(take(&mut stream, &missing, origins(0), &mut room, now), &came), [false; 29]);
}

#[test]
fn what_comes_out_of_order_waits_for_its_turn_and_comes_once() {
    let (mut room, now) = (room(), Instant::now());
    let mut stream = stream(&batch(1, &["a"]), 0);
    assert_eq!(take(&mut stream, &batch(1, &["a"]), origins(0), &mut room, now), [messages(1, &["a"])]);
    assert_eq!(take(&mut stream, &batch(4, &["d", "e"]), origins(0), &mut room, now), []);
    assert_eq!(take(&mut stream, &batch(3, &["c"]), origins(0), &mut room, now), []);
    assert!(!stream.has(&batch(2, &["b"])) && stream.has(&batch(1, &["a"])));
    assert_eq!(
        take(&mut stream, &batch(2, &["b"]), origins(0), &mut room, now),
        [messages(2, &["b"]), messages(3, &["c", "d", "e"])]
    );
    for again in [batch(1, &["a"]), batch(3, &["c"]), batch(4, &["d", "e"])] {
        assert!(stream.has(&again));
        assert_eq!(take(&mut stream, &again, origins(0), &mut room, now), []);
    }
    assert_eq!(
        take(&mut stream, &batch(5, &["e", "f"]), origins(0), &mut room, now),
        [messages(6, &["f"])],
        "of what overlaps, the rest"
    );
    assert_eq!(stream.due(), None);
    assert!(room.take(3 << 18), "all room was given back");
}

#[test]
fn what_is_missing_is_asked_for_again_and_again_and_then_told_as_a_gap() {
    let (mut room, start) = (room(), Instant::now());
    let mut stream = stream(&batch(1, &["a"]), 0);
    take(&mut stream, &batch(1, &["a"]), origins(0), &mut room, start);
    take(&mut stream, &batch(5, &["e"]), origins(0), &mut room, start);
    assert_eq!(stream.handle_timeout(&mut room, start + 19 * MS), None, "it may have been overtaken");
    let mut asked = Vec::new();
    let told = loop {
        let due = stream.due().expect("it is missing still");
        match stream.handle_timeout(&mut room, due) {
            Some(Due::Ask(from, to, _)) => asked.push((from, to, due - start)),
            Some(Due::Told(told)) => break (told, due - start),
            None => panic!("it was due"),
        }
    };
    assert!(asked.iter().all(|(from, to, _)| (*from, *to) == (2, 4)) && asked.len() >= 5, "{asked:?}");
    assert_eq!(told.0, [Told::Gap(2, 4), messages(5, &["e"])]);
    assert!((10 * S..13 * S).contains(&told.1), "{told:?}");
    assert_eq!(
        take(&mut stream, &batch(2, &["b", "c", "d"]), origins(0), &mut room, start),
        [],
        "what was told does not come later"
    );
}

#[test]
fn a_word_without_messages_shows_that_the_end_is_missing() {
    let (mut room, now) = (room(), Instant::now());
    let mut stream = stream(&batch(1, &["a"]), 0);
    take(&mut stream, &batch(1, &["a"]), origins(0), &mut room, now);
    assert_eq!(take(&mut stream, &batch(2, &[]), origins(0), &mut room, now), []);
    assert_eq!(stream.due(), None, "nothing is missing");
    take(&mut stream, &batch(4, &[]), origins(0), &mut room, now);
    assert_eq!(stream.handle_timeout(&mut room, now + S), Some(Due::Ask(2, 3, 0)));
    // Its origin has the first one no more.
    assert_eq!(
        take(&mut stream, &batch(3, &["c"]), origins(3), &mut room, now),
        [Told::Gap(2, 2), messages(3, &["c"])]
    );
    assert_eq!(stream.due(), None);
}

#[test]
fn the_first_word_says_what_is_missing_before_it_and_nobody_but_the_origin_says_what_there_is() {
    let (mut room, now) = (room(), Instant::now());
    let first = batch(5, &["e"]);
    let mut joined = stream(&first, 3);
    assert_eq!(take(&mut joined, &first, origins(3), &mut room, now), []);
    assert_eq!(joined.handle_timeout(&mut room, now + S), Some(Due::Ask(3, 4, 0)));
    // Whoever lies makes known what is lost, and no more: what may be on its way is waited for.
    let lie = Since { number: u64::MAX, is_origins: false };
    let early = Since { number: 6, ..lie };
    assert_eq!(take(&mut joined, &first, lie, &mut room, now + S), []);
    assert_eq!(take(&mut joined, &first, lie, &mut room, now + 2 * S), [Told::Gap(3, 4), messages(5, &["e"])]);
    assert_eq!(take(&mut joined, &batch(6, &["f"]), lie, &mut room, now + 4 * S), [messages(6, &["f"])]);
    assert_eq!(
        take(&mut stream_of_others(&first, early), &first, early, &mut room, now),
        [messages(5, &["e"])],
        "nor this one"
    );
    let mut late = stream(&first, 0);
    assert_eq!(take(&mut late, &first, origins(0), &mut room, now), [messages(5, &["e"])]);
}

#[test]
fn numbers_of_another_topic_of_the_origin_begin_anew_and_a_skip_costs_no_memory() {
    let (mut room, now) = (room(), Instant::now());
    let mut stream = stream(&batch(1, &["a"]), 0);
    take(&mut stream, &batch(1, &["a"]), origins(0), &mut room, now);
    let (anew, far) = (batch((1 << COUNT_BITS) + 1, &["b"]), batch((1 << COUNT_BITS) - 5, &["z"]));
    assert!(!stream.goes_on(&anew) && stream.goes_on(&far));
    take(&mut stream, &far, origins(0), &mut room, now);
    assert_eq!(stream.handle_timeout(&mut room, now + S), Some(Due::Ask(2, (1 << COUNT_BITS) - 6, 0)));
    assert_eq!(stream.end(&mut room), [Told::Gap(2, (1 << COUNT_BITS) - 6), messages((1 << COUNT_BITS) - 5, &["z"])]);
}

#[test]
fn what_finds_no_room_before_its_turn_is_asked_for_in_its_turn() {
    let (mut room, now) = (room_for(4096), Instant::now());
    let mut stream = stream(&batch(1, &["a"]), 1);
    let long = |first: u64| Batch { bodies: vec![vec![0; 1000].into(); 4], ..batch(first, &[]) };
    take(&mut stream, &long(2), origins(1), &mut room, now);
    let told = take(&mut stream, &batch(1, &["a"]), origins(1), &mut room, now);
    let taken: usize =
        told.iter().map(|told| if let Told::Messages(_, bodies) = told { bodies.len() } else { 0 }).sum();
    assert!((1..5).contains(&taken), "{told:?}");
    assert!(matches!(stream.handle_timeout(&mut room, now + S), Some(Due::Ask(_, 5, 0))));
    take(&mut stream, &long(2), origins(1), &mut room, now);
    assert_eq!(stream.due(), None);
    assert!(room.take(1500), "all room was given back");
}

#[test]
fn a_long_message_has_its_time_before_it_is_asked_for() {
    let (mut room, now) = (room(), Instant::now());
    let mut stream = stream(&batch(1, &["a"]), 1);
    take(&mut stream, &batch(1, &["a"]), origins(1), &mut room, now);
    let long = Some(Long { number: 2, length: MAX_BODY as u32 });
    take(&mut stream, &Batch { long, ..batch(3, &["c"]) }, origins(1), &mut room, now);
    assert_eq!(stream.handle_timeout(&mut room, now + 4 * S), None);
    assert_eq!(stream.handle_timeout(&mut room, now + 6 * S), Some(Due::Ask(2, 2, 0)));
}

#[test]
fn a_history_is_bounded_in_bytes_and_time_and_one_origin_leaves_room_for_others() {
    let (mut history, start) = (History::of_others(), Instant::now());
    let long = |origin: usize, first: u64| {
        let bodies = vec![Bytes::from(vec![0; LARGE_BODY])];
        Arc::new(Batch { origin: node_id(origin), bodies, ..batch(first, &[]) })
    };
    for first in 1..=10_000 {
        history.keep(&long(1, first), start);
    }
    let found = |history: &History, origin: usize| history.find((&node_id(origin), 1), &None, (1, 20_000), 1 << 30);
    let kept = found(&history, 1);
    assert!((500..1100).contains(&kept.batches.len()), "{}", kept.batches.len());
    assert_eq!(kept.batches.last().map(|batch| batch.first), Some(10_000), "the newest");
    assert_eq!(kept.oldest, kept.batches.first().map(|batch| batch.first));
    history.keep(&long(2, 1), start);
    assert_eq!(found(&history, 2).batches.len(), 1);
    assert!(history.find((&node_id(2), 2), &None, (1, 1), 1).batches.is_empty(), "of another epoch");
    assert_eq!(history.find((&node_id(1), 1), &None, (9000, 10_000), 1).batches.len(), 1, "one more than fits");
    history.forget_old(start + 50 * S);
    assert!(history.is_empty());
    history.keep(&long(1, 5), start);
    history.keep(&long(1, 3), start);
    history.keep(&long(1, 5), start);
    let firsts: Vec<_> = found(&history, 1).batches.iter().map(|batch| batch.first).collect();
    assert_eq!(firsts, [3, 5], "in order, each once");
}

/// One message of an origin to a topic; whether the application hears it.
fn is_heard(incoming: &mut Incoming, origin: usize, topic: usize, first: u64, now: Instant) -> bool {
    let (mut outbox, topic) = (Outbox::default(), Topic::new(&format!("topic {topic}")).expect("a valid topic"));
    let batch = Arc::new(Batch { origin: node_id(origin), topic: Some(topic), ..batch(first, &["a"]) });
    incoming.take(batch, 1, node_id(origin), &mut outbox, now);
    matches!(outbox.pop(), Some(Output::Multicast { .. }))
}

#[test]
fn origins_that_publish_to_all_topics_leave_room_for_others_and_what_is_quiet_is_forgotten() {
    const TOPICS: usize = 40_000;
    let topics = (0..TOPICS).map(|topic| Topic::new(&format!("topic {topic}")).expect("a valid topic"));
    let (mut incoming, start) = (Incoming::new(), Instant::now());
    incoming.subscribe(topics.collect());
    for hostile in 1..=2 {
        let heard = (0..TOPICS).filter(|topic| is_heard(&mut incoming, hostile, *topic, 1, start)).count();
        assert!((16_000..TOPICS).contains(&heard), "{hostile}: {heard}");
    }
    assert!((0..100).all(|topic| is_heard(&mut incoming, 4, topic, 1, start + S)), "one that publishes to a few");
    let later = start + 130 * S;
    assert!(is_heard(&mut incoming, 4, 0, 2, later), "it goes on");
    assert!((0..20_000).all(|topic| is_heard(&mut incoming, 5, topic, 1, later)), "the others said nothing for long");
    assert!(is_heard(&mut incoming, 4, 1, 1000, later), "nothing is missing of one that was forgotten");
}

/// A mebibyte that came before its turn, to a topic; whether the application hears it when its turn has come.
fn is_kept(incoming: &mut Incoming, origin: usize, topic: usize, now: Instant) -> bool {
    let (mut outbox, topic) = (Outbox::default(), Topic::new(&format!("topic {topic}")).expect("a valid topic"));
    let mut take = |first, bodies: Vec<Bytes>| {
        let batch = Batch { origin: node_id(origin), topic: Some(topic.clone()), bodies, ..batch(first, &[]) };
        incoming.take(Arc::new(batch), 1, node_id(origin), &mut outbox, now);
    };
    take(1, vec![Bytes::new()]);
    take(3, vec![vec![0; 64 << 10].into(); 16]);
    if origin != 1 {
        take(2, vec![Bytes::new()]);
    }
    let heard = std::iter::from_fn(|| outbox.pop()).map(|output| match output {
        Output::Multicast { bodies, .. } => bodies.len(),
        _ => 0,
    });
    heard.sum::<usize>() == 18
}

#[test]
fn an_origin_that_leaves_holes_in_all_its_topics_leaves_room_to_others() {
    let topics = (0..1_000).map(|topic| Topic::new(&format!("topic {topic}")).expect("a valid topic"));
    let (mut incoming, now) = (Incoming::new(), Instant::now());
    incoming.subscribe(topics.collect());
    for topic in 0..1_000 {
        is_kept(&mut incoming, 1, topic, now);
    }
    assert!(is_kept(&mut incoming, 2, 0, now));
}
