//! What other nodes may do with topics here: judged at the subscriber's node, and where a publisher's node picks subscribers.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    AccessInput, BridgeInput, Config, Output, Topic,
    amop::{
        ClientId, ClientInput, ClientOutput, Content, Destination, Kind, Message, Multicast, Post, PublishSeq, Refused,
        ResultCode,
    },
    peering::Direction,
    status_sync::Record,
};
use nuncio_rights::{Fallback, Limit, Namespace, Per, Quota, Rights, Role, Rule, Rules, Who};
use nuncio_testkit::simulator::{Lone, header, node_id, record};

const SEQ: PublishSeq = PublishSeq([9; 32]);
const PUBLISHER: ClientId = ClientId(1);

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("a valid topic")
}

fn rule(who: Who, publish: &[&str], subscribe: &[&str]) -> Rule {
    let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a pattern")).collect();
    Rule { who, publish: patterns(publish), subscribe: patterns(subscribe), see: Vec::new() }
}

fn of(agency: &str) -> Who {
    Who { agency: Some(agency.to_owned()), ..Who::default() }
}

/// Nodes of the agency `friend` may publish and subscribe `orders…`; all others nothing.
fn friends_only() -> Rules {
    let allow = vec![rule(of("friend"), &["orders*"], &["orders*"])];
    Rules { default: Fallback::Deny, allow, ..Rules::default() }
}

fn node(rules: Rules) -> Lone {
    let rights = Arc::new(Rights::new(rules).expect("possible rules"));
    Lone::new(0, Config { target_degree: 0, rights, ..Config::default() })
}

/// Links the `n`-th node, of this agency.
fn link(a: &mut Lone, n: usize, agency: &str, topics: &[(&str, u32)]) {
    a.connect(n, Direction::Outbound);
    a.answered(n, vec![of_agency(agency, record(n, 1, &[0], topics))]);
}

fn of_agency(agency: &str, record: Arc<Record>) -> Arc<Record> {
    let mut record = Arc::unwrap_or_clone(record);
    record.status.agency = agency.to_owned();
    Arc::new(record)
}

fn brings(a: &mut Lone, from: usize, number: u64, name: &str) -> Vec<Output> {
    let content =
        Content::Publish { message: number, topic: topic(name), tenant: None, data: Bytes::from_static(b"hi") };
    a.input(BridgeInput::Received {
        from: node_id(from),
        message: Message { header: header(from, 0, number), content },
    })
}

fn brings_multicast(a: &mut Lone, from: usize, number: u64, name: &str) -> Vec<Output> {
    let post =
        Post { seq: PublishSeq([number as u8; 32]), topic: topic(name), tenant: None, data: Bytes::from_static(b"hi") };
    let multicast = Multicast {
        source: node_id(from),
        epoch: 1,
        number,
        sent: Duration::ZERO,
        lifetime: Duration::from_secs(30),
        hops_left: 5,
        destinations: vec![Destination { node: node_id(0), key: Bytes::new() }],
        priority: Default::default(),
        post: Some(post),
        sealed: None,
    };
    a.input(BridgeInput::MulticastReceived { from: node_id(from), multicast })
}

fn delivered(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Client(ClientOutput::Deliver { .. }))).count()
}

fn answered(outputs: &[Output]) -> Option<ResultCode> {
    outputs.iter().find_map(|output| match output {
        Output::SendBridge { message: Message { content: Content::Result { code, .. }, .. }, .. } => Some(*code),
        _ => None,
    })
}

/// Whose messages were told of as denied, and to which topics.
fn told(outputs: &[Output]) -> Vec<(NodeId, String)> {
    let denied = outputs.iter().filter_map(|output| match output {
        Output::Denied { source, topic, .. } => Some((*source, topic.to_string())),
        _ => None,
    });
    denied.collect()
}

fn publish(a: &mut Lone, kind: Kind, name: &str) -> Vec<Output> {
    a.client(ClientInput::Publish {
        priority: Default::default(),
        client: PUBLISHER,
        seq: SEQ,
        kind,
        topic: topic(name),
        data: "hi".into(),
    })
}

fn replied(outputs: &[Output]) -> Option<ResultCode> {
    outputs.iter().find_map(|output| match output {
        Output::Client(ClientOutput::Reply { code, .. }) => Some(*code),
        _ => None,
    })
}

/// Where a publish went: of a unicast and of a multicast.
fn receivers(outputs: &[Output]) -> Vec<NodeId> {
    let receivers = outputs.iter().flat_map(|output| match output {
        Output::SendBridge { to, message: Message { content: Content::Publish { .. }, .. }, .. } => vec![*to],
        Output::SendMulticast { multicast, .. } => multicast.destinations.iter().map(|one| one.node).collect(),
        _ => Vec::new(),
    });
    receivers.collect()
}

#[test]
fn what_another_node_may_not_publish_is_delivered_to_nobody_and_its_publisher_told() {
    let mut a = node(friends_only());
    link(&mut a, 1, "friend", &[]);
    link(&mut a, 2, "stranger", &[]);
    a.subscriber(5, &["orders/new", "prices"]);
    let taken = brings(&mut a, 1, 1, "orders/new");
    assert_eq!((delivered(&taken), answered(&taken)), (1, None));
    for (number, from, name) in [(2, 1, "prices"), (1, 2, "orders/new"), (2, 2, "prices")] {
        let refused = brings(&mut a, from, number, name);
        assert_eq!((delivered(&refused), answered(&refused)), (0, Some(ResultCode::DENIED)), "{from} {name}");
        assert_eq!(told(&refused), [(node_id(from), name.to_owned())]);
    }
    assert_eq!(delivered(&brings_multicast(&mut a, 1, 8, "orders/new")), 1);
    let refused = brings_multicast(&mut a, 2, 9, "orders/new");
    assert_eq!((delivered(&refused), told(&refused)), (0, vec![(node_id(2), "orders/new".to_owned())]));
    assert_eq!(a.overlay.refused(), Refused { denied: 4, over_quota: 0 });
}

#[test]
fn a_private_topic_is_judged_as_the_topic_and_its_addresses_too() {
    let mut a = node(friends_only());
    link(&mut a, 1, "friend", &[]);
    link(&mut a, 2, "stranger", &[]);
    let private = "#!$TopicNeedVerify_orders";
    a.subscriber(5, &[private]);
    for (number, name) in [(1, private.to_owned()), (2, format!("#!$Private_{private}_00000001"))] {
        assert_eq!(answered(&brings(&mut a, 2, number, &name)), Some(ResultCode::DENIED), "{name}");
        assert_ne!(answered(&brings(&mut a, 1, number, &name)), Some(ResultCode::DENIED), "{name}");
    }
}

#[test]
fn messages_go_to_no_node_that_may_not_subscribe_whatever_its_record_says() {
    let mut a = node(friends_only());
    link(&mut a, 1, "friend", &[("orders", 1), ("prices", 1)]);
    link(&mut a, 2, "stranger", &[("orders", 4000), ("prices", 4000)]);
    a.subscriber(PUBLISHER.0, &[]);
    for _ in 0..20 {
        assert_eq!(receivers(&publish(&mut a, Kind::Unicast, "orders")), [node_id(1)]);
    }
    assert_eq!(receivers(&publish(&mut a, Kind::Multicast, "orders")), [node_id(1)]);
    let nobody = publish(&mut a, Kind::Unicast, "prices");
    assert_eq!((receivers(&nobody), replied(&nobody)), (Vec::new(), Some(ResultCode::NO_SUBSCRIBER)));
}

#[test]
fn a_change_of_rights_is_in_force_with_the_next_message() {
    let mut a = node(Rules::default());
    link(&mut a, 1, "friend", &[("orders", 1)]);
    link(&mut a, 2, "stranger", &[("orders", 1)]);
    a.subscriber(5, &["orders"]);
    a.subscriber(PUBLISHER.0, &[]);
    let everybody = |a: &mut Lone| receivers(&publish(a, Kind::Multicast, "orders")).len();
    assert_eq!(everybody(&mut a), 2);
    assert_eq!(delivered(&brings(&mut a, 2, 1, "orders")), 1);
    let rights = |rules| AccessInput::RightsChanged { rights: Arc::new(Rights::new(rules).expect("possible rules")) };
    a.input(rights(friends_only()));
    assert_eq!(everybody(&mut a), 1);
    assert_eq!(answered(&brings(&mut a, 2, 2, "orders")), Some(ResultCode::DENIED));
    assert_eq!(delivered(&brings(&mut a, 1, 1, "orders")), 1);
    a.input(rights(Rules::default()));
    assert_eq!(everybody(&mut a), 2, "their records say what they said before");
    assert_eq!(delivered(&brings(&mut a, 2, 3, "orders")), 1);
}

#[test]
fn a_node_that_comes_back_under_another_agency_is_judged_by_that() {
    let mut a = node(friends_only());
    link(&mut a, 1, "stranger", &[("orders", 1)]);
    a.subscriber(PUBLISHER.0, &[]);
    assert_eq!(receivers(&publish(&mut a, Kind::Multicast, "orders")), []);
    a.answered(1, vec![of_agency("friend", record(1, 2, &[0], &[("orders", 1)]))]);
    assert_eq!(receivers(&publish(&mut a, Kind::Multicast, "orders")), [node_id(1)]);
    a.answered(1, vec![of_agency("stranger", record(1, 3, &[0], &[("orders", 1)]))]);
    assert_eq!(receivers(&publish(&mut a, Kind::Multicast, "orders")), []);
}

#[test]
fn an_agency_below_another_is_judged_as_that_ones_and_not_by_the_name_it_gave_itself() {
    let mut a = node(friends_only());
    let mut below = Arc::unwrap_or_clone(of_agency("friend", record(1, 1, &[0], &[])));
    below.agency_path = Some("stranger/friend".into());
    a.connect(1, Direction::Outbound);
    a.answered(1, vec![Arc::new(below)]);
    a.subscriber(5, &["orders"]);
    assert_eq!(answered(&brings(&mut a, 1, 1, "orders")), Some(ResultCode::DENIED));
}

#[test]
fn a_linked_node_without_a_record_is_nobodys_friend_yet() {
    let mut a = node(friends_only());
    a.connect(1, Direction::Outbound);
    a.subscriber(5, &["orders"]);
    let outputs = brings(&mut a, 1, 1, "orders");
    assert_eq!((delivered(&outputs), answered(&outputs)), (0, Some(ResultCode::SUBSCRIBER_GONE)));
}

#[test]
fn an_sdks_rule_says_nothing_about_nodes() {
    let sdks = Who { role: Some(Role::Sdk), ..of("friend") };
    let mut a = node(Rules { allow: vec![rule(sdks, &["*"], &["*"])], ..friends_only() });
    link(&mut a, 1, "friend", &[]);
    a.subscriber(5, &["orders"]);
    assert_eq!(answered(&brings(&mut a, 1, 1, "orders")), Some(ResultCode::DENIED));
}

#[test]
fn messages_of_a_namespace_go_to_and_come_from_its_members() {
    let namespaces = vec![Namespace { name: "settlement".into(), members: vec![of("friend"), of("agency")] }];
    let mut a = node(Rules { namespaces, ..Rules::default() });
    link(&mut a, 1, "friend", &[("settlement/x", 1), ("open", 1)]);
    link(&mut a, 2, "stranger", &[("settlement/x", 1), ("open", 1)]);
    a.subscriber(5, &["settlement/x", "open"]);
    a.subscriber(PUBLISHER.0, &[]);
    assert_eq!(receivers(&publish(&mut a, Kind::Multicast, "settlement/x")), [node_id(1)]);
    assert_eq!(receivers(&publish(&mut a, Kind::Multicast, "open")).len(), 2);
    assert_eq!(answered(&brings(&mut a, 2, 1, "settlement/x")), Some(ResultCode::DENIED));
    assert_eq!(delivered(&brings(&mut a, 2, 2, "open")), 1);
    assert_eq!(delivered(&brings(&mut a, 1, 1, "settlement/x")), 1);
}

#[test]
fn a_node_over_its_agencys_quota_is_told_so_and_others_are_unharmed() {
    let quota = Quota { messages: Some(3), ..Quota::default() };
    let limits = vec![Limit { who: of("greedy"), per: Per::Agency, quota }];
    let mut a = node(Rules { limits, ..Rules::default() });
    for (n, agency) in [(1, "greedy"), (2, "greedy"), (3, "other")] {
        link(&mut a, n, agency, &[]);
    }
    a.subscriber(5, &["t"]);
    let taken =
        (1..=6).filter(|number| delivered(&brings(&mut a, 1 + *number as usize % 2, *number, "t")) == 1).count();
    assert_eq!(taken, 3);
    assert_eq!(answered(&brings(&mut a, 1, 7, "t")), Some(ResultCode::OVER_LIMIT));
    for number in 1..=20 {
        assert_eq!(delivered(&brings(&mut a, 3, number, "t")), 1);
    }
    assert_eq!(a.overlay.refused().over_quota, 4);
}

#[test]
fn a_publisher_that_one_node_denies_is_served_by_another_and_else_told() {
    let mut a = node(Rules::default());
    link(&mut a, 1, "friend", &[("t", 1)]);
    link(&mut a, 2, "friend", &[("t", 1)]);
    a.subscriber(PUBLISHER.0, &[]);
    let denial = |a: &mut Lone, outputs: &[Output]| {
        let sent = outputs.iter().find_map(|output| match output {
            Output::SendBridge { to, message, .. } => Some((*to, message.header.number)),
            _ => None,
        });
        let (to, number) = sent.expect("it is tried there");
        let from = if to == node_id(1) { 1 } else { 2 };
        let content = Content::Result { code: ResultCode::DENIED, data: Bytes::new() };
        let message = Message { header: header(from, 0, number), content };
        a.input(BridgeInput::Received { from: to, message })
    };
    let first = publish(&mut a, Kind::Unicast, "t");
    let second = denial(&mut a, &first);
    assert_eq!((receivers(&second).len(), replied(&second)), (1, None), "the other one is tried");
    assert_ne!(receivers(&first), receivers(&second));
    assert_eq!(replied(&denial(&mut a, &second)), Some(ResultCode::DENIED));
}
