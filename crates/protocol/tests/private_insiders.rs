//! Members that name channels of a private topic, and can prove nothing, silence no subscriber of another node.

use std::{collections::BTreeSet, time::Duration};

use nuncio_protocol::{
    Output, Topic,
    amop::{ChallengeId, ClientId, ClientInput, ClientOutput, Kind, PublishSeq},
};
use nuncio_testkit::simulator::{Lone, node_id, record};

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
