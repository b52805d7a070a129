//! An answer that was lost goes back another way when its source asks once more.

use std::time::Duration;

use bytes::Bytes;
use nuncio_protocol::{
    BridgeInput, Header, Output, Topic, UnicastInput,
    amop::{self, ClientId, ClientInput, ClientOutput, DeliveryId, ResultCode},
    unicast::{Content, InboundId, Message},
};
use nuncio_testkit::simulator::{Lone, header, node_id, record};

const S: Duration = Duration::from_secs(1);

/// Who asks; node 4 beside it may swallow answers.
const SOURCE: usize = 9;
const OTHER_SOURCE: usize = 8;

/// Node 0 is asked. From its peers 1 and 2 the shortest way to the sources leads over node 4; from its peer 3 there is a longer
/// one, 3 – 6 – 7, round that.
fn target() -> Lone {
    let mut target = Lone::passive(0);
    target.link(1, &[0, 4], &[]);
    target.link(2, &[0, 4], &[]);
    target.link(3, &[0, 6], &[]);
    let edges: [(usize, &[usize]); 5] =
        [(4, &[1, 2, SOURCE, OTHER_SOURCE]), (6, &[3, 7]), (7, &[6, SOURCE]), (SOURCE, &[4, 7]), (OTHER_SOURCE, &[4])];
    target.answered(1, edges.map(|(n, neighbours)| record(n, 1, neighbours, &[])).into());
    target
}

fn relayed(source: usize, number: u64, sent: Duration) -> Header {
    Header { sent, lifetime: 10 * S, hops: 3, hops_left: 13, ..header(source, 0, number) }
}

/// A request as node `via` brings it, sent at `sent` by its source's clock.
fn asked(via: usize, source: usize, number: u64, sent: Duration) -> UnicastInput {
    let message = Message {
        header: relayed(source, number, sent),
        content: Content::Request { body: Bytes::from_static(b"ping") },
    };
    UnicastInput::Received { from: node_id(via), message }
}

/// An AMOP message, likewise.
fn published(via: usize, number: u64, sent: Duration) -> BridgeInput {
    let topic = Topic::new("t").expect("a topic");
    let content = amop::Content::Publish { message: number, topic, tenant: None, data: Bytes::from_static(b"ping") };
    let message = amop::Message { header: relayed(SOURCE, number, sent), content };
    BridgeInput::Received { from: node_id(via), message }
}

/// Over which peers something is sent.
fn over(outputs: &[Output]) -> Vec<usize> {
    let to = |output: &Output| match output {
        Output::SendUnicast { to, .. } | Output::SendBridge { to, .. } => (0..10).find(|n| node_id(*n) == *to),
        _ => None,
    };
    outputs.iter().filter_map(to).collect()
}

fn respond(target: &mut Lone, inbound: u64) -> Vec<usize> {
    over(&target.input(UnicastInput::Respond { inbound: InboundId(inbound), body: Bytes::from_static(b"pong") }))
}

#[test]
fn an_answer_that_was_lost_goes_back_round_whoever_may_have_swallowed_it() {
    let mut target = target();
    target.input(asked(1, SOURCE, 1, Duration::ZERO));
    assert_eq!(respond(&mut target, 0), [1], "the way it came");
    target.advance(2 * S);
    assert_eq!(over(&target.input(asked(2, SOURCE, 1, 2 * S))), [3], "from 1 and from 2 all ways lead over 4");

    target.input(asked(1, SOURCE, 2, 2 * S));
    assert_eq!(respond(&mut target, 1), [3], "the next one does not go that way first");
    target.input(asked(1, OTHER_SOURCE, 1, 2 * S));
    assert_eq!(respond(&mut target, 2), [1], "another node's answers were not lost");

    target.advance(2 * S);
    assert_eq!(over(&target.input(asked(1, SOURCE, 2, 4 * S))), [2], "not over one of those that were in vain");
    target.advance(2 * S);
    assert_eq!(over(&target.input(asked(1, SOURCE, 2, 6 * S))), [1], "where all were, the way it came");

    target.advance(31 * S);
    target.input(asked(2, SOURCE, 3, 37 * S));
    assert_eq!(respond(&mut target, 3), [2], "it is forgotten after a while");
}

#[test]
fn whoever_asks_again_and_again_at_once_has_one_answer_lost() {
    let mut target = target();
    target.input(asked(1, SOURCE, 1, Duration::ZERO));
    assert_eq!(respond(&mut target, 0), [1]);
    for n in 1..=100 {
        assert_eq!(over(&target.input(asked(2, SOURCE, 1, n * S / 1000))), [3], "{n}");
    }
}

#[test]
fn what_a_relay_sends_again_turns_no_answer_round() {
    let mut target = target();
    target.input(asked(1, SOURCE, 1, Duration::ZERO));
    assert!(over(&target.input(asked(2, SOURCE, 1, Duration::ZERO))).is_empty());
    assert_eq!(respond(&mut target, 0), [1], "not to whoever brings a copy of it");
    assert!(over(&target.input(asked(2, SOURCE, 1, Duration::ZERO))).is_empty());
    target.input(asked(1, SOURCE, 2, Duration::ZERO));
    assert_eq!(respond(&mut target, 1), [1], "nothing was lost");
}

#[test]
fn the_result_of_an_amop_message_does_likewise() {
    let mut target = target();
    let client = target.subscriber(5, &["t"]);
    let deliver = |outputs: &[Output]| outputs.iter().find_map(delivery_of).expect("a delivery");
    let acknowledge = |target: &mut Lone, delivery| {
        let (code, data) = (ResultCode::OK, Bytes::from_static(b"pong"));
        over(&target.client(ClientInput::Acknowledge { client, delivery, code, data }))
    };
    let delivery = deliver(&target.input(published(1, 1, Duration::ZERO)));
    assert_eq!(acknowledge(&mut target, delivery), [1]);
    assert_eq!(over(&target.input(published(2, 1, Duration::ZERO))), [2], "a copy is answered where it comes from");
    target.advance(S);
    assert_eq!(over(&target.input(published(2, 1, S))), [3], "the same links, but its source asks anew");
    let delivery = deliver(&target.input(published(1, 2, S)));
    assert_eq!(acknowledge(&mut target, delivery), [3]);
    let again = (0..20).filter(|n| !over(&target.input(published(2, 2, S + S / 10 * (1 + n)))).is_empty());
    assert_eq!(again.count(), 7, "a few times, and no more");
}

fn delivery_of(output: &Output) -> Option<DeliveryId> {
    match output {
        Output::Client(ClientOutput::Deliver { client: ClientId(5), delivery, .. }) => Some(*delivery),
        _ => None,
    }
}
