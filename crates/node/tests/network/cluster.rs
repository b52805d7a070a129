//! Nodes in one process, over real TCP and TLS on loopback.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_node::{BuildError, Config, Incoming, Listener, PublishError, Publisher, build};
use nuncio_protocol::{
    MAX_BODY, Topic,
    unicast::{Refusal, UnicastError, Unknown},
};
use nuncio_testkit::TestAuthority;

use super::rig::{DEADLINE, Node, linked};

async fn three(authority: &TestAuthority) -> [Node; 3] {
    let a = Node::start(authority, "a", &[]);
    let b = Node::start(authority, "b", &[&a]);
    let c = Node::start(authority, "c", &[&a]);
    for node in [&a, &b, &c] {
        node.knows(3).await;
    }
    [a, b, c]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_given_one_address_meets_all_and_every_flow_works() {
    let [a, b, c] = three(&TestAuthority::new()).await;
    b.sees("a link to c, learnt from a", |snapshot| linked(snapshot) == 2).await;

    let mut requests = c.handle.listen(Vec::new(), true).await;
    let echo = tokio::spawn(async move {
        while let Some(incoming) = requests.next().await {
            if let Incoming::Unicast { body, responder, .. } = incoming {
                responder.reply(body);
            }
        }
    });
    let largest = Bytes::from(vec![1; MAX_BODY]);
    let answer = b.handle.request(c.handle.node_id(), largest.clone(), DEADLINE).await.expect("an answer");
    assert!(answer.body == largest);
    assert_eq!(answer.hops, 1);
    let more = b.handle.request(c.handle.node_id(), Bytes::from(vec![1; MAX_BODY + 1]), DEADLINE).await;
    assert_eq!(more, Err(UnicastError::TooLarge { bytes: MAX_BODY + 1, limit: MAX_BODY }));
    echo.abort();

    let topic = Topic::new("prices").unwrap();
    let mut prices = a.handle.listen(vec![topic.clone()], false).await;
    let mut broadcasts = c.handle.listen(Vec::new(), false).await;
    let heard = async {
        loop {
            b.handle.publish(topic.clone(), Bytes::from("7")).await.expect("published");
            let next = tokio::time::timeout(Duration::from_millis(100), prices.next());
            if let Ok(Some(Incoming::Multicast { from, data, .. })) = next.await {
                return (from, data);
            }
        }
    };
    let heard = tokio::time::timeout(DEADLINE, heard).await.expect("a multicast");
    assert_eq!(heard, (b.handle.node_id(), Bytes::from("7")));
    b.handle.broadcast(Bytes::from("all")).await.expect("sent");
    let broadcast = tokio::time::timeout(DEADLINE, broadcasts.next()).await.expect("a broadcast");
    assert!(matches!(broadcast, Some(Incoming::Broadcast { data, .. }) if data == "all"));
}

async fn publisher_is_heard(publisher: &Publisher, listener: &mut Listener) -> bool {
    publisher.send(Bytes::from("?")).await.expect("sent");
    let next = tokio::time::timeout(Duration::from_millis(100), listener.next());
    matches!(next.await, Ok(Some(Incoming::Multicast { .. })))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_publisher_sends_comes_once_and_in_its_order_and_ends_with_the_node() {
    const MESSAGES: u32 = 20_000;
    let [a, b, _c] = three(&TestAuthority::new()).await;
    let topic = Topic::new("prices").unwrap();
    let mut prices = b.handle.listen(vec![topic.clone()], false).await;
    let publisher = a.handle.publisher(Some(topic));
    let found = async {
        // Until b's record is here that says what it subscribes.
        while !publisher_is_heard(&publisher, &mut prices).await {}
    };
    tokio::time::timeout(DEADLINE, found).await.expect("b hears a");
    let heard = async {
        for number in 0..MESSAGES {
            let data = loop {
                let Some(Incoming::Multicast { data, .. }) = prices.next().await else { panic!("no multicast") };
                if data != "?" {
                    break data;
                }
            };
            assert_eq!(data, number.to_be_bytes().as_slice());
        }
    };
    let sent = async {
        for number in 0..MESSAGES {
            publisher.send(Bytes::copy_from_slice(&number.to_be_bytes())).await.expect("sent");
        }
        publisher.flush().await.expect("taken");
    };
    tokio::time::timeout(DEADLINE, futures::future::join(heard, sent)).await.expect("all of them");
    let more = publisher.send(Bytes::from(vec![1; MAX_BODY + 1])).await;
    assert_eq!(more, Err(PublishError::TooLarge { bytes: MAX_BODY + 1, limit: MAX_BODY }));
    a.stop().await;
    assert_eq!(publisher.flush().await, Err(PublishError::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_nobody_takes_is_refused_with_the_reason() {
    let [a, b, _c] = three(&TestAuthority::new()).await;
    let nobody = a.handle.request(b.handle.node_id(), Bytes::from("?"), DEADLINE).await;
    assert_eq!(nobody, Err(UnicastError::Refused(Refusal::NoHandler)));

    let mut listener = b.handle.listen(Vec::new(), true).await;
    let (asker, target) = (a.handle.clone(), b.handle.node_id());
    let request = tokio::spawn(async move { asker.request(target, Bytes::from("?"), DEADLINE).await });
    let Some(Incoming::Unicast { responder, .. }) = listener.next().await else { panic!("a request") };
    drop(responder);
    let unanswered = UnicastError::Unknown(Unknown::Unanswered);
    assert_eq!(request.await.unwrap(), Err(unanswered), "a listener had it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_is_missed_at_once_and_met_again_under_a_higher_epoch() {
    let authority = TestAuthority::new();
    let [a, b, c] = three(&authority).await;
    let identity = authority.node("d");
    let (id, again) = (identity.key.node_id(), identity.clone());
    let d = Node::start_as(&authority, identity, &[&a]);
    b.knows(4).await;
    let first = b.handle.snapshot().node(id).map(|node| node.epoch);
    d.stop().await;
    for node in [&a, &b, &c] {
        node.sees("the end of d", |snapshot| snapshot.node(id).is_none_or(|node| !node.reachable)).await;
    }
    // Its data directory is new: the epoch grows with the clock alone.
    let _d = Node::start_as(&authority, again, &[&b]);
    c.sees("d again", |snapshot| snapshot.node(id).is_some_and(|node| node.reachable && Some(node.epoch) > first))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_node_is_expelled_at_once_and_returns_when_it_is_let_in() {
    let authority = TestAuthority::new();
    let [a, b, c] = three(&authority).await;
    let deny = |nodes: BTreeSet<_>| Arc::new(authority.policy().with_access(BTreeSet::new(), nodes));
    let denied = c.handle.node_id();
    for node in [&a, &b] {
        node.policy.store(deny(BTreeSet::from([denied])));
        node.handle.policy_changed().await;
    }
    for node in [&a, &b] {
        node.sees("only each other", |snapshot| linked(snapshot) == 1).await;
    }
    assert_eq!(
        a.handle.request(denied, Bytes::new(), DEADLINE).await,
        Err(UnicastError::NoRoute),
        "a denied node has no route"
    );
    for node in [&a, &b] {
        node.policy.store(deny(BTreeSet::new()));
        node.handle.policy_changed().await;
    }
    a.sees("both again", |snapshot| linked(snapshot) == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_node_is_expelled_when_the_list_is_loaded_and_refused_after_that() {
    let authority = TestAuthority::new();
    let a = Node::start(&authority, "a", &[]);
    let identity = authority.node("b");
    let list = authority.revoke(&identity);
    let b = Node::start_as(&authority, identity, &[&a]);
    a.sees("b", |snapshot| linked(snapshot) == 1).await;
    a.policy.store(Arc::new(authority.policy().with_crls(vec![list]).expect("the agency's list")));
    a.handle.policy_changed().await;
    a.sees("nobody", |snapshot| linked(snapshot) == 0).await;
    b.sees("the reason", |snapshot| {
        snapshot.peers.iter().any(|peer| peer.last_error.as_ref().is_some_and(|error| error.contains("revoked")))
    })
    .await;
    assert_eq!(linked(&a.handle.snapshot()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_and_a_bad_peer_are_start_errors_with_a_hint() {
    let authority = TestAuthority::new();
    let a = Node::start(&authority, "a", &[]);
    let config = |listen: &str, peer: &str| {
        let mut config =
            Config::new(Arc::new(authority.node("b")), authority.shared_policy(), tempfile::tempdir().unwrap().keep());
        config.listen = vec![listen.into()];
        config.peers = vec![peer.into()];
        config
    };
    let in_use = build(config(&a.address, "127.0.0.1:1")).expect_err("the port is in use");
    assert!(matches!(in_use, BuildError::Listen { .. }), "{in_use}");
    assert!(in_use.hint().contains("another process listens there"));
    let bad_peer = build(config("127.0.0.1:0", "no port here")).expect_err("a bad peer");
    assert!(bad_peer.to_string().contains("no port here"), "{bad_peer}");
}

/// Others dial a host and a port, and are told eight.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_its_own_that_nobody_would_dial_is_a_start_error() {
    let authority = TestAuthority::new();
    let told = |external: &[String]| {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::new(Arc::new(authority.node("a")), authority.shared_policy(), data.path().into());
        config.listen = vec!["127.0.0.1:0".into()];
        config.external = external.to_vec();
        build(config).map(drop)
    };
    let many: Vec<_> = (1..=9).map(|port| format!("a.example:{port}")).collect();
    told(&many[..8]).unwrap();
    let refused = told(&many).unwrap_err();
    assert!(matches!(refused, BuildError::TooManyExternal { count: 9 }), "{refused}");
    for one in ["/dnsaddr/many.example/tcp/1", "/ip4/10.0.0.1/tcp/1/ws"] {
        let refused = told(&[one.to_owned()]).unwrap_err().to_string();
        assert!(refused.contains(one) && refused.contains("a host and a TCP port only"), "{refused}");
    }
    told(&["/ip4/10.0.0.1/tcp/1".to_owned()]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_added_and_removed_while_the_node_runs() {
    let authority = TestAuthority::new();
    let a = Node::start_aloof(&authority, "a", &[]);
    let b = Node::start_aloof(&authority, "b", &[]);
    b.handle.add_peer(a.address.clone()).await.expect("an address");
    b.sees("a link", |snapshot| linked(snapshot) == 1).await;
    assert!(b.handle.add_peer("nowhere".into()).await.is_err());
    assert!(b.handle.remove_peer(a.handle.node_id().to_string()).await);
    b.sees("no link", |snapshot| linked(snapshot) == 0).await;
    assert!(!b.handle.remove_peer(a.address.clone()).await, "it is gone already");
}
