//! What SDKs may do with topics, and how much: at the node that serves them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_audit::{Audit, Event, Kind};
use nuncio_channel_protocol::{AmopBody, Frame, FrameKind, FrameSeq, ResultCode};
use nuncio_gateway::Config;
use nuncio_protocol::amop::{self, ClientId, ClientInput};
use nuncio_rights::{Fallback, Limit, Namespace, Party, Per, Quota, Rights, Rule, Rules, Who};
use serde_json::{Value, json};

use crate::rig::{Log, Rig, Sdk, eventually, node_id, topics};

/// What the certificates of the rig say.
const AGENCY: &str = "agency";

fn rule(who: Who, publish: &[&str], subscribe: &[&str], see: &[&str]) -> Rule {
    let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Rule { who, publish: patterns(publish), subscribe: patterns(subscribe), see: patterns(see) }
}

fn rights(rules: Rules) -> Arc<Rights> {
    Arc::new(Rights::new(rules).unwrap())
}

fn named(name: &str) -> Who {
    Who { agency: Some(AGENCY.into()), name: Some(name.into()), ..Who::default() }
}

fn denying(allow: Vec<Rule>) -> Arc<Rights> {
    rights(Rules { default: Fallback::Deny, allow, ..Rules::default() })
}

fn limiting(who: Who, per: Per, quota: Quota) -> Arc<Rights> {
    rights(Rules { limits: vec![Limit { who, per, quota }], ..Rules::default() })
}

async fn rig(rights: Arc<Rights>) -> Rig {
    Rig::with(|config: &mut Config| config.rights = rights).await
}

fn publish(kind: FrameKind, topic: &str, number: u128, bytes: usize) -> Frame {
    let body = AmopBody::new(topic, vec![7; bytes].into()).unwrap().pack();
    Frame::request(kind, FrameSeq::from_number(number), body)
}

fn list(names: &[&str]) -> Frame {
    let body = serde_json::to_vec(names).unwrap();
    Frame::request(FrameKind::Subscribe, FrameSeq::from_number(1), body.into())
}

/// Waits for the answer to a publish that the core does not hear of.
async fn expect_refused(rig: &mut Rig, sdk: &mut Sdk, frame: &Frame, code: ResultCode) {
    sdk.send(frame).await;
    let answer = sdk.expect_frame().await;
    let expected = (FrameKind::Answer, frame.seq, code, Bytes::new());
    assert_eq!((answer.kind, answer.seq, answer.result, answer.body), expected);
    assert!(rig.has_no_input());
}

async fn expect_taken(rig: &mut Rig, client: ClientId, sdk: &mut Sdk, frame: &Frame) {
    sdk.send(frame).await;
    let (seq, _, topic, _) = rig.publish().await;
    rig.reply(client, seq, 100, topic.as_str(), b"");
    assert_eq!(sdk.expect_frame().await.result, ResultCode(100));
}

async fn expect_list(rig: &mut Rig, client: ClientId, names: &[&str]) {
    assert_eq!(rig.input().await, ClientInput::Subscribe { client, topics: topics(names) });
}

#[tokio::test]
async fn a_denied_publish_is_told_so_and_allowed_ones_go_on() {
    let audit = Audit::default();
    let (mut events, rights) = (audit.follow(), denying(vec![rule(named("sdk"), &["orders*"], &[], &[])]));
    let mut rig = Rig::with(|config: &mut Config| (config.rights, config.audit) = (rights, audit)).await;
    let (mut sdk, client) = rig.connect().await;
    expect_taken(&mut rig, client, &mut sdk, &publish(FrameKind::Unicast, "orders/new", 1, 3)).await;
    for (number, kind) in [(2, FrameKind::Unicast), (3, FrameKind::Multicast)] {
        let frame = publish(kind, "prices", number, 3);
        expect_refused(&mut rig, &mut sdk, &frame, ResultCode(-40012)).await;
    }
    let private = publish(FrameKind::Unicast, "#!$TopicNeedVerify_prices", 4, 3);
    expect_refused(&mut rig, &mut sdk, &private, ResultCode::DENIED).await;
    expect_taken(&mut rig, client, &mut sdk, &publish(FrameKind::Unicast, "#!$TopicNeedVerify_orders", 5, 3)).await;
    assert_eq!(rig.clients.statistics().publishes_denied, 3);
    let told = std::iter::from_fn(|| events.try_recv().ok());
    let denied: Vec<_> = told.filter(|told| told.event.kind() == Kind::PublishDenied).collect();
    assert_eq!(denied.len(), 3);
    let Event::PublishDenied { subject, topic, cause, .. } = &denied[0].event else { panic!("{denied:?}") };
    assert!(subject.as_str().contains("CN=sdk") && cause.as_str().contains("no rule allows it"), "{denied:?}");
    assert_eq!(topic.as_str(), "prices");
}

#[tokio::test]
async fn a_denied_topic_leaves_the_others_of_its_list_standing_and_is_shown() {
    let mut rig = rig(denying(vec![rule(Who::default(), &[], &["a*"], &[])])).await;
    let (mut sdk, client) = rig.connect().await;
    sdk.send(&list(&["a", "b", "_block_notify_1", "#!$TopicNeedVerify_ab", "#!$PushChannel_#!$TopicNeedVerify_a"]))
        .await;
    expect_list(&mut rig, client, &["a", "_block_notify_1", "#!$TopicNeedVerify_ab"]).await;
    let [denied] = &rig.clients.denied_topics()[..] else { panic!("one session") };
    assert_eq!(denied.count, 2, "a publishers' channel asks for the right to publish: {denied:?}");
    assert!(
        denied.client.contains("CN=sdk")
            && denied.first.iter().any(|(topic, why)| topic == "b" && why.contains("default"))
    );
    assert_eq!(rig.clients.statistics().topics_denied, 2);
    sdk.send(&list(&["a"])).await;
    expect_list(&mut rig, client, &["a"]).await;
    assert!(rig.clients.denied_topics().is_empty());
}

#[tokio::test]
async fn a_change_of_rights_reaches_open_sessions_both_ways() {
    let mut rig = rig(Arc::default()).await;
    let (mut sdk, client) = rig.connect().await;
    sdk.send(&list(&["a", "b"])).await;
    expect_list(&mut rig, client, &["a", "b"]).await;
    rig.renewal.set_rights(denying(vec![rule(Who::default(), &["a"], &["a"], &[])]));
    expect_list(&mut rig, client, &["a"]).await;
    expect_refused(&mut rig, &mut sdk, &publish(FrameKind::Unicast, "b", 1, 1), ResultCode::DENIED).await;
    rig.renewal.set_rights(Arc::default());
    expect_list(&mut rig, client, &["a", "b"]).await;
    expect_taken(&mut rig, client, &mut sdk, &publish(FrameKind::Unicast, "b", 2, 1)).await;
}

#[tokio::test]
async fn a_denied_subscription_ends_at_once_though_its_session_takes_nothing_from_its_socket() {
    let hour = Duration::from_secs(3600);
    let mut rig = Rig::with(|config| (config.timeouts.write, config.timeouts.idle) = (hour, hour)).await;
    let (mut sdk, client) = rig.connect_narrow(4 << 10).await;
    sdk.send(&list(&["a", "b"])).await;
    expect_list(&mut rig, client, &["a", "b"]).await;
    rig.deliver(client, amop::Kind::Multicast, "a", Bytes::from_static(b"short"), 1).unwrap();
    for number in 2..4 {
        rig.deliver(client, amop::Kind::Multicast, "a", vec![0; 1 << 20].into(), number).unwrap();
    }
    let clients = Arc::clone(&rig.clients);
    eventually(move || clients.statistics().frames_sent > 0).await;
    rig.renewal.set_rights(denying(vec![rule(Who::default(), &["a"], &["a"], &[])]));
    expect_list(&mut rig, client, &["a"]).await;
    rig.renewal.set_rights(Arc::default());
    expect_list(&mut rig, client, &["a", "b"]).await;
}

#[tokio::test]
async fn a_namespace_is_for_members_and_only_at_a_node_of_it() {
    let members = vec![named("sdk"), Who { agency: Some("agencyN".into()), ..Who::default() }];
    let rules =
        || Rules { namespaces: vec![Namespace { name: "ns".into(), members: members.clone() }], ..Rules::default() };
    let serving = |agency: &str| Some(Party::node(agency, "node0", &[1; 64]));
    let mut inside = Rig::with(|config| (config.rights, config.node) = (rights(rules()), serving("agencyN"))).await;
    inside.add_sdk("other");
    let (mut member, client) = inside.connect().await;
    expect_taken(&mut inside, client, &mut member, &publish(FrameKind::Unicast, "ns/x", 1, 1)).await;
    let (mut other, _) = inside.connect_as("other").await;
    expect_refused(&mut inside, &mut other, &publish(FrameKind::Unicast, "ns/x", 1, 1), ResultCode::DENIED).await;

    let mut outside = Rig::with(|config| (config.rights, config.node) = (rights(rules()), serving("agencyX"))).await;
    let (mut member, client) = outside.connect().await;
    expect_refused(&mut outside, &mut member, &publish(FrameKind::Unicast, "ns/x", 1, 1), ResultCode::DENIED).await;
    expect_taken(&mut outside, client, &mut member, &publish(FrameKind::Unicast, "nsx", 2, 1)).await;
}

async fn call(sdk: &mut Sdk, method: &str) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": [1]}).to_string();
    sdk.send(&Frame::request(FrameKind::Rpc, FrameSeq::from_number(9), body.into())).await;
    let answer: Value = serde_json::from_slice(&sdk.expect_frame().await.body).unwrap();
    answer["result"].clone()
}

#[tokio::test]
async fn lists_show_a_client_what_it_may_see() {
    let mut open = Rig::new().await;
    let (mut sdk, _) = open.connect().await;
    assert_eq!(call(&mut sdk, "getNodeInfo").await["Topic"], json!(["prices"]));
    assert_eq!(call(&mut sdk, "getPeers").await.as_array().unwrap().len(), 1);

    let others = Who { agency: Some("agencyA".into()), name: Some("node1".into()), ..Who::default() };
    let namespaces = vec![Namespace { name: "theirs".into(), members: vec![others] }];
    let deny = vec![rule(Who::default(), &[], &[], &["pri*"])];
    open.renewal.set_rights(rights(Rules { namespaces, deny, ..Rules::default() }));
    assert_eq!(call(&mut sdk, "getNodeInfo").await["Topic"], json!([]));
    assert_eq!(call(&mut sdk, "getPeers").await, json!([]));
    let seen = json!([node_id(1).to_string(), node_id(3).to_string()]);
    assert_eq!(call(&mut sdk, "getNodeIDList").await, seen, "the node itself, and who is in no namespace");
}

#[tokio::test]
async fn a_certificate_over_its_rate_is_told_103_and_others_are_unharmed() {
    let quota = Quota { messages: Some(5), ..Quota::default() };
    let mut rig = rig(limiting(named("sdk"), Per::Credential, quota)).await;
    rig.add_sdk("other");
    let ((mut first, one), (mut second, two)) = (rig.connect().await, rig.connect().await);
    let (mut other, other_client) = rig.connect_as("other").await;
    let mut over = 0;
    for number in 0..20 {
        let (sdk, client) = if number % 2 == 0 { (&mut first, one) } else { (&mut second, two) };
        sdk.send(&publish(FrameKind::Unicast, "t", number, 1)).await;
        tokio::select! {
            refused = sdk.expect_frame() => {
                assert_eq!(refused.result, ResultCode::OVER_LIMIT);
                over += 1;
            }
            (seq, _, topic, _) = rig.publish() => {
                rig.reply(client, seq, 100, topic.as_str(), b"");
                sdk.expect_frame().await;
            }
        }
    }
    assert!((10..=15).contains(&over), "{over} of 20: five at once, and five a second");
    for number in 0..20 {
        expect_taken(&mut rig, other_client, &mut other, &publish(FrameKind::Unicast, "t", number, 1)).await;
    }
    assert_eq!(rig.clients.statistics().publishes_over_quota, over);
}

#[tokio::test]
async fn bytes_a_second_of_an_agency_are_shared_by_its_certificates() {
    let quota = Quota { bytes: Some(1000), ..Quota::default() };
    let mut rig = rig(limiting(Who::default(), Per::Agency, quota)).await;
    rig.add_sdk("other");
    let (mut sdk, client) = rig.connect().await;
    expect_taken(&mut rig, client, &mut sdk, &publish(FrameKind::Unicast, "t", 1, 50_000)).await;
    let (mut other, _) = rig.connect_as("other").await;
    expect_refused(&mut rig, &mut other, &publish(FrameKind::Unicast, "t", 1, 1), ResultCode::OVER_LIMIT).await;
}

#[tokio::test]
async fn sessions_beyond_a_quota_are_refused_and_one_that_ends_makes_room() {
    let (log, _capturing) = Log::capture();
    let quota = Quota { sessions: Some(2), ..Quota::default() };
    let mut rig = rig(limiting(named("sdk"), Per::Credential, quota)).await;
    rig.add_sdk("other");
    let ((first, first_client), (_second, _)) = (rig.connect().await, rig.connect().await);
    let mut third = rig.try_sdk().await.unwrap();
    third.expect_closed().await;
    assert!(log.count("over the limit of 2") == 1 && log.count("[[rights.quota]]") == 1, "{}", log.text());
    let (_other, _) = rig.connect_as("other").await;
    drop(first);
    assert_eq!(rig.disconnected().await, first_client);
    eventually(|| rig.clients.statistics().sessions == 2).await;
    rig.connect().await;
}

#[tokio::test]
async fn a_list_with_more_topics_than_a_quota_allows_is_refused_and_the_former_stays() {
    let quota = Quota { topics: Some(3), ..Quota::default() };
    let mut rig = rig(limiting(Who::default(), Per::Agency, quota)).await;
    rig.add_sdk("other");
    let (mut sdk, client) = rig.connect().await;
    let (mut other, other_client) = rig.connect_as("other").await;
    sdk.send(&list(&["a", "b"])).await;
    expect_list(&mut rig, client, &["a", "b"]).await;
    other.send(&list(&["a", "b"])).await;
    eventually(|| rig.clients.statistics().subscriptions_refused == 1).await;
    other.send(&list(&["a"])).await;
    expect_list(&mut rig, other_client, &["a"]).await;
    rig.renewal.set_rights(Arc::default());
    // Each session tells its list again, by the new rights.
    for _ in 0..2 {
        assert!(matches!(rig.input().await, ClientInput::Subscribe { .. }));
    }
    other.send(&list(&["a", "b", "c"])).await;
    expect_list(&mut rig, other_client, &["a", "b", "c"]).await;
}

#[tokio::test]
async fn bytes_in_flight_of_an_agency_hold_up_its_sessions_and_no_others() {
    let quota = Quota { in_flight: Some(100), ..Quota::default() };
    let mut rig = rig(limiting(named("sdk"), Per::Credential, quota)).await;
    rig.add_sdk("other");
    let ((mut first, client), (mut second, _)) = (rig.connect().await, rig.connect().await);
    let (mut other, other_client) = rig.connect_as("other").await;
    first.send(&publish(FrameKind::Unicast, "t", 1, 200)).await;
    let (seq, ..) = rig.publish().await;
    second.send(&publish(FrameKind::Unicast, "t", 2, 1)).await;
    expect_taken(&mut rig, other_client, &mut other, &publish(FrameKind::Unicast, "t", 3, 200)).await;
    assert!(rig.has_no_input(), "the second session is not read");
    rig.reply(client, seq, 100, "t", b"");
    assert_eq!(first.expect_frame().await.seq, FrameSeq::from_number(1));
    rig.publish().await;
}
