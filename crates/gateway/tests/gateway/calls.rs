//! What JSON-RPC calls of one client may cost the others.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use nuncio_audit::{Audit, Event};
use nuncio_channel_protocol::{Frame, FrameKind, FrameSeq};
use nuncio_gateway::{NodeFacts, NodeInfo};
use nuncio_metrics::{Cause, QuotaRefusal};
use serde_json::{Value, json};

use crate::rig::{Rig, Sdk, eventually, facts};

/// A node with a megabyte of topics, that counts how often it is asked for them.
struct Talkative {
    asked: AtomicUsize,
    /// What does not change.
    state: Option<Arc<dyn Any + Send + Sync>>,
}

impl Talkative {
    fn new(state: Option<Arc<dyn Any + Send + Sync>>) -> Arc<Self> {
        Arc::new(Self { asked: AtomicUsize::new(0), state })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl NodeInfo for Talkative {
    fn own(&self) -> NodeFacts {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let topics = (0..10_000).map(|number| format!("{number:0100}")).collect();
        NodeFacts { topics, ..facts(1, "node0", &[]) }
    }

    fn peers(&self) -> Vec<NodeFacts> {
        Vec::new()
    }

    fn reachable(&self) -> Vec<NodeFacts> {
        Vec::new()
    }

    fn state(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.state.clone()
    }
}

fn call(method: &str) -> Frame {
    let call = json!({ "id": 1, "method": method, "params": [] }).to_string();
    Frame::request(FrameKind::Rpc, FrameSeq::from_number(1), call.into())
}

async fn ask(sdk: &mut Sdk, method: &str) -> Value {
    sdk.send(&call(method)).await;
    serde_json::from_slice(&sdk.expect_frame().await.body).unwrap()
}

fn is_refused(answer: &Value) -> bool {
    answer["error"]["code"] == json!(-40011)
}

#[tokio::test]
async fn what_the_node_says_of_itself_is_written_once_for_all_who_see_the_same() {
    let node = Talkative::new(Some(Arc::new(())));
    let mut rig = Rig::knowing(Arc::<Talkative>::clone(&node), |_| {}).await;
    rig.add_sdk("other");
    let (sdk, _) = rig.connect().await;
    let (other, _) = rig.connect_as("other").await;
    for mut sdk in [sdk, other] {
        for _ in 0..3 {
            assert_eq!(ask(&mut sdk, "getNodeInfo").await["result"]["Topic"].as_array().unwrap().len(), 10_000);
        }
    }
    assert_eq!(node.asked(), 1);
}

/// One thread serves both, so it can be told who had his turn.
#[tokio::test]
async fn after_a_dear_call_the_others_have_their_turn() {
    let node = Talkative::new(None);
    let mut rig = Rig::knowing(Arc::<Talkative>::clone(&node), |_| {}).await;
    let (mut greedy, _) = rig.connect().await;
    let (mut other, _) = rig.connect().await;
    // As many as are handled at a time when they are cheap.
    let calls: Vec<u8> = (0..10).flat_map(|_| call("getNodeInfo").to_bytes().to_vec()).collect();
    greedy.send_bytes(&calls).await;
    let heartbeat = Frame::request(FrameKind::Heartbeat, FrameSeq::from_number(2), Bytes::from_static(b"0"));
    other.send(&heartbeat).await;
    eventually(|| rig.clients.statistics().frames_sent > 0 || node.asked() > 0).await;
    other.expect_frame().await;
    assert!(node.asked() < 10, "nobody waits for all of them");
    for _ in 0..10 {
        greedy.expect_frame().await;
    }
}

#[tokio::test]
async fn one_certificate_is_answered_so_many_bytes_and_another_ones_calls_go_on() {
    let (node, audit) = (Talkative::new(Some(Arc::new(()))), Audit::default());
    let (mut events, told) = (audit.follow(), audit.clone());
    let mut rig = Rig::knowing(node, |config| config.audit = told).await;
    rig.add_sdk("other");
    let (mut greedy, _) = rig.connect().await;
    let mut answered = 0;
    while !is_refused(&ask(&mut greedy, "getNodeInfo").await) {
        answered += 1;
        assert!(answered < 100, "there is an end to it");
    }
    assert!(answered >= 10, "{answered} megabytes come at once");
    // With another session it has no more.
    let (mut again, _) = rig.connect().await;
    let (mut other, _) = rig.connect_as("other").await;
    ask(&mut again, "getNodeInfo").await;
    assert!(!is_refused(&ask(&mut other, "getNodeInfo").await));
    let statistics = rig.clients.statistics();
    assert!(statistics.calls > answered && statistics.calls_refused >= 1, "{statistics:?}");
    let over = std::iter::from_fn(|| events.try_recv().ok()).find_map(|told| match &told.event {
        Event::OverQuota { refused, .. } => Some(refused.0),
        _ => None,
    });
    assert_eq!(over, Some(Cause::Quota(QuotaRefusal::Calls)));
}

#[tokio::test]
async fn a_limit_of_calls_is_shared_by_certificate_and_what_it_refuses_is_counted_and_told() {
    let audit = Audit::default();
    let (mut events, told) = (audit.follow(), audit.clone());
    let mut rig = Rig::with(|config| {
        config.audit = told;
        config.limits.calls_per_second = Some(40);
    })
    .await;
    rig.add_sdk("other");
    let (mut greedy, _) = rig.connect().await;
    let (mut other, _) = rig.connect_as("other").await;
    let mut refused = 0;
    while refused < 100 {
        refused += u64::from(is_refused(&ask(&mut greedy, "getBlockNumber").await));
    }
    assert!(!is_refused(&ask(&mut other, "getBlockNumber").await));
    let statistics = rig.clients.statistics();
    assert!(statistics.calls_refused >= 100 && statistics.calls >= 1, "{statistics:?}");
    let told = std::iter::from_fn(|| events.try_recv().ok());
    let over = told.filter(|told| matches!(told.event, Event::OverQuota { .. }));
    assert_eq!(over.count(), 1, "the first at once, the others together");
}
