//! Traces over real links: every hop signs what it says.

use bytes::Bytes;
use nuncio_node::{Config, Incoming};
use nuncio_protocol::{
    trace::{Fate, TraceParent},
    unicast::{Refusal, UnicastError},
};
use nuncio_testkit::TestAuthority;

use super::rig::{DEADLINE, Node, aloof, line};

#[tokio::test(flavor = "multi_thread")]
async fn every_hop_of_a_request_reports_and_its_application_sees_the_trace_context() {
    let [a, b, c] = line(&TestAuthority::new()).await;
    let mut requests = c.handle.listen(Vec::new(), true).await;
    let answering = tokio::spawn(async move {
        let Some(Incoming::Unicast { responder, .. }) = requests.next().await else { panic!("a request") };
        let parent = responder.trace_parent().expect("it is in a trace");
        responder.reply(parent.to_string().into());
    });
    let parent: TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    let followed = a.handle.follow(c.handle.node_id(), "ping".into(), DEADLINE, Some(parent)).await;
    answering.await.unwrap();
    assert_eq!(followed.outcome.expect("a reply").body, parent.to_string());
    let way = followed.way;
    let fates: Vec<_> = way.steps.iter().map(|step| (step.node, step.report.as_ref().unwrap().0.fate)).collect();
    let to = c.handle.node_id();
    assert_eq!(fates, [(b.handle.node_id(), Fate::Sent { to }), (to, Fate::Delivered)]);
    let [first] = way.attempts[..] else { panic!("one first hop, not {:?}", way.attempts) };
    assert_eq!(first.to, b.handle.node_id());
    let reports = || way.steps.iter().map(|step| &step.report.as_ref().unwrap().0);
    // One machine has one clock; its parts of a second may be adjusted meanwhile.
    let mut last = way.began;
    for report in reports() {
        assert!(report.took >= last && report.queued <= report.done, "{report:?} after {last:?}");
        last = report.took;
    }
    assert!(way.forged.is_empty());
    for (step, from) in way.steps.iter().zip([a.handle.node_id(), b.handle.node_id()]) {
        assert_eq!(step.report.as_ref().unwrap().0.from, from);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_needs_no_application_and_is_answered_so_often_only() {
    let [a, b, c] = line(&TestAuthority::new()).await;
    let mut answered = 0;
    for _ in 0..100 {
        let followed = a.handle.probe(c.handle.node_id(), DEADLINE).await;
        match followed.outcome {
            Ok(answer) => {
                answered += 1;
                assert_eq!(answer.hops, 2);
            }
            Err(UnicastError::Refused(Refusal::Busy)) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert!((32..100).contains(&answered), "{answered}");
    assert!(b.handle.probe(c.handle.node_id(), DEADLINE).await.outcome.is_ok(), "others are answered");
    let own = a.handle.probe(a.handle.node_id(), DEADLINE).await;
    assert!(own.outcome.is_ok() && own.way.steps.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_traces_a_node_says_nothing_and_its_neighbours_name_it() {
    let authority = TestAuthority::new();
    let a = Node::start_aloof(&authority, "a", &[]);
    let silent = |config: &mut Config| {
        aloof(config);
        config.overlay.traces = false;
    };
    let b = Node::start_with(&authority, authority.node("b"), &[&a], aloof);
    let c = Node::start_with(&authority, authority.node("c"), &[&b], silent);
    for node in [&a, &b, &c] {
        node.knows(3).await;
    }
    // Nobody reports to it; it reports to others, as its neighbours do.
    let to_nobody = c.handle.probe(a.handle.node_id(), DEADLINE).await;
    assert!(to_nobody.outcome.is_ok());
    assert!(to_nobody.way.steps.iter().all(|step| step.report.is_none()), "{:?}", to_nobody.way);
    let no_application = a.handle.follow(c.handle.node_id(), Bytes::new(), DEADLINE, None).await;
    assert_eq!(no_application.outcome, Err(UnicastError::Refused(Refusal::NoHandler)));
    assert_eq!(no_application.way.steps.len(), 2);
}
