//! A node whose record was forgotten is as unknown as one that never was here, though its numbers are remembered.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_protocol::{
    BridgeInput, Config, Header, Input, MulticastInput, Output, UnicastInput,
    amop::{ClientOutput, Multicast},
    multicast::{Batch, Destination, Leg},
    unicast::{Content, Message},
};
use nuncio_testkit::simulator::{Lone, batch, header, listening, multicast, node_id, record};

const S: Duration = Duration::from_secs(1);

/// The one that is forgotten, behind node 1.
const SOURCE: usize = 3;

fn request(number: u64, sent: Duration) -> Input {
    let header = Header { sent, hops: 2, ..header(SOURCE, 0, number) };
    let message = Message { header, content: Content::Request { body: Bytes::new() } };
    UnicastInput::Received { from: node_id(1), message }.into()
}

fn cast(number: u64, sent: Duration) -> Input {
    let multicast = Multicast { sent, ..multicast(SOURCE, number, [0], number.to_string()) };
    BridgeInput::MulticastReceived { from: node_id(1), multicast }.into()
}

fn pushed(number: u64, sent: Duration) -> Input {
    let batch = Arc::new(Batch { sent, ..batch(SOURCE, number, vec![Bytes::from_static(b"x")]) });
    let destinations = vec![Destination { node: node_id(0), since: 1 }];
    MulticastInput::Received {
        from: node_id(1),
        leg: Leg { batch, hops_left: 15, priority: Default::default(), destinations },
    }
    .into()
}

fn is_heard(outputs: &[Output]) -> bool {
    let is_it = |output: &Output| {
        matches!(
            output,
            Output::Request { .. } | Output::Multicast { .. } | Output::Client(ClientOutput::Deliver { .. })
        )
    };
    outputs.iter().any(is_it)
}

#[test]
fn what_comes_of_it_waits_for_its_record() {
    for (what, make) in [("requests", request as fn(u64, Duration) -> Input), ("AMOP", cast), ("batches", pushed)] {
        let mut a = Lone::new(0, Config { target_degree: 0, forget_after: 60 * S, ..Config::default() });
        a.subscriber(5, &["t"]);
        let start = a.now;
        a.link(1, &[0, SOURCE], &[]);
        a.answered(1, vec![record(SOURCE, 1, &[1], &[])]);
        assert!(is_heard(&a.input(make(1, Duration::ZERO))), "{what}");
        a.answered(1, vec![listening(1, 2, &[0], &[])]);
        a.advance(120 * S);
        assert!(a.overlay.record(&node_id(SOURCE)).is_none(), "it went out of reach long ago");
        let sent = a.now - start;
        assert!(!is_heard(&a.input(make(2, sent))), "{what}");
        a.answered(1, vec![listening(1, 3, &[0, SOURCE], &[])]);
        assert!(is_heard(&a.answered(1, vec![record(SOURCE, 1, &[1], &[])])), "{what}: it waited");
    }
}
