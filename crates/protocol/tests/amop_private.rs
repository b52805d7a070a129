//! Private topics: a subscriber gets nothing before it has proved itself to the publisher's own session.

use std::time::Duration;

use nuncio_protocol::{
    BridgeInput, Output, PeeringInput, Topic,
    amop::{
        ChallengeId, ClientId, ClientInput, ClientOutput, Content, DeliveryId, Kind, Message, Multicast, PublishSeq,
        ResultCode,
    },
    status_sync::Version,
};
use nuncio_testkit::simulator::{Lone, header, node_id, record, sign};

const S: Duration = Duration::from_secs(1);
const SEQ: PublishSeq = PublishSeq([9; 32]);
const PUBLISHER: u64 = 1;
const PRIVATE: &str = "#!$TopicNeedVerify_t";
const PUSH: &str = "#!$PushChannel_#!$TopicNeedVerify_t";

fn channel(letter: char) -> String {
    channel_of("t", letter)
}

fn channel_of(topic: &str, letter: char) -> String {
    format!("#!$VerifyChannel_#!$TopicNeedVerify_{topic}_{}", letter.to_string().repeat(32))
}

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("a valid topic")
}

struct Asked {
    client: ClientId,
    id: ChallengeId,
    channel: String,
}

fn asked(outputs: &[Output]) -> Vec<Asked> {
    let challenge = |output: &Output| match output {
        Output::Client(ClientOutput::Challenge { client, challenge, topic, channel }) => {
            assert_eq!(topic.as_str(), PRIVATE);
            Some(Asked { client: *client, id: *challenge, channel: channel.as_str().to_owned() })
        }
        _ => None,
    };
    outputs.iter().filter_map(challenge).collect()
}

fn subscribe(a: &mut Lone, client: u64, topics: &[&str]) -> Vec<Output> {
    let client = ClientId(client);
    let mut outputs = a.client(ClientInput::Connected { client, tenant: None });
    let topics = topics.iter().map(|name| topic(name)).collect();
    outputs.extend(a.client(ClientInput::Subscribe { client, topics }));
    outputs
}

fn judge(a: &mut Lone, client: u64, challenge: ChallengeId, accepted: bool) -> Vec<Output> {
    a.client(ClientInput::ProofJudged { client: ClientId(client), challenge, topic: topic(PRIVATE), accepted })
}

fn publish(a: &mut Lone, kind: Kind, name: &str) -> Vec<Output> {
    let client = ClientId(PUBLISHER);
    a.client(ClientInput::Publish {
        priority: Default::default(),
        client,
        seq: SEQ,
        kind,
        topic: topic(name),
        data: "hi".into(),
    })
}

fn code(outputs: &[Output]) -> Option<ResultCode> {
    outputs.iter().find_map(|output| match output {
        Output::Client(ClientOutput::Reply { code, .. }) => Some(*code),
        _ => None,
    })
}

fn sent(outputs: &[Output]) -> Vec<Message> {
    let message = |output: &Output| match output {
        Output::SendBridge { message, .. } => Some(message.clone()),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}

fn multicasts(outputs: &[Output]) -> Vec<Multicast> {
    let multicast = |output: &Output| match output {
        Output::SendMulticast { multicast, .. } => Some(multicast.clone()),
        _ => None,
    };
    outputs.iter().filter_map(multicast).collect()
}

fn delivered(outputs: &[Output]) -> Vec<(ClientId, DeliveryId)> {
    let delivery = |output: &Output| match output {
        Output::Client(ClientOutput::Deliver { client, delivery, topic, .. }) => {
            assert_eq!(topic.as_str(), PRIVATE, "under its own name");
            Some((*client, *delivery))
        }
        _ => None,
    };
    outputs.iter().filter_map(delivery).collect()
}

/// Node 0 with a publisher and node 1, one of whose clients has proved itself.
fn proved() -> Lone {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[(PRIVATE, 1), (&channel('a'), 1)]);
    let id = asked(&subscribe(&mut a, PUBLISHER, &[PUSH]))[0].id;
    judge(&mut a, PUBLISHER, id, true);
    a
}

#[test]
fn nothing_is_sent_before_the_proof_and_only_to_whom_it_was_given() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[(PRIVATE, 1), (&channel('a'), 1)]);
    let open = asked(&subscribe(&mut a, PUBLISHER, &[PUSH]));
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].client, &open[0].channel), (ClientId(PUBLISHER), &channel('a')));
    assert_eq!(open[0].id.0[..48], node_id(1).as_bytes()[..48], "it looks like the node's ID");
    // A multicast is acknowledged like any other.
    for (kind, answer) in [(Kind::Unicast, ResultCode::NO_SUBSCRIBER), (Kind::Multicast, ResultCode::OK)] {
        let outputs = publish(&mut a, kind, PRIVATE);
        assert_eq!(code(&outputs), Some(answer));
        assert!(sent(&outputs).is_empty() && multicasts(&outputs).is_empty());
    }
    judge(&mut a, PUBLISHER, open[0].id, true);
    assert_eq!(sent(&publish(&mut a, Kind::Unicast, PRIVATE)).len(), 1);
    let outputs = publish(&mut a, Kind::Multicast, PRIVATE);
    assert_eq!((code(&outputs), multicasts(&outputs).len()), (Some(ResultCode::OK), 1));

    // Another publisher of this node has to see the proof itself.
    let other = asked(&subscribe(&mut a, 2, &[PUSH]));
    assert_eq!((other.len(), other[0].client), (1, ClientId(2)));
    let client = ClientId(2);
    let publish = ClientInput::Publish {
        priority: Default::default(),
        client,
        seq: SEQ,
        kind: Kind::Unicast,
        topic: topic(PRIVATE),
        data: "".into(),
    };
    assert_eq!(code(&a.client(publish)), Some(ResultCode::NO_SUBSCRIBER));
}

/// A node with a publisher, and another one whose client 5 has proved itself; clients 6 and 7 have not.
fn publisher_and_subscriber() -> (Lone, Lone) {
    let (mut a, mut b) = (Lone::passive(0), Lone::passive(1));
    a.link(1, &[0], &[]);
    b.link(0, &[1], &[]);
    subscribe(&mut b, 5, &[PRIVATE, &channel('a')]);
    tell(&mut a, &mut b);
    let id = asked(&subscribe(&mut a, PUBLISHER, &[PUSH]))[0].id;
    judge(&mut a, PUBLISHER, id, true);
    subscribe(&mut b, 6, &[PRIVATE, &channel('b')]);
    subscribe(&mut b, 7, &[PRIVATE]);
    (a, b)
}

/// The first node learns what the second one says now.
fn tell(a: &mut Lone, b: &mut Lone) -> Vec<Output> {
    b.advance(S);
    let record = b.overlay.record(&node_id(1)).expect("its own record").clone();
    a.answered(1, vec![record])
}

/// Hands over what the first node sends the second one.
fn carry(outputs: &[Output], b: &mut Lone) -> Vec<Output> {
    let from = node_id(0);
    let unicasts = sent(outputs).into_iter().map(|message| BridgeInput::Received { from, message });
    let multicasts =
        multicasts(outputs).into_iter().map(|multicast| BridgeInput::MulticastReceived { from, multicast });
    unicasts.chain(multicasts).flat_map(|input| b.input(input)).collect()
}

fn receivers(outputs: &[Output]) -> Vec<ClientId> {
    delivered(outputs).into_iter().map(|(client, _)| client).collect()
}

#[test]
fn the_subscribers_node_hands_the_message_to_the_proved_session_alone() {
    let (mut a, mut b) = publisher_and_subscriber();
    for kind in [Kind::Unicast, Kind::Multicast] {
        let outputs = publish(&mut a, kind, PRIVATE);
        assert_eq!(receivers(&carry(&outputs, &mut b)), [ClientId(5)]);
    }
    // A message to the private name itself, past the proof, reaches nobody.
    let mut message = sent(&publish(&mut a, Kind::Unicast, PRIVATE)).remove(0);
    if let Content::Publish { topic: name, .. } = &mut message.content {
        *name = topic(PRIVATE);
    }
    let outputs = b.input(BridgeInput::Received { from: node_id(0), message });
    assert!(delivered(&outputs).is_empty());
    assert!(matches!(sent(&outputs)[0].content, Content::Result { code: ResultCode::SUBSCRIBER_GONE, .. }));
}

#[test]
fn an_insider_that_names_a_channel_changes_nothing_for_its_owner() {
    let (mut a, mut b) = publisher_and_subscriber();
    let claim = || vec![record(2, 1, &[0, 1], &[(PRIVATE, 1), (&channel('a'), 1)])];
    a.link(2, &[0, 1], &[]);
    a.answered(2, claim());
    b.link(2, &[0, 1], &[]);
    b.answered(2, claim());
    assert!(asked(&a.advance(60 * S)).is_empty(), "the channel has its owner");
    for kind in [Kind::Unicast, Kind::Multicast] {
        let outputs = publish(&mut a, kind, PRIVATE);
        assert_eq!(receivers(&carry(&outputs, &mut b)), [ClientId(5)]);
    }
    // Nor does a session of the owner's node, also when the owner has gone: the name alone is nothing.
    subscribe(&mut b, 66, &[PRIVATE, &channel('a')]);
    b.client(ClientInput::Disconnected { client: ClientId(5) });
    subscribe(&mut b, 66, &[PRIVATE, &channel('a'), "again"]);
    let outputs = publish(&mut a, Kind::Unicast, PRIVATE);
    assert!(receivers(&carry(&outputs, &mut b)).is_empty());
    tell(&mut a, &mut b);
    assert_eq!(code(&publish(&mut a, Kind::Unicast, PRIVATE)), Some(ResultCode::NO_SUBSCRIBER));
}

#[test]
fn of_several_that_name_a_channel_one_is_asked_and_the_next_when_it_fails() {
    let mut a = Lone::passive(0);
    for n in [1, 2] {
        a.link(n, &[0], &[(PRIVATE, 1), (&channel('a'), 1)]);
    }
    let first = asked(&subscribe(&mut a, PUBLISHER, &[PUSH]));
    assert_eq!(first.len(), 1);
    let second = asked(&judge(&mut a, PUBLISHER, first[0].id, false));
    assert_eq!(second.len(), 1);
    assert_ne!(first[0].id.0[..48], second[0].id.0[..48]);
    judge(&mut a, PUBLISHER, second[0].id, true);
    assert_eq!(sent(&publish(&mut a, Kind::Unicast, PRIVATE)).len(), 1);
    assert!(asked(&a.advance(60 * S)).is_empty(), "it is taken");
}

/// As java-sdk does with every topic that it adds.
#[test]
fn a_session_that_draws_a_new_channel_is_not_lost_until_that_is_decided() {
    let (mut a, mut b) = publisher_and_subscriber();
    for (letter, accepted) in [('c', true), ('d', false)] {
        subscribe(&mut b, 5, &[PRIVATE, &channel(letter), "another"]);
        let outputs = publish(&mut a, Kind::Unicast, PRIVATE);
        assert_eq!(receivers(&carry(&outputs, &mut b)), [ClientId(5)], "before the news arrives");
        let open = asked(&tell(&mut a, &mut b));
        let new = open.iter().find(|one| one.channel == channel(letter)).expect("asked again");
        let outputs = publish(&mut a, Kind::Unicast, PRIVATE);
        assert_eq!(receivers(&carry(&outputs, &mut b)), [ClientId(5)], "while it is asked");
        judge(&mut a, PUBLISHER, new.id, accepted);
        let outputs = publish(&mut a, Kind::Unicast, PRIVATE);
        assert_eq!(receivers(&carry(&outputs, &mut b)).contains(&ClientId(5)), accepted);
    }
}

#[test]
fn a_channel_is_shown_with_one_subscriber() {
    let (mut a, mut b) = publisher_and_subscriber();
    tell(&mut a, &mut b);
    for overlay in [&a.overlay, &b.overlay] {
        let view = overlay.topics().into_iter().find(|view| view.topic.as_str() == channel('a')).expect("a channel");
        assert_eq!(view.nodes.into_iter().collect::<Vec<_>>(), [(node_id(1), 1)]);
    }
}

#[test]
fn a_session_that_no_longer_subscribes_gets_nothing() {
    let (mut a, mut b) = publisher_and_subscriber();
    let outputs = publish(&mut a, Kind::Multicast, PRIVATE);
    subscribe(&mut b, 5, &[&channel('a'), "another"]);
    assert!(receivers(&carry(&outputs, &mut b)).is_empty());
}

#[test]
fn a_restarted_node_has_proved_nothing() {
    let (mut a, _) = publisher_and_subscriber();
    let mut status = a.overlay.record(&node_id(1)).expect("its record").status.clone();
    status.version = Version { epoch: 2, seq: 1 };
    let open = asked(&a.answered(1, vec![sign(status)]));
    assert_eq!(open.len(), 1, "its session is another one now, though it has the same number");
    assert_eq!(code(&publish(&mut a, Kind::Unicast, PRIVATE)), Some(ResultCode::NO_SUBSCRIBER));
}

fn challenge(a: &mut Lone, client: u64, channel: &str, words: &'static str) -> Vec<Output> {
    let (client, data) = (ClientId(client), words.into());
    a.client(ClientInput::Publish {
        priority: Default::default(),
        client,
        seq: SEQ,
        kind: Kind::Unicast,
        topic: topic(channel),
        data,
    })
}

/// All sessions that get something, under whichever name.
fn reached(outputs: &[Output]) -> Vec<ClientId> {
    let client = |output: &Output| match output {
        Output::Client(ClientOutput::Deliver { client, .. }) => Some(*client),
        _ => None,
    };
    outputs.iter().filter_map(client).collect()
}

#[test]
fn a_challenge_is_taken_from_who_was_asked_and_goes_to_the_owner_alone() {
    let mut a = Lone::passive(0);
    subscribe(&mut a, 5, &[PRIVATE, &channel('a')]);
    subscribe(&mut a, 66, &[PRIVATE, &channel('b'), &channel('a')]);
    assert_eq!(code(&challenge(&mut a, 66, &channel('a'), "sign this")), Some(ResultCode::NO_SUBSCRIBER));
    assert_eq!(code(&challenge(&mut a, 5, &channel('b'), "sign this")), Some(ResultCode::NO_SUBSCRIBER));
    let open = asked(&subscribe(&mut a, PUBLISHER, &[PUSH]));
    assert_eq!(open.len(), 2);
    assert_eq!(reached(&challenge(&mut a, PUBLISHER, &channel('a'), "who are you")), [ClientId(5)]);
    let multicast = ClientInput::Publish {
        priority: Default::default(),
        client: ClientId(PUBLISHER),
        seq: SEQ,
        kind: Kind::Multicast,
        topic: topic(&channel('a')),
        data: "who".into(),
    };
    assert!(reached(&a.client(multicast)).is_empty(), "a challenge is a unicast");
}

/// Eve hands the publisher's challenge to the honest subscriber, posing as a publisher herself.
#[test]
fn nobody_is_asked_to_sign_what_another_was_asked() {
    let (mut a, mut b) = publisher_and_subscriber();
    subscribe(&mut b, 66, &[PRIVATE, &channel('e'), PUSH]);
    tell(&mut a, &mut b);
    let words = challenge(&mut a, PUBLISHER, &channel('e'), "0123456789abcdef");
    assert_eq!(reached(&carry(&words, &mut b)), [ClientId(66)]);
    let relayed = challenge(&mut b, 66, &channel('a'), "0123456789abcdef");
    assert_eq!((code(&relayed), reached(&relayed)), (Some(ResultCode::NO_SUBSCRIBER), Vec::new()));
    // At the publisher's own node neither, and not from another node through which she tries it.
    subscribe(&mut a, 67, &[PUSH]);
    assert_eq!(code(&challenge(&mut a, 67, &channel('a'), "0123456789abcdef")), Some(ResultCode::NO_SUBSCRIBER));
    let content =
        Content::Publish { message: 900, topic: topic(&channel('a')), tenant: None, data: "0123456789abcdef".into() };
    b.link(2, &[1], &[]);
    let message = Message { header: header(2, 1, 900), content };
    assert!(reached(&b.input(BridgeInput::Received { from: node_id(2), message })).is_empty());
    // Nor has she them forgotten by words without end to a channel of her own.
    subscribe(&mut b, 68, &[PRIVATE, &channel('f')]);
    for n in 0..4000 {
        let words = format!("{n}{}", "x".repeat(4000));
        challenge(&mut b, 66, &channel('f'), words.leak());
    }
    assert_eq!(code(&challenge(&mut b, 66, &channel('a'), "0123456789abcdef")), Some(ResultCode::NO_SUBSCRIBER));
    // Of her own words he is asked.
    assert_eq!(reached(&challenge(&mut b, 66, &channel('a'), "other words")), [ClientId(5)]);
}

#[test]
fn local_subscribers_prove_themselves_too() {
    let mut a = Lone::passive(0);
    subscribe(&mut a, 5, &[PRIVATE, &channel('a')]);
    subscribe(&mut a, 6, &[&channel('b')]);
    let open = asked(&subscribe(&mut a, PUBLISHER, &[PUSH]));
    assert_eq!(open.iter().map(|one| one.channel.clone()).collect::<Vec<_>>(), [channel('a')]);
    assert_eq!(code(&publish(&mut a, Kind::Unicast, PRIVATE)), Some(ResultCode::NO_SUBSCRIBER));
    judge(&mut a, PUBLISHER, open[0].id, true);
    let outputs = publish(&mut a, Kind::Unicast, PRIVATE);
    let (client, delivery) = delivered(&outputs)[0];
    assert_eq!(client, ClientId(5));
    let answer = ClientInput::Acknowledge { client, delivery, code: ResultCode::OK, data: "got it".into() };
    assert_eq!(code(&a.client(answer)), Some(ResultCode::OK));
    let outputs = publish(&mut a, Kind::Multicast, PRIVATE);
    assert_eq!(delivered(&outputs)[0].0, ClientId(5));
}

#[test]
fn challenges_are_single_use_and_belong_to_their_session() {
    let mut a = Lone::passive(0);
    subscribe(&mut a, 2, &[]);
    a.link(1, &[0], &[(PRIVATE, 1), (&channel('a'), 1)]);
    let id = asked(&subscribe(&mut a, PUBLISHER, &[PUSH]))[0].id;
    judge(&mut a, 2, id, true);
    let invented = ChallengeId([7; 64]);
    judge(&mut a, PUBLISHER, invented, true);
    let about = ClientInput::ProofJudged {
        client: ClientId(PUBLISHER),
        challenge: id,
        topic: topic("#!$TopicNeedVerify_other"),
        accepted: true,
    };
    a.client(about);
    assert_eq!(code(&publish(&mut a, Kind::Unicast, PRIVATE)), Some(ResultCode::NO_SUBSCRIBER));
    judge(&mut a, PUBLISHER, id, false);
    judge(&mut a, PUBLISHER, id, true);
    assert_eq!(code(&publish(&mut a, Kind::Unicast, PRIVATE)), Some(ResultCode::NO_SUBSCRIBER), "used already");
}

#[test]
fn a_failed_or_silent_subscriber_is_challenged_again_after_a_pause() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[(PRIVATE, 1), (&channel('a'), 1)]);
    let first = asked(&subscribe(&mut a, PUBLISHER, &[PUSH]))[0].id;
    judge(&mut a, PUBLISHER, first, false);
    assert!(asked(&a.advance(29 * S)).is_empty());
    let second = asked(&a.advance(2 * S))[0].id;
    assert_ne!(first, second);
    assert!(asked(&a.advance(11 * S)).is_empty(), "silent");
    judge(&mut a, PUBLISHER, second, true);
    assert_eq!(code(&publish(&mut a, Kind::Unicast, PRIVATE)), Some(ResultCode::NO_SUBSCRIBER), "too late");
    let third = asked(&a.advance(31 * S))[0].id;
    judge(&mut a, PUBLISHER, third, true);
    assert_eq!(sent(&publish(&mut a, Kind::Unicast, PRIVATE)).len(), 1);
}

/// A client that moved to another node while its old node was cut off is not taken for two.
#[test]
fn a_node_out_of_reach_owns_nothing() {
    let mut a = Lone::passive(0);
    let link = a.link(1, &[0], &[(PRIVATE, 1), (&channel('a'), 1)]);
    a.link(2, &[0], &[(PRIVATE, 1), (&channel('a'), 1)]);
    for one in asked(&subscribe(&mut a, PUBLISHER, &[PUSH])) {
        judge(&mut a, PUBLISHER, one.id, one.id.0[..48] == node_id(1).as_bytes()[..48]);
    }
    let mut open = asked(&a.input(PeeringInput::ConnectionClosed { connection: link, reason: "reset".into() }));
    open.extend(asked(&a.advance(31 * S)));
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].id.0[..48], node_id(2).as_bytes()[..48]);
}

#[test]
fn another_session_proves_itself_and_names_are_exact() {
    let mut a = proved();
    let outputs = a.answered(1, vec![record(1, 9, &[0], &[(PRIVATE, 1), (&channel('b'), 2)])]);
    assert_eq!(asked(&outputs)[0].channel, channel('b'));
    assert_eq!(code(&publish(&mut a, Kind::Unicast, PRIVATE)), Some(ResultCode::NO_SUBSCRIBER));

    let mut a = Lone::passive(0);
    a.link(1, &[0], &[(PRIVATE, 1), ("#!$TopicNeedVerify_tt", 1), (&channel_of("tt", 'a'), 1)]);
    assert!(asked(&subscribe(&mut a, PUBLISHER, &[PUSH])).is_empty(), "the channel of tt is not one of t");
}

#[test]
fn many_subscribers_are_challenged_a_few_at_a_time() {
    let mut a = Lone::passive(0);
    for client in 100..140 {
        let own = format!("#!$VerifyChannel_{PRIVATE}_{client:032}");
        subscribe(&mut a, client, &[PRIVATE, &own]);
    }
    let mut open = asked(&subscribe(&mut a, PUBLISHER, &[PUSH]));
    assert_eq!(open.len(), 32);
    let mut judged = 0;
    while let Some(one) = open.pop() {
        open.extend(asked(&judge(&mut a, PUBLISHER, one.id, true)));
        judged += 1;
    }
    assert_eq!(judged, 40);
    assert_eq!(delivered(&publish(&mut a, Kind::Multicast, PRIVATE)).len(), 40);
}

#[test]
fn names_for_nodes_and_publishers_take_no_publishes() {
    let mut a = Lone::passive(0);
    subscribe(&mut a, 5, &[PUSH, "#!$Private_x"]);
    subscribe(&mut a, PUBLISHER, &[]);
    for name in [PUSH, "#!$Private_x"] {
        assert_eq!(code(&publish(&mut a, Kind::Unicast, name)), Some(ResultCode::NO_SUBSCRIBER));
        assert!(
            !publish(&mut a, Kind::Multicast, name)
                .iter()
                .any(|output| { matches!(output, Output::Client(ClientOutput::Deliver { .. })) })
        );
    }
}
