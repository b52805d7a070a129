//! Connection: both ends take the node ID from the certificate; crossed dials end in one link.

use futures::future::join;
use nuncio_behaviour::Event;
use nuncio_testkit::TestAuthority;

use crate::network::{Node, pair};

#[tokio::test]
async fn a_dial_ends_in_a_link_that_both_ends_name_by_node_id() {
    let authority = TestAuthority::new();
    let (a, b) = pair(&authority).await;
    for (node, peer) in [(&a, &b), (&b, &a)] {
        let links = node.behaviour(|behaviour| behaviour.overlay().links()).await;
        assert_eq!(links.len(), 1);
        assert_eq!(links[0].peer, peer.id);
    }
}

#[tokio::test]
async fn crossed_dials_end_in_exactly_one_connection() {
    let authority = TestAuthority::new();
    for _ in 0..10 {
        let (mut a, mut b) = (Node::start(&authority, "a"), Node::start(&authority, "b"));
        join(a.dial(&b), b.dial(&a)).await;
        a.linked(b.id).await;
        b.linked(a.id).await;
        let (a_id, b_id) = (a.id, b.id);
        let settled = async {
            loop {
                let at_a = a.call(|swarm| swarm.network_info().connection_counters().num_established()).await;
                let at_b = b.call(|swarm| swarm.network_info().connection_counters().num_established()).await;
                if (at_a, at_b) == (1, 1) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(crate::network::DEADLINE, settled).await.expect("one connection is left");
        let down = |event: &Event| matches!(event, Event::LinkDown { peer, .. } if *peer == a_id || *peer == b_id);
        assert!(!a.passed().iter().any(down), "the link only moved");
        assert!(!b.passed().iter().any(down), "the link only moved");
    }
}

#[tokio::test]
async fn a_link_that_ends_is_reported_and_made_again() {
    let authority = TestAuthority::new();
    let (mut a, mut b) = pair(&authority).await;
    let peer = a.id.into();
    b.call(move |swarm| swarm.disconnect_peer_id(peer)).await.expect("linked");
    let (a_id, b_id) = (a.id, b.id);
    for (node, peer) in [(&mut a, b_id), (&mut b, a_id)] {
        node.wait("the end of the link", |event| matches!(event, Event::LinkDown { .. }).then_some(())).await;
        node.linked(peer).await;
    }
}

#[tokio::test]
async fn a_node_of_another_authority_gets_no_link() {
    let (authority, foreign) = (TestAuthority::new(), TestAuthority::new());
    let (a, stranger) = (Node::start(&authority, "a"), Node::start(&foreign, "a"));
    a.dial(&stranger).await;
    let refused = async {
        loop {
            let pending = a.behaviour(|behaviour| behaviour.overlay().pending_peers()).await;
            if let Some(error) = pending.first().and_then(|peer| peer.last_error.clone()) {
                return error;
            }
            tokio::task::yield_now().await;
        }
    };
    let error = tokio::time::timeout(crate::network::DEADLINE, refused).await.expect("the dial is refused");
    assert!(error.contains("ca.crt"), "it says which check failed: {error}");
}

/// A connection refused once would be tried again only after a pause.
#[tokio::test(flavor = "multi_thread")]
async fn an_expelled_node_that_proves_itself_anew_is_linked_by_its_first_connection() {
    let authority = TestAuthority::new();
    let (mut a, mut b) = (Node::start(&authority, "a"), Node::start(&authority, "b"));
    let expelled = b.id;
    a.behaviour(move |behaviour| behaviour.expel(expelled)).await;
    b.dial(&a).await;
    a.linked(b.id).await;
    a.reaches(b.id).await;
    b.reaches(a.id).await;
    let ends = |event: &Event| matches!(event, Event::LinkDown { .. });
    assert!(!a.passed().iter().any(ends) && !b.passed().iter().any(ends), "the link went down first");
}
