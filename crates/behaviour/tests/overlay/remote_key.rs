//! A node whose key is elsewhere: it signs slowly, and may not sign at all.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use nuncio_behaviour::Event;
use nuncio_identity::{NodeId, NodeKey, RemoteKey, SignError, Signature, Signer};
use nuncio_pki::Identity;
use nuncio_protocol::{
    Topic,
    amop::{ClientInput, Kind, PublishSeq},
    trace::{Trace, TraceId},
};
use nuncio_testkit::{TestAuthority, authority::held_key};

use crate::{
    amop::{CLIENT, knows_topic, subscribe},
    network::{Node, links_in_a_row},
};

#[derive(Debug)]
struct Far {
    key: NodeKey,
    works: AtomicBool,
    /// Only the thread made for it may wait for it.
    is_slow: AtomicBool,
}

impl RemoteKey for Far {
    fn node_id(&self) -> NodeId {
        self.key.node_id()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        let thread = std::thread::current();
        assert!(!self.is_slow.load(Ordering::SeqCst) || thread.name() == Some("nuncio-notary"), "{thread:?} waits");
        let refused = || SignError { reason: "the token is away".into() };
        self.works.load(Ordering::SeqCst).then(|| self.key.sign(message)).ok_or_else(refused)
    }
}

fn start(authority: &TestAuthority, name: &str) -> (Node, Arc<Far>) {
    let identity = authority.node(name);
    let key = held_key(&identity).clone();
    let far = Arc::new(Far { key, works: AtomicBool::new(true), is_slow: AtomicBool::new(false) });
    let node = Node::start_as(authority, Identity { key: Signer::Remote(far.clone()), ..identity }, 1);
    // The ephemeral certificate is made.
    far.is_slow.store(true, Ordering::SeqCst);
    (node, far)
}

#[tokio::test]
async fn it_sends_all_that_others_send_and_the_swarm_waits_for_no_signature() {
    let authority = TestAuthority::new();
    let (a, _) = start(&authority, "a");
    let (b, c) = (Node::start(&authority, "b"), Node::start(&authority, "c"));
    let mut nodes = links_in_a_row([a, b, c]).await;
    let topic = Topic::new("prices").unwrap();
    let [a, _, c] = &mut nodes[..] else { panic!("three") };
    subscribe(c, &topic).await;
    knows_topic(a, &topic).await;
    let (data, seq) = ("to all".into(), PublishSeq([9; 32]));
    let input = ClientInput::Publish {
        priority: Default::default(),
        client: CLIENT,
        seq,
        kind: Kind::Multicast,
        topic: topic.clone(),
        data,
    };
    a.behaviour(move |behaviour| {
        behaviour.client(ClientInput::Connected { client: CLIENT, tenant: None });
        behaviour.client(input);
    })
    .await;
    c.wait("a multicast over the bridge", |event| match event {
        Event::Client(nuncio_protocol::amop::ClientOutput::Deliver { data, .. }) if data == "to all" => Some(()),
        _ => None,
    })
    .await;
    a.behaviour(|behaviour| behaviour.publish(None, "broadcast".into()).unwrap()).await;
    let from = a.id;
    c.wait("a broadcast", |event| match event {
        Event::Multicast { origin, bodies, .. } if origin == from && bodies == ["broadcast"] => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn it_signs_reports_on_what_it_passes_on() {
    let authority = TestAuthority::new();
    let (relay, _) = start(&authority, "relay");
    let (a, b) = (Node::start(&authority, "a"), Node::start(&authority, "b"));
    let mut nodes = links_in_a_row([a, relay, b]).await;
    let [a, relay, b] = &mut nodes[..] else { panic!("three") };
    let target = b.id;
    let trace = Trace { id: TraceId::from_bytes(&[7; 16]), ..Trace::default() };
    a.behaviour(move |behaviour| {
        behaviour.follow(target, "ping".into(), Duration::from_secs(10), (trace, Default::default()))
    })
    .await;
    let asked = b.wait("a request", |event| match event {
        Event::Request { inbound, .. } => Some(inbound),
        _ => None,
    });
    let inbound = asked.await;
    b.behaviour(move |behaviour| behaviour.respond(inbound, "pong".into())).await;
    let told = a.wait("its way", |event| match event {
        Event::Traced { traced, .. } => Some(traced),
        _ => None,
    });
    let hops: BTreeSet<_> = told.await.reports.iter().map(|signed| signed.report.hop).collect();
    assert_eq!(hops, [relay.id, target].into());
}

#[tokio::test]
async fn when_its_key_does_not_sign_it_says_so_goes_on_and_tries_again() {
    let authority = TestAuthority::new();
    let (a, far) = start(&authority, "a");
    let mut nodes = links_in_a_row([a, Node::start(&authority, "b")]).await;
    let [a, b] = &mut nodes[..] else { panic!("two") };
    far.works.store(false, Ordering::SeqCst);
    let topic = Topic::new("prices").unwrap();
    subscribe(a, &topic).await;
    let reason = a
        .wait("the failure", |event| match event {
            Event::KeyFailed { reason } => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, "the token is away");
    let (to, from) = (a.id, b.id);
    b.behaviour(move |behaviour| behaviour.request(to, "ping".into(), Duration::from_secs(10))).await;
    let inbound = a
        .wait("a request", |event| match event {
            Event::Request { inbound, source, .. } if source == from => Some(inbound),
            _ => None,
        })
        .await;
    a.behaviour(move |behaviour| behaviour.respond(inbound, "pong".into())).await;
    let answer = b.wait("its answer", |event| match event {
        Event::Completed { outcome, .. } => Some(outcome.map(|reply| reply.body)),
        _ => None,
    });
    assert_eq!(answer.await.unwrap(), "pong");
    far.works.store(true, Ordering::SeqCst);
    a.wait("the recovery", |event| matches!(event, Event::KeyRecovered).then_some(())).await;
    knows_topic(b, &topic).await;
}
