//! Denied and not allowed nodes are so as sources too, however far away: on a line `a — b — c`, `a` refuses `c`.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_node::{Incoming, Listener, Snapshot};
use nuncio_pki::Policy;
use nuncio_testkit::TestAuthority;
use tokio::time::{Instant, timeout};

use super::rig::{DEADLINE, Node, aloof, line};

/// Longer than any message takes over two hops here; what must not come is waited for no longer.
const WINDOW: std::time::Duration = std::time::Duration::from_secs(2);

fn allowing<const N: usize>(authority: &TestAuthority, nodes: [NodeId; N]) -> Arc<Policy> {
    Arc::new(authority.policy().with_access(nodes.into(), BTreeSet::new()))
}

fn denying<const N: usize>(authority: &TestAuthority, nodes: [NodeId; N]) -> Arc<Policy> {
    Arc::new(authority.policy().with_access(BTreeSet::new(), nodes.into()))
}

async fn set(node: &Node, policy: Arc<Policy>) {
    node.policy.store(policy);
    node.handle.policy_changed().await;
}

fn knows(snapshot: &Snapshot, node: &Node) -> bool {
    snapshot.node(node.handle.node_id()).is_some_and(|known| known.seq > 0)
}

/// The sources of all that `listener` hears until `last` speaks by unicast; requests are answered.
async fn heard_until(listener: &mut Listener, last: NodeId) -> Vec<NodeId> {
    let mut sources = Vec::new();
    loop {
        let next = timeout(DEADLINE, listener.next()).await.expect("the last one speaks");
        match next.expect("the node runs") {
            Incoming::Unicast { from, body, responder } => {
                responder.reply(body);
                if from == last {
                    return sources;
                }
                sources.push(from);
            }
            Incoming::Multicast { from, .. } | Incoming::Broadcast { from, .. } => sources.push(from),
            _ => {}
        }
    }
}

/// `c` calls `a` in every way, then `b` does so over the same link: whatever came of `c` has come before.
async fn a_hears_nothing_of_c([a, b, c]: [&Node; 3], heard: &mut Listener) {
    let target = a.handle.node_id();
    let calls = async {
        c.handle.broadcast(Bytes::from("to all")).await.expect("sent");
        let answer = c.handle.request(target, Bytes::from("to a"), WINDOW).await;
        assert!(answer.is_err(), "it was answered: {answer:?}");
        b.handle.request(target, Bytes::from("the last"), DEADLINE).await.expect("b is heard");
    };
    let (sources, ()) = tokio::join!(heard_until(heard, b.handle.node_id()), calls);
    assert_eq!(sources, [], "nothing of c");
}

async fn a_hears_c([a, _, c]: [&Node; 3], heard: &mut Listener) {
    let since = Instant::now();
    let (target, source) = (a.handle.node_id(), c.handle.node_id());
    let call = async {
        while c.handle.request(target, Bytes::from("again"), WINDOW).await.is_err() {}
        c.handle.broadcast(Bytes::from("to all again")).await.expect("sent");
    };
    // What c said while it was refused may come now: it is answered like all else, and not taken for what is waited for.
    let hears = async {
        loop {
            match heard.next().await.expect("the node runs") {
                Incoming::Unicast { body, responder, .. } => responder.reply(body),
                Incoming::Broadcast { from, data, .. } if data == "to all again" => return from,
                _ => {}
            }
        }
    };
    let (from, ()) = timeout(DEADLINE, async { tokio::join!(hears, call) }).await.expect("it is heard");
    assert_eq!(from, source);
    assert!(since.elapsed() < 5 * WINDOW, "within seconds: {:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_denied_at_run_time_is_silent_at_once_and_heard_again_when_it_is_let_in() {
    let authority = TestAuthority::new();
    let [a, b, c] = line(&authority).await;
    let mut heard = a.handle.listen(Vec::new(), true).await;
    a_hears_c([&a, &b, &c], &mut heard).await;
    set(&a, denying(&authority, [c.handle.node_id()])).await;
    a.sees("no c", |snapshot| !knows(snapshot, &c)).await;
    a_hears_nothing_of_c([&a, &b, &c], &mut heard).await;
    set(&a, denying(&authority, [])).await;
    a_hears_c([&a, &b, &c], &mut heard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_denied_when_this_one_starts_is_never_heard() {
    let authority = TestAuthority::new();
    let denied = authority.node("c");
    let policy = denying(&authority, [denied.key.node_id()]);
    let a = Node::start_with(&authority, authority.node("a"), &[], |config| {
        aloof(config);
        config.policy.store(policy);
    });
    let b = Node::start_aloof(&authority, "b", &[&a]);
    let c = Node::start_with(&authority, denied, &[&b], aloof);
    c.knows(3).await;
    let mut heard = a.handle.listen(Vec::new(), true).await;
    a_hears_nothing_of_c([&a, &b, &c], &mut heard).await;
    assert!(!knows(&a.handle.snapshot(), &c), "nor shown");
    set(&a, denying(&authority, [])).await;
    a_hears_c([&a, &b, &c], &mut heard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_missing_from_the_allow_list_is_not_heard_until_it_is_allowed() {
    let authority = TestAuthority::new();
    let middle = authority.node("b");
    let allowed = middle.key.node_id();
    let policy = allowing(&authority, [allowed]);
    let a = Node::start_with(&authority, authority.node("a"), &[], |config| {
        aloof(config);
        config.policy.store(policy);
    });
    let b = Node::start_with(&authority, middle, &[&a], aloof);
    let c = Node::start_aloof(&authority, "c", &[&b]);
    c.knows(3).await;
    let mut heard = a.handle.listen(Vec::new(), true).await;
    a_hears_nothing_of_c([&a, &b, &c], &mut heard).await;
    assert!(!knows(&a.handle.snapshot(), &c), "nor shown");
    set(&a, allowing(&authority, [allowed, c.handle.node_id()])).await;
    a_hears_c([&a, &b, &c], &mut heard).await;
}
