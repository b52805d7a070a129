//! The map of the network against members that would break it.

use bytes::Bytes;
use nuncio_protocol::{
    Output, UnicastInput,
    unicast::{Content, Message},
};
use nuncio_testkit::simulator::{Lone, header, node_id, record};

/// A request that a peer passes on in its own name.
fn asked(from: usize, target: usize, number: u64) -> UnicastInput {
    let content = Content::Request { body: Bytes::from_static(b"pay 100") };
    let message = Message { header: header(from, target, number), content };
    UnicastInput::Received { from: node_id(from), message }
}

#[test]
fn a_member_that_asks_the_way_to_a_node_it_has_just_made_known_harms_nobody() {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 3], &[]);
    a.link(2, &[0, 3], &[]);
    a.answered(1, vec![record(3, 1, &[1, 2], &[])]);
    a.input(asked(1, 1, 1));
    a.answered(1, vec![record(9, 1, &[1], &[])]);
    let outputs = a.input(asked(1, 9, 2));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Request { .. })), "{outputs:?}");
    assert_eq!(a.overlay.route(&node_id(3)).map(|path| path.len()), Some(3));
}
