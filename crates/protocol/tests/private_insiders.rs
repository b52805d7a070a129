//! Members that name channels of a private topic, and can prove nothing, silence no subscriber of another node.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use nuncio_protocol::{
    BridgeInput, Output, Topic,
    amop::{ChallengeId, ClientId, ClientInput, ClientOutput, Content, Kind, Message, PublishSeq, TenantId},
};
use nuncio_testkit::simulator::{Lone, header, node_id, record};

const S: Duration = Duration::from_secs(1);
const PUBLISHER: ClientId = ClientId(1);
const PRIVATE: &str = "#!$TopicNeedVerify_t";
const PUSH: &str = "#!$PushChannel_#!$TopicNeedVerify_t";
const MEMBERS: usize = 4;

/// How long a silent challenge is waited for.
const VERDICT: u32 = 10;

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("a valid topic")
}

fn channel(name: &str) -> String {
    format!("#!$VerifyChannel_{PRIVATE}_{name:0>32}")
}

/// The challenges among these: who is asked, and at which channel.
fn asked(outputs: &[Output]) -> Vec<(ChallengeId, String)> {
    let challenge = |output: &Output| match output {
        Output::Client(ClientOutput::Challenge { challenge, channel, .. }) => {
            Some((*challenge, channel.as_str().to_owned()))
        }
        _ => None,
    };
    outputs.iter().filter_map(challenge).collect()
}

/// A node says that it has a subscriber at each of these channels.
fn names(
    a: &mut Lone,
    n: usize,
    version: u64,
    channels: impl IntoIterator<Item = String>,
) -> Vec<(ChallengeId, String)> {
    let channels: Vec<_> = channels.into_iter().collect();
    let mut topics = vec![(PRIVATE, channels.len() as u32)];
    topics.extend(channels.iter().zip(1..).map(|(channel, session)| (channel.as_str(), session)));
    asked(&a.answered(n, vec![record(n, version, &[0], &topics)]))
}

/// A node with a publisher of the topic, of which four members name so many channels each.
fn beset(each: usize) -> Lone {
    let mut a = Lone::passive(0);
    for n in 1..=MEMBERS + 3 {
        a.link(n, &[0], &[]);
    }
    a.client(ClientInput::Connected { client: PUBLISHER, tenant: None });
    a.client(ClientInput::Subscribe { client: PUBLISHER, topics: [topic(PUSH)].into() });
    for n in 1..=MEMBERS {
        names(&mut a, n, 2, (0..each).map(|one| channel(&format!("{n}x{one}"))));
    }
    a
}

/// In how many seconds a channel is asked.
fn waits(a: &mut Lone, mut open: Vec<(ChallengeId, String)>, name: &str) -> (u32, ChallengeId) {
    for second in 0..600 {
        if let Some((id, _)) = open.iter().find(|(_, at)| *at == channel(name)) {
            return (second, *id);
        }
        open = asked(&a.advance(S));
    }
    panic!("{name} is never asked");
}

fn proves(a: &mut Lone, challenge: ChallengeId) {
    a.client(ClientInput::ProofJudged { client: PUBLISHER, challenge, topic: topic(PRIVATE), accepted: true });
}

#[test]
fn members_that_name_channels_without_end_silence_no_subscriber() {
    let mut a = beset(400);
    let open = names(&mut a, 5, 2, [channel("early")]);
    let (waited, early) = waits(&mut a, open, "early");
    assert_eq!(waited, 0, "what is open elsewhere leaves it a place");
    proves(&mut a, early);
    for _ in 0..60 {
        a.advance(5 * S);
    }
    let open = names(&mut a, 6, 2, [channel("late")]);
    let (waited, late) = waits(&mut a, open, "late");
    assert!(waited <= VERDICT, "{waited}");
    proves(&mut a, late);
    let (client, seq, data) = (PUBLISHER, PublishSeq([9; 32]), "hi".into());
    let publish = ClientInput::Publish {
        client,
        seq,
        kind: Kind::Multicast,
        priority: Default::default(),
        topic: topic(PRIVATE),
        data,
    };
    let reached: BTreeSet<_> = a.client(publish).iter().filter_map(receiver).collect();
    assert_eq!(reached, [5, 6].map(node_id).into());
}

fn receiver(output: &Output) -> Option<nuncio_identity::NodeId> {
    match output {
        Output::SendMulticast { to, .. } => Some(*to),
        _ => None,
    }
}

#[test]
fn members_that_name_somebodys_channel_have_its_owner_wait_for_one_verdict() {
    let mut a = beset(2);
    a.advance((VERDICT + 1) * S);
    for n in 1..=MEMBERS {
        names(&mut a, n, 3, [channel("owned")]);
    }
    let open = names(&mut a, 5, 2, [channel("owned")]);
    let asked_owner = |challenges: &[(ChallengeId, String)]| {
        challenges.iter().any(|(id, _)| id.0[..48] == node_id(5).as_bytes()[..48])
    };
    let mut waited = 0;
    let mut challenges = open;
    while !asked_owner(&challenges) {
        challenges = asked(&a.advance(S));
        waited += 1;
        assert!(waited <= VERDICT + 1, "{waited}");
    }
}

/// Whom what is published to a channel comes to.
fn comes_to(outputs: &[Output]) -> Vec<ClientId> {
    let deliver = |output: &Output| match output {
        Output::Client(ClientOutput::Deliver { client, .. }) => Some(*client),
        _ => None,
    };
    outputs.iter().filter_map(deliver).collect()
}

/// The publisher, at another node, challenges a member's session; an accomplice there, who may challenge that too, sends it words
/// without end. Then the member, who poses as a publisher here, puts the publisher's challenge to an honest session.
#[test]
fn an_accomplice_at_the_publishers_node_makes_nobody_forget_what_the_publisher_asked() {
    let (honest, member, poser) = (ClientId(5), ClientId(6), ClientId(7));
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    for (client, own) in [(honest, "honest"), (member, "member")] {
        a.subscriber(client.0, &[PRIVATE, &channel(own)]);
    }
    a.subscriber(poser.0, &[PUSH]);
    let puts = |a: &mut Lone, number: u64, tenant: u64, data: &[u8]| {
        let content = Content::Publish {
            message: number,
            topic: topic(&channel("member")),
            tenant: Some(TenantId(tenant)),
            data: Bytes::copy_from_slice(data),
        };
        let message = Message { header: header(1, 0, number), content };
        comes_to(&a.input(BridgeInput::Received { from: node_id(1), message }))
    };
    assert_eq!(puts(&mut a, 1, 1, b"the publisher's"), [member]);
    let carried =
        (2..2_000_u64).filter(|n| !puts(&mut a, *n, 2, &[&n.to_be_bytes()[..], &[0; 4_000]].concat()).is_empty());
    assert!(carried.count() > 100);
    assert_eq!(puts(&mut a, 2_000, 1, b"another of his"), [member], "there is room for more of the publisher's");
    let put = |a: &mut Lone, words: &'static [u8]| {
        let (client, kind, topic) = (poser, Kind::Unicast, topic(&channel("honest")));
        let (seq, priority, data) =
            (PublishSeq([words.len() as u8; 32]), Default::default(), Bytes::from_static(words));
        comes_to(&a.client(ClientInput::Publish { client, seq, kind, priority, topic, data }))
    };
    assert_eq!(put(&mut a, b"the publisher's"), []);
    assert_eq!(put(&mut a, b"its own"), [honest]);
}
