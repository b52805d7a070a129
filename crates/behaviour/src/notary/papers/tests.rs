use nuncio_identity::NodeKey;
use nuncio_protocol::{
    Topic,
    amop::{Destination, Post, PublishSeq},
};
use nuncio_testkit::simulator::record;

use super::*;

fn gossip(bytes: usize) -> Paper {
    let gossip = Gossip {
        origin: NodeKey::generate().node_id(),
        epoch: 1,
        number: 1,
        sent: Duration::ZERO,
        lifetime: Duration::from_secs(10),
        body: vec![0; bytes].into(),
        place: None,
    };
    Paper::Gossip { lane: Lane::Short, topic: "t".into(), gossip }
}

fn status(seq: u64) -> Paper {
    Paper::Status { status: Box::new(record(1, seq, &[0], &[]).status.clone()), chain: Vec::new() }
}

fn announcement(seq: u64) -> Paper {
    Paper::Announcement { version: Version { epoch: 1, seq }, clock: Duration::ZERO }
}

fn seq(paper: Option<Paper>) -> u64 {
    match paper {
        Some(Paper::Status { status, .. }) => status.version.seq,
        Some(Paper::Announcement { version, .. }) => version.seq,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_newest_status_comes_first_then_the_newest_announcement_then_messages_as_they_came() {
    let (mut papers, now) = (Papers::default(), Instant::now());
    for paper in [gossip(1), announcement(1), status(1), gossip(2), announcement(2), status(2)] {
        assert!(papers.push(paper, now));
    }
    assert_eq!([seq(papers.next(now)), seq(papers.next(now))], [2, 2]);
    for length in [1, 2] {
        let Some(Paper::Gossip { gossip, .. }) = papers.next(now) else { panic!("the {length}th message") };
        assert_eq!(gossip.body.len(), length);
        papers.done(None);
    }
    assert!(papers.next(now).is_none());
}

#[test]
fn what_was_not_signed_is_the_next_again_unless_there_is_a_newer_one() {
    let (mut papers, now) = (Papers::default(), Instant::now());
    papers.push(status(1), now);
    let old = papers.next(now).unwrap();
    papers.put_back(old);
    let old = papers.next(now).unwrap();
    papers.push(status(2), now);
    papers.put_back(old);
    assert_eq!(seq(papers.next(now)), 2);
    papers.push(gossip(7), now);
    papers.push(gossip(8), now);
    let first = papers.next(now).unwrap();
    papers.put_back(first);
    assert!(matches!(papers.next(now), Some(Paper::Gossip { gossip, .. }) if gossip.body.len() == 7));
}

#[test]
fn messages_are_bounded_in_number_and_bytes_until_they_are_taken_and_the_old_ones_go() {
    let (mut papers, now) = (Papers::default(), Instant::now());
    assert!((0..MAX_MESSAGES).all(|_| papers.push(gossip(1), now)));
    assert!(!papers.push(gossip(1), now) && papers.push(status(1), now), "a status has its own place");
    papers.next(now);
    papers.next(now);
    papers.done(Some(Signed::Announcement(Vec::new())));
    assert!(!papers.push(gossip(1), now), "it is signed, and not taken");
    assert!(papers.take().is_some() && papers.push(gossip(1), now));

    let mut papers = Papers::default();
    assert!((0..32).all(|_| papers.push(gossip(1 << 20), now)) && !papers.push(gossip(1), now));
    assert!(papers.next(now + Duration::from_secs(10)).is_none(), "nobody would take them any more");
    assert!(papers.count == 0 && papers.bytes == 0 && papers.push(gossip(1), now));
}

#[test]
fn a_multicast_stays_on_the_account_of_the_client_whose_it_is() {
    let keys = [NodeKey::generate(), NodeKey::generate()];
    let [source, node] = [keys[0].node_id(), keys[1].node_id()];
    let [context, other] = keys.map(|key| SigningContext::new(key, "test"));
    other.keyring().begin(2);
    assert!(context.keyring().learn(node, 2, &other.keyring().public()));
    let multicast = Multicast {
        source,
        epoch: 1,
        number: 1,
        sent: Duration::ZERO,
        lifetime: Duration::from_secs(10),
        hops_left: 4,
        priority: Default::default(),
        destinations: vec![Destination { node, key: Bytes::new() }],
        post: Some(Post {
            seq: PublishSeq([1; 32]),
            topic: Topic::new("t").unwrap(),
            tenant: None,
            data: "data".into(),
        }),
        sealed: None,
    };
    let (account, to) = (Account::Client(7), NodeKey::generate().node_id());
    let paper = Paper::Multicast { to, account, multicast: Box::new(multicast) };
    let signed = paper.sign(&context).unwrap();
    assert!(matches!(signed, Some(Signed::Multicast { account, .. }) if account == Account::Client(7)), "{signed:?}");
}
