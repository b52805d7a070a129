//! Questions for missing multicasts are signed by nobody: what is sent for them goes to whoever brought them, and to whom they
//! name only over that one.

use std::sync::Arc;

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    MulticastInput, Output,
    multicast::{Destination, Leg, Wanted},
};
use nuncio_testkit::simulator::{Lone, batch, listening, node_id};

/// The member asks in the name of node 3, which is behind node 2 as well.
const MEMBER: usize = 1;
const VICTIM: usize = 3;

/// Node 0, with the member and another one on the way to the victim, and an origin.
fn node() -> Lone {
    let mut a = Lone::passive(0);
    for n in [MEMBER, 2, 4] {
        a.link(n, &[0, VICTIM], &[]);
        a.answered(n, vec![listening(n, 2, &[0, VICTIM], &[])]);
    }
    a.answered(2, vec![listening(VICTIM, 1, &[MEMBER, 2, 4], &[])]);
    a
}

fn asked(a: &mut Lone, via: usize, origin: usize) -> Vec<NodeId> {
    let (asker, origin) = (node_id(VICTIM), node_id(origin));
    let wanted = Wanted { asker, origin, epoch: 1, topic: None, from: 1, to: 9, hops_left: 9 };
    let outputs = a.input(MulticastInput::Wanted { from: node_id(via), wanted });
    let hop = |output: &Output| match output {
        Output::SendBatch { to, .. } => Some(*to),
        _ => None,
    };
    outputs.iter().filter_map(hop).collect()
}

#[test]
fn what_the_origin_sends_again_goes_back_over_whoever_asked() {
    for via in [MEMBER, 2, 4] {
        let mut a = node();
        for _ in 0..3 {
            a.overlay.publish(None, Bytes::from_static(b"x"), a.now).expect("there is room");
            a.overlay.flush(a.now);
        }
        a.outputs();
        let hops = asked(&mut a, via, 0);
        assert!(!hops.is_empty() && hops.iter().all(|hop| *hop == node_id(via)), "{hops:?} for {via}");
    }
}

#[test]
fn what_a_relay_has_kept_goes_back_over_whoever_asked() {
    for via in [MEMBER, 2, 4] {
        let mut a = node();
        let destinations = vec![Destination { node: node_id(VICTIM), since: 1 }];
        let batch = Arc::new(batch(4, 1, vec![Bytes::from_static(b"x")]));
        a.input(MulticastInput::Received {
            from: node_id(4),
            leg: Leg { batch, hops_left: 15, priority: Default::default(), destinations },
        });
        assert_eq!(asked(&mut a, via, 4), [node_id(via)]);
    }
}
