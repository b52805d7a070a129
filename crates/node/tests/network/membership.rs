//! Leaving, revocation, renewal, expiry and stolen keys, seen by whole nodes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_audit::{Audit, Event};
use nuncio_node::{Incoming, RenewalError, Snapshot};
use nuncio_pki::Policy;
use nuncio_protocol::Topic;
use nuncio_testkit::TestAuthority;
use rustls_pki_types::UnixTime;
use tokio::{sync::watch, time::Instant};

use super::rig::{DEADLINE, Node, line, linked};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_is_gone_for_its_peers_without_waiting_for_silence() {
    let authority = TestAuthority::new();
    let a = Node::start(&authority, "a", &[]);
    let b = Node::start(&authority, "b", &[&a]);
    a.sees("b", |snapshot| linked(snapshot) == 1).await;
    let stopped = Instant::now();
    b.shutdown.cancel();
    a.sees("nobody", |snapshot| linked(snapshot) == 0).await;
    assert!(stopped.elapsed() < Duration::from_secs(3), "{:?}", stopped.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_loaded_at_one_end_expels_the_revoked_node_at_the_other_end() {
    let authority = TestAuthority::new();
    let [a, _b, c] = line(&authority).await;
    let identity = authority.node("revoked");
    let list = authority.revoke(&identity);
    let (keeper, mut kept) = watch::channel(Vec::new());
    let d = Node::start_with(&authority, authority.node("d"), &[&c], |config| {
        config.overlay.target_degree = 0;
        config.adoptions = Some(keeper);
    });
    let revoked = Node::start_with(&authority, identity, &[&d], |config| config.overlay.target_degree = 0);
    for node in [&a, &d, &revoked] {
        node.knows(5).await;
    }
    let loaded = Instant::now();
    a.policy.store(Arc::new(authority.policy().with_crls(vec![list.clone()]).expect("the agency's list")));
    a.handle.policy_changed().await;
    d.sees("the revoked node gone", |snapshot| {
        snapshot.nodes.iter().all(|node| node.name != "revoked" || !node.reachable)
    })
    .await;
    assert!(loaded.elapsed() < Duration::from_secs(5), "{:?}", loaded.elapsed());
    kept.changed().await.expect("the list is handed on to be kept");
    assert!(d.policy.load().lists().iter().any(|held| *held == list));
    assert!(kept.borrow().iter().any(|agency| list.is_signed_by(agency)), "with its signer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_without_dropping_a_link() {
    let authority = TestAuthority::new();
    let a = Node::start(&authority, "a", &[]);
    let short = authority.node_for("b", Duration::from_secs(3600));
    let b = Node::start_as(&authority, short.clone(), &[&a]);
    a.sees("b", |snapshot| linked(snapshot) == 1).await;
    let since = a.handle.snapshot().peers[0].connected_since;

    let renewed = authority.renew(&short);
    let end = renewed.certificate.not_after.as_secs();
    let before = b.handle.snapshot().seq;
    b.handle.renew(Arc::new(renewed)).await.expect("the same key and name");
    b.sees("the new end", |snapshot| snapshot.certificate_not_after == end).await;
    let id = b.handle.node_id();
    a.sees("the new record", |snapshot| snapshot.node(id).is_some_and(|node| node.seq > before)).await;
    assert_eq!(a.handle.snapshot().peers[0].connected_since, since, "the link stayed");

    let other = b.handle.renew(Arc::new(authority.node("b"))).await;
    assert!(matches!(other, Err(RenewalError::OtherKey { .. })), "{other:?}");
}

/// The end of a rotation: the root under which the link was made is trusted no more, and the peer has another certificate.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_outlives_the_root_under_which_it_was_made() {
    let (old, new) = (TestAuthority::new(), TestAuthority::new());
    let roots = [&old, &new].map(|authority| authority.root_certificate().clone()).to_vec();
    let both = Arc::new(Policy::new(roots).expect("two roots"));
    let trusting_both = |config: &mut nuncio_node::Config| config.policy.store(Arc::clone(&both));
    let a = Node::start_with(&old, new.node("a"), &[], trusting_both);
    let shown = old.node("b");
    let b = Node::start_with(&old, shown.clone(), &[&a], trusting_both);
    a.sees("b", |snapshot| linked(snapshot) == 1).await;
    let since = a.handle.snapshot().peers[0].connected_since;

    let before = b.handle.snapshot().seq;
    b.handle.renew(Arc::new(new.certify(&shown, Duration::from_secs(3600)))).await.expect("the same key and name");
    let id = b.handle.node_id();
    a.sees("the new record", |snapshot| snapshot.node(id).is_some_and(|node| node.seq > before)).await;
    a.policy.store(Arc::new(new.policy()));
    a.handle.policy_changed().await;
    assert_eq!(linked(&a.handle.snapshot()), 1, "the link stayed");
    assert_eq!(a.handle.snapshot().peers[0].connected_since, since);
    // What is trusted no more still counts for whoever has nothing else.
    let c = Node::start_with(&old, old.node("c"), &[&a], trusting_both);
    c.sees("the refusal", |snapshot| {
        snapshot.peers.iter().any(|peer| peer.last_error.as_ref().is_some_and(|error| error.contains("ca.crt")))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_the_certificate_unless_it_was_renewed() {
    let authority = TestAuthority::new();
    let a = Node::start(&authority, "a", &[]);
    let (ends, stays) = (Duration::from_secs(4), authority.node_for("stays", Duration::from_secs(4)));
    let b = Node::start_as(&authority, authority.node_for("ends", ends), &[&a]);
    let c = Node::start_as(&authority, stays.clone(), &[&a]);
    a.sees("both", |snapshot| linked(snapshot) == 2).await;
    c.handle.renew(Arc::new(authority.renew(&stays))).await.expect("the same key and name");
    let gone = b.handle.node_id();
    a.sees("one left", |snapshot| {
        linked(snapshot) == 1 && snapshot.peers.iter().all(|peer| peer.node_id != Some(gone))
    })
    .await;
    assert!(UnixTime::now().as_secs() >= stays.certificate.not_after.as_secs(), "not before its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_certificate_ended_is_gone_everywhere_and_returns_with_another() {
    let authority = TestAuthority::new();
    let a = Node::start_aloof(&authority, "a", &[]);
    let b = Node::start_aloof(&authority, "b", &[&a]);
    let short = authority.node_for("c", Duration::from_secs(4));
    let c = Node::start_with(&authority, short.clone(), &[&b], |config| config.overlay.target_degree = 0);
    a.knows(3).await;
    let id = c.handle.node_id();
    let known = |snapshot: &Snapshot| snapshot.node(id).is_some();
    a.sees("c no more, though it was never linked", |snapshot| !known(snapshot)).await;
    b.sees("c no more", |snapshot| linked(snapshot) == 1 && !known(snapshot)).await;
    assert!(UnixTime::now().as_secs() >= short.certificate.not_after.as_secs(), "not before its end");

    c.handle.renew(Arc::new(authority.renew(&short))).await.expect("the same key and name");
    a.knows(3).await;
    b.knows(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_two_hosts_with_one_key_keeps_its_link_and_the_event_is_counted() {
    let authority = TestAuthority::new();
    let a = Node::start(&authority, "a", &[]);
    let stolen = authority.node("b");
    let first = Node::start_as(&authority, stolen.clone(), &[&a]);
    a.sees("b", |snapshot| linked(snapshot) == 1).await;
    let since = a.handle.snapshot().peers[0].connected_since;
    let second = Node::start_as(&authority, stolen, &[&a]);
    a.sees("the second host", |snapshot| snapshot.duplicate_identities > 0).await;
    assert_eq!(a.handle.snapshot().peers[0].connected_since, since);
    first.sees("its link", |snapshot| linked(snapshot) == 1).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_multicast_passes_a_node_that_does_not_subscribe() {
    let authority = TestAuthority::new();
    let [a, b, c] = line(&authority).await;
    let topic = Topic::new("prices").expect("a topic");
    let mut far = c.handle.listen(vec![topic.clone()], false).await;
    let mut between = b.handle.listen(Vec::new(), false).await;
    let heard = async {
        loop {
            a.handle.publish(topic.clone(), Bytes::from("7")).await.expect("published");
            let next = tokio::time::timeout(Duration::from_millis(200), far.next());
            if let Ok(Some(Incoming::Multicast { data, .. })) = next.await {
                return data;
            }
        }
    };
    assert_eq!(tokio::time::timeout(DEADLINE, heard).await.expect("it arrives"), Bytes::from("7"));
    let nothing = tokio::time::timeout(Duration::from_millis(200), between.next()).await;
    assert!(nothing.is_err(), "the relay does not read it: {nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_field_is_read_from_any_node_and_a_route_names_every_hop() {
    let authority = TestAuthority::new();
    let [a, b, c] = line(&authority).await;
    a.handle.set_application_field(Bytes::from("height=7")).await;
    let id = a.handle.node_id();
    let field = "height=7";
    c.sees("the field", |snapshot| snapshot.node(id).is_some_and(|node| node.application() == field)).await;
    let record = c.handle.record(a.handle.node_id()).await.expect("a record");
    assert_eq!(record.status.application, Bytes::from("height=7"));
    let route = c.handle.route(a.handle.node_id()).await;
    assert_eq!(route, Some([&c, &b, &a].map(|node| node.handle.node_id()).to_vec()));
}

/// The refused end is told in words too: it has proved its key, so that both ends know of whom they speak.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_role_makes_no_node_and_both_ends_hear_both_roles_and_what_mends_it() {
    let (authority, audit) = (TestAuthority::new(), Audit::default());
    let (mut events, recorded) = (audit.follow(), audit.clone());
    let a = Node::start_with(&authority, authority.node("a"), &[], |config| config.audit = recorded);
    let sdk = authority.sdk_as_node("app");
    let id = sdk.key.node_id();
    let b = Node::start_as(&authority, sdk, &[&a]);
    let words =
        ["has role sdk, and this door takes role node only", "nuncio cert issue NAME --ca DIR --out DIR --kind node"];
    let told = tokio::time::timeout(DEADLINE, events.recv()).await.expect("it is recorded").expect("the audit goes on");
    let Event::NodeRefused { node, cause, .. } = &told.event else { panic!("{told:?}") };
    assert_eq!(node.as_ref().map(|node| node.0), Some(id));
    assert!(words.iter().all(|word| cause.as_str().contains(word)), "{cause}");
    b.sees("the reason", |snapshot| {
        let mut errors = snapshot.peers.iter().filter_map(|peer| peer.last_error.as_ref());
        errors.any(|error| words.iter().all(|word| error.contains(word)))
    })
    .await;
    assert_eq!(linked(&a.handle.snapshot()), 0);
}
