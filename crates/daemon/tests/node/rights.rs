//! Rights of whole nodes: judged where messages leave and where they arrive, and changed while they run.

use nuncio_channel_client::{Client, PublishError};
use nuncio_node::{Incoming, NodeSnapshot, PublishError as NodePublishError};
use nuncio_protocol::Topic;
use nuncio_testkit::TestAuthority;
use tokio::time::timeout;

use crate::{
    audit::{entries, one},
    rig::{DEADLINE, Home, Running, peers},
};

/// A node of agency `agency` that has these rules, and one of `other`, which enforces nothing; linked, with an SDK at each.
struct Two {
    homes: [Home; 2],
    nodes: [Running; 2],
    sdks: [Client; 2],
}

impl Two {
    async fn new(rules: &str) -> Self {
        let own = TestAuthority::new();
        let other = own.agency("other");
        let homes = [Home::new(&own, "one", rules), Home::new(&other, "two", "")];
        let first = homes[0].start().await;
        homes[1].write(&peers(&[first.p2p]));
        let nodes = [first, homes[1].start().await];
        for (home, (node, authority)) in homes.iter().zip(nodes.iter().zip([&own, &other])) {
            node.links(1).await;
            authority.write_sdk_directory(&home.dir.path().join("sdk"), false);
        }
        let sdks = [sdk(&nodes[0], &homes[0]).await, sdk(&nodes[1], &homes[1]).await];
        Self { homes, nodes, sdks }
    }

    /// Replaces the rules of the first node without a restart.
    async fn rule(&self, rules: &str) {
        self.homes[0].write(rules);
        self.nodes[0].reloader.reload().await.unwrap();
    }

    /// Waits until the second node says to the first that it has subscribers of a topic.
    async fn told(&self, topic: &str) {
        let second = self.homes[1].id;
        let says =
            |node: &NodeSnapshot| node.node_id == second && node.topics().iter().any(|told| told.as_str() == topic);
        let mut snapshots = self.nodes[0].node.snapshots();
        timeout(DEADLINE, snapshots.wait_for(|now| now.nodes.iter().any(says))).await.unwrap().unwrap();
    }

    async fn stop(self) -> [Home; 2] {
        for node in self.nodes {
            node.stop().await;
        }
        self.homes
    }
}

async fn sdk(node: &Running, home: &Home) -> Client {
    let address = node.gateway.unwrap().to_string();
    Client::builder().node(address).certificates(home.dir.path().join("sdk")).connect().await.unwrap()
}

/// Publishes until the outcome is one of these: what other nodes know comes a little later.
async fn until(client: &Client, topic: &str, is_it: impl Fn(&Result<(), PublishError>) -> bool) {
    let trying = async {
        loop {
            let outcome = client.publish(topic, "hi").await.map(drop);
            if is_it(&outcome) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, trying).await.unwrap_or_else(|_| panic!("{topic}: it does not come to that"));
}

/// Answers every message to a topic.
async fn answer(client: &Client, topic: &str) {
    let mut subscription = client.subscribe([topic]).await.unwrap();
    tokio::spawn(async move {
        while let Some(delivery) = subscription.next().await {
            delivery.respond("got it").unwrap();
        }
    });
}

const ONLY_ORDERS: &str = r#"
[rights]
default = "deny"

[[rights.allow]]
who = { agency = "agency" }
publish = ["*"]
subscribe = ["*"]
see = ["*"]

[[rights.allow]]
who = { agency = "other" }
publish = ["orders*"]
subscribe = ["receipts"]
"#;

const DENIED: fn(&Result<(), PublishError>) -> bool = |outcome| matches!(outcome, Err(PublishError::Denied { .. }));
const NOBODY: fn(&Result<(), PublishError>) -> bool =
    |outcome| matches!(outcome, Err(PublishError::NoSubscriber { .. }));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_enforces_nothing_delivers_nothing_that_its_agency_may_not_publish_and_gets_nothing_it_may_not_subscribe()
 {
    let two = Two::new(ONLY_ORDERS).await;
    let [ours, theirs] = &two.sdks;
    for topic in ["orders/new", "prices"] {
        answer(ours, topic).await;
    }
    for topic in ["receipts", "secrets"] {
        answer(theirs, topic).await;
    }
    until(theirs, "orders/new", Result::is_ok).await;
    until(theirs, "prices", DENIED).await;
    until(ours, "receipts", Result::is_ok).await;
    two.told("secrets").await;
    assert!(
        NOBODY(&ours.publish("secrets", "hi").await.map(drop)),
        "though the other node says that it has a subscriber"
    );
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_change_without_a_restart_and_a_bad_one_changes_nothing() {
    let two = Two::new("").await;
    let [ours, theirs] = &two.sdks;
    answer(ours, "prices").await;
    until(theirs, "prices", Result::is_ok).await;
    two.rule(ONLY_ORDERS).await;
    until(theirs, "prices", DENIED).await;
    two.homes[0].write("[[rights.allow]]\nwho = { agency = \"other\" }\npublish = [\"pri*ces\"]\n");
    let error = two.nodes[0].reloader.reload().await.unwrap_err().to_string();
    assert!(error.contains("nuncio.toml:7:") && error.contains("at the end only"), "{error}");
    assert!(DENIED(&theirs.publish("prices", "hi").await.map(drop)));
    // An open session is judged anew, too.
    two.rule("[[rights.deny]]\nwho = { agency = \"agency\", role = \"sdk\" }\nsubscribe = [\"prices\"]\n").await;
    until(theirs, "prices", NOBODY).await;
    let denied = two.nodes[0].client.denied_topics().await.unwrap();
    assert_eq!(denied.len(), 1);
    assert!(denied[0].reason.contains("[[rights.deny]] number 1"), "{denied:?}");
    two.rule("").await;
    until(theirs, "prices", Result::is_ok).await;
    let [home, other] = two.stop().await;
    let entries = entries(&home);
    let (changed, denied) = (one(&entries, "rights_changed"), one(&entries, "message_denied"));
    assert_eq!(
        (&changed["actor"]["by"], &changed["default"], &changed["allow"]),
        (&"program".into(), &"deny".into(), &2.into())
    );
    assert_eq!((&denied["node"], &denied["topic"]), (&other.id.to_string().into(), &"prices".into()));
    let listed = one(&entries, "subscription_denied")["cause"].as_str().unwrap();
    assert!(listed.contains("\"prices\" (") && listed.contains("[[rights.deny]] number 1"), "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn multicasts_of_nodes_are_judged_at_both_ends_and_broadcasts_are_everybodys() {
    let two = Two::new("[[rights.deny]]\nwho = { agency = \"other\" }\npublish = [\"alarms\"]\n").await;
    let topic = |name: &str| Topic::new(name).unwrap();
    let mut listener = two.nodes[0].node.listen(vec![topic("alarms"), topic("news")], false).await;
    let alarm = async {
        // What is denied comes first: whatever is heard was sent after it.
        loop {
            two.nodes[1].node.publish(topic("alarms"), "fire".into()).await.unwrap();
            two.nodes[1].node.publish(topic("news"), "rain".into()).await.unwrap();
            two.nodes[1].node.broadcast("all".into()).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let heard = async {
        let (mut news, mut all) = (0, 0);
        while news < 3 || all < 3 {
            match listener.next().await.unwrap() {
                Incoming::Multicast { topic, .. } => {
                    assert_eq!(topic.as_str(), "news");
                    news += 1;
                }
                Incoming::Broadcast { .. } => all += 1,
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::select! {
        heard = timeout(DEADLINE, heard) => heard.unwrap(),
        never = alarm => never,
    }
    two.rule("[[rights.deny]]\nwho = { role = \"node\" }\npublish = [\"news\"]\nsubscribe = [\"alarms\"]\n").await;
    let denied = two.nodes[0].node.publish(topic("news"), "x".into()).await;
    assert!(matches!(denied, Err(NodePublishError::Denied { .. })), "{denied:?}");
    let failure = two.nodes[0].client.multicast("news", "x".into()).await.unwrap_err().to_string();
    assert!(failure.contains("may not publish"), "{failure}");
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_is_a_network_of_its_own() {
    let rules = r#"
[[rights.namespace]]
name = "ledger"
members = [{ agency = "agency" }]
"#;
    let two = Two::new(rules).await;
    let [ours, theirs] = &two.sdks;
    answer(ours, "ledger/blocks").await;
    answer(ours, "open").await;
    answer(theirs, "ledger/blocks").await;
    until(theirs, "open", Result::is_ok).await;
    // Of two subscribers, only the member's gets it, and the stranger's node brings nothing in.
    for _ in 0..10 {
        ours.publish("ledger/blocks", "block").await.unwrap();
    }
    let mut outsider = theirs.subscribe(["ledger/private"]).await.unwrap();
    ours.broadcast("ledger/private", "block").await.unwrap();
    until(ours, "ledger/private", NOBODY).await;
    assert!(timeout(std::time::Duration::from_millis(300), outsider.next()).await.is_err());
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_show_what_may_be_seen_and_the_operator_everything_on_request() {
    let rules = r#"
[[rights.namespace]]
name = "theirs"
members = [{ agency = "other" }]

[[rights.deny]]
see = ["secret*"]
"#;
    let two = Two::new(rules).await;
    let [ours, theirs] = &two.sdks;
    let _subscription = theirs.subscribe(["theirs/x", "secrets", "open"]).await.unwrap();
    for topic in ["theirs/x", "secrets", "open"] {
        two.told(topic).await;
    }
    let client = &two.nodes[0].client;
    let names = |topics: Vec<nuncio_admin::api::Topic>| topics.into_iter().map(|topic| topic.topic).collect::<Vec<_>>();
    assert_eq!(names(client.topics().await.unwrap()), ["open"]);
    assert_eq!(names(client.all_topics().await.unwrap()), ["open", "secrets", "theirs/x"]);
    let ids = |nodes: Vec<nuncio_admin::api::Node>| nodes.into_iter().map(|node| node.node_id).collect::<Vec<_>>();
    let (own, other) = (two.homes[0].id.to_string(), two.homes[1].id.to_string());
    assert_eq!(ids(client.nodes().await.unwrap()), std::slice::from_ref(&own));
    assert_eq!(ids(client.all_nodes().await.unwrap()).len(), 2);
    let shown = ours.call("getNodeIDList", serde_json::json!([1])).await.unwrap();
    assert_eq!(shown, serde_json::json!([own]), "nor is {other} shown to an SDK");
    assert_eq!(ours.call("getPeers", serde_json::json!([1])).await.unwrap(), serde_json::json!([]));
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nodes_multicast_to_a_namespace_is_refused_whoever_listens() {
    let rules = "[[rights.namespace]]\nname = \"ledger\"\nmembers = [{ agency = \"agency\" }]\n";
    let two = Two::new(rules).await;
    let topic = Topic::new("ledger/blocks").unwrap();
    let publish = || two.nodes[0].node.publish(topic.clone(), "block".into());
    let refused = publish().await.unwrap_err().to_string();
    assert!(refused.contains("the namespace \"ledger\"") && refused.contains("by AMOP"), "{refused}");
    two.rule("").await;
    publish().await.unwrap();
    two.stop().await;
}
