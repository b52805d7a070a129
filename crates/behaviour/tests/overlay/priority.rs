//! Priorities: what is urgent overtakes what waits, all comes, and releases without it are served all the same.

use std::time::Duration;

use bytes::Bytes;
use nuncio_behaviour::{Behaviour, Event};
use nuncio_identity::NodeId;
use nuncio_protocol::{Priority, multicast::priority_of};
use nuncio_testkit::TestAuthority;
use nuncio_wire::{amop, unicast::URGENT_PROTOCOL};

use crate::{
    deaf::Ears,
    network::{Node, pair, pair_with},
};

/// Long enough that all of a flood waits when what is urgent comes.
const FLOOD: usize = 200;
const BODY: usize = 60_000;

fn ask(behaviour: &mut Behaviour, target: NodeId, body: Bytes, priority: Priority) {
    behaviour.follow(target, body, Duration::from_secs(20), (Default::default(), priority));
}

/// The next request, which is answered.
async fn request(node: &mut Node) -> (Bytes, Priority) {
    let (inbound, body, priority) = node
        .wait("a request", |event| match event {
            Event::Request { inbound, body, priority, .. } => Some((inbound, body, priority)),
            _ => None,
        })
        .await;
    node.behaviour(move |behaviour| behaviour.respond(inbound, Bytes::new())).await;
    (body, priority)
}

async fn answered(node: &mut Node) {
    let outcome = node.wait("the outcome", |event| match event {
        Event::Completed { outcome, .. } => Some(outcome),
        _ => None,
    });
    assert!(outcome.await.is_ok());
}

/// Asks once, so that streams are open.
async fn greet(a: &mut Node, b: &mut Node, priority: Priority) {
    let target = b.id;
    a.behaviour(move |behaviour| ask(behaviour, target, Bytes::from("hello"), priority)).await;
    assert_eq!(request(b).await, (Bytes::from("hello"), priority));
    answered(a).await;
}

/// Sends a flood and one urgent message behind it; says how many of the flood came before that, and how many in all.
async fn flooded(a: &Node, b: &mut Node, flood: Priority) -> (usize, usize) {
    let target = b.id;
    a.behaviour(move |behaviour| {
        for _ in 0..FLOOD {
            ask(behaviour, target, Bytes::from(vec![7; BODY]), flood);
        }
        ask(behaviour, target, Bytes::from("now"), Priority::Control);
    })
    .await;
    let (mut before, mut came) = (None, 0);
    while before.is_none() || came < FLOOD {
        let (body, priority) = request(b).await;
        if priority == Priority::Control {
            before = Some(came);
        } else {
            assert_eq!((body.len(), priority), (BODY, flood));
            came += 1;
        }
    }
    (before.unwrap_or(came), came)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_urgent_overtakes_all_that_waits_and_all_of_that_comes() {
    let (mut a, mut b) = pair(&TestAuthority::new()).await;
    for flood in [Priority::Normal, Priority::Bulk] {
        greet(&mut a, &mut b, Priority::Control).await;
        let (before, came) = flooded(&a, &mut b, flood).await;
        assert!(before < FLOOD / 2 && came == FLOOD, "{before} of {came} came first, {flood}");
        for _ in 0..=FLOOD {
            answered(&mut a).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn to_a_release_without_a_stream_for_it_what_is_urgent_goes_with_the_others_and_the_link_stays() {
    let ears = Ears::default();
    ears.never_heard_of(URGENT_PROTOCOL);
    let (mut a, mut b) = pair_with(&TestAuthority::new(), &ears).await;
    for priority in [Priority::Control, Priority::High, Priority::Control, Priority::Bulk, Priority::Normal] {
        greet(&mut a, &mut b, priority).await;
    }
    let (before, _) = flooded(&a, &mut b, Priority::Normal).await;
    assert_eq!(before, FLOOD, "in the order in which they were sent");
    for _ in 0..=FLOOD {
        answered(&mut a).await;
    }
    assert!(!a.passed().iter().any(|event| matches!(event, Event::LinkDown { .. })));
}

/// The next multicasts, all of one priority.
async fn heard(node: &mut Node) -> (Vec<Bytes>, Priority) {
    node.wait("multicasts", |event| match event {
        Event::Multicast { first, bodies, .. } => Some((bodies, priority_of(first))),
        Event::Gap { from, to, .. } => panic!("{from} to {to} are missing"),
        _ => None,
    })
    .await
}

/// Broadcasts until one is heard as what it is: then each knows of the other, and streams are open.
async fn hail(a: &Node, b: &mut Node) {
    for _ in 0..100 {
        a.behaviour(|behaviour| behaviour.publish_as(Priority::Control, None, Bytes::from("hail")))
            .await
            .expect("there is room");
        let arrival = tokio::time::timeout(Duration::from_millis(200), heard(b)).await;
        if arrival.is_ok_and(|(_, priority)| priority == Priority::Control) {
            return;
        }
    }
    panic!("nothing arrives");
}

/// The same as [`flooded`] with broadcasts.
async fn flooded_with_broadcasts(a: &Node, b: &mut Node, flood: Priority) -> (usize, usize) {
    a.behaviour(move |behaviour| {
        for _ in 0..FLOOD {
            behaviour.publish_as(flood, None, Bytes::from(vec![7; BODY])).expect("there is room");
        }
    })
    .await;
    a.behaviour(|behaviour| behaviour.publish_as(Priority::Control, None, Bytes::from("now")))
        .await
        .expect("there is room");
    let (mut before, mut came) = (None, 0);
    while before.is_none() || came < FLOOD {
        let (bodies, priority) = heard(b).await;
        if priority == flood {
            came += bodies.iter().filter(|body| body.len() == BODY).count();
        } else if bodies.contains(&Bytes::from("now")) {
            before = Some(came);
        }
    }
    (before.unwrap_or(came), came)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_broadcast_overtakes_all_that_wait_and_all_of_those_come() {
    let (a, mut b) = pair(&TestAuthority::new()).await;
    for flood in [Priority::Normal, Priority::Bulk] {
        hail(&a, &mut b).await;
        let (before, came) = flooded_with_broadcasts(&a, &mut b, flood).await;
        assert!(before < FLOOD / 2 && came == FLOOD, "{before} of {came} came first, {flood}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn to_a_release_without_a_stream_for_them_urgent_broadcasts_go_with_the_others_and_the_link_stays() {
    let ears = Ears::default();
    ears.never_heard_of(amop::URGENT_PROTOCOL);
    let (mut a, mut b) = pair_with(&TestAuthority::new(), &ears).await;
    hail(&a, &mut b).await;
    let (_, came) = flooded_with_broadcasts(&a, &mut b, Priority::Normal).await;
    assert_eq!(came, FLOOD);
    assert!(!a.passed().iter().any(|event| matches!(event, Event::LinkDown { .. })));
}
