//! Unicast: one reply or one error.

use std::time::Duration;

use bytes::Bytes;
use nuncio_behaviour::Event;
use nuncio_identity::{NodeId, NodeKey};
use nuncio_protocol::{
    MAX_BODY,
    unicast::{Refusal, Reply, UnicastError},
};
use nuncio_testkit::TestAuthority;

use crate::network::{Node, line, pair};

async fn ask(node: &mut Node, target: NodeId, body: Bytes) -> Result<Reply, UnicastError> {
    let exchange = node.behaviour(move |it| it.request(target, body, Duration::from_secs(10))).await;
    node.wait("the outcome", |event| match event {
        Event::Completed { exchange: done, outcome } if done == exchange => Some(outcome),
        _ => None,
    })
    .await
}

async fn echo(node: &mut Node) -> NodeId {
    let (inbound, source, body) = node
        .wait("a request", |event| match event {
            Event::Request { inbound, source, body, .. } => Some((inbound, source, body)),
            _ => None,
        })
        .await;
    node.behaviour(move |behaviour| behaviour.respond(inbound, body)).await;
    source
}

#[tokio::test]
async fn a_request_is_answered_by_the_node_it_names() {
    let (mut a, mut b) = pair(&TestAuthority::new()).await;
    let target = b.id;
    let (reply, source) = tokio::join!(ask(&mut a, target, Bytes::from("hello")), echo(&mut b));
    assert_eq!(reply, Ok(Reply { body: Bytes::from("hello"), hops: 1 }));
    assert_eq!(source, a.id);
}

#[tokio::test]
async fn bodies_up_to_the_limit_pass_and_one_byte_more_is_refused_at_the_entry() {
    let (mut a, mut b) = pair(&TestAuthority::new()).await;
    let target = b.id;
    let largest = Bytes::from(vec![7; MAX_BODY]);
    let (reply, _) = tokio::join!(ask(&mut a, target, largest.clone()), echo(&mut b));
    assert!(reply.expect("an answer").body == largest);
    let refused = ask(&mut a, target, Bytes::from(vec![7; MAX_BODY + 1])).await;
    assert_eq!(refused, Err(UnicastError::TooLarge { bytes: MAX_BODY + 1, limit: MAX_BODY }));
}

#[tokio::test]
async fn a_node_nobody_knows_has_no_route() {
    let (mut a, _b) = pair(&TestAuthority::new()).await;
    let stranger = NodeKey::generate().node_id();
    assert_eq!(ask(&mut a, stranger, Bytes::new()).await, Err(UnicastError::NoRoute));
}

#[tokio::test]
async fn a_declined_request_says_why() {
    let (mut a, mut b) = pair(&TestAuthority::new()).await;
    let target = b.id;
    let decline = async {
        let inbound = b.wait("a request", |event| match event {
            Event::Request { inbound, .. } => Some(inbound),
            _ => None,
        });
        let inbound = inbound.await;
        b.behaviour(move |behaviour| behaviour.decline(inbound, Refusal::NoHandler)).await;
    };
    let (outcome, ()) = tokio::join!(ask(&mut a, target, Bytes::from("?")), decline);
    assert_eq!(outcome, Err(UnicastError::Refused(Refusal::NoHandler)));
}

#[tokio::test]
async fn a_request_crosses_relays_signed_by_its_source() {
    let mut nodes = line(&TestAuthority::new(), 4).await;
    let (mut last, mut first) = (nodes.pop().unwrap(), nodes.swap_remove(0));
    let (target, body) = (last.id, Bytes::from(vec![1; 100_000]));
    let (reply, source) = tokio::join!(ask(&mut first, target, body.clone()), echo(&mut last));
    assert_eq!(reply, Ok(Reply { body, hops: 3 }));
    assert_eq!(source, first.id);
}

#[tokio::test]
async fn a_thousand_requests_at_once_are_all_answered() {
    let (mut a, mut b) = pair(&TestAuthority::new()).await;
    let target = b.id;
    a.behaviour(move |behaviour| {
        for number in 0..1000_u32 {
            behaviour.request(target, Bytes::copy_from_slice(&number.to_be_bytes()), Duration::from_secs(10));
        }
    })
    .await;
    let answers = async {
        let mut bodies = Vec::new();
        while bodies.len() < 1000 {
            let reply = a.wait("an answer", |event| match event {
                Event::Completed { outcome, .. } => Some(outcome),
                _ => None,
            });
            bodies.push(reply.await.expect("an answer").body);
        }
        bodies
    };
    let echoes = async {
        for _ in 0..1000 {
            echo(&mut b).await;
        }
    };
    let (mut bodies, ()) = tokio::join!(answers, echoes);
    bodies.sort();
    let expected: Vec<_> = (0..1000_u32).map(|number| Bytes::copy_from_slice(&number.to_be_bytes())).collect();
    assert_eq!(bodies, expected);
}
