//! The map of the network against members that would break it.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use nuncio_protocol::{
    Output, StatusInput, UnicastInput,
    status_sync::{Query, QueryId},
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

/// Of ten thousand nodes in a circle each has links to ten: nobody is further away than sixteen hops.
fn neighbours_among_ten_thousand(n: usize) -> Vec<usize> {
    let strides = [1, 6, 40, 250, 1_600].into_iter();
    strides.flat_map(|stride| [(n + stride) % 10_000, (n + 10_000 - stride) % 10_000]).collect()
}

#[test]
fn a_node_knows_ten_thousand_others_reaches_them_and_tells_them_to_who_asks() {
    let mut a = Lone::passive(0);
    let peers = neighbours_among_ten_thousand(0);
    for peer in &peers {
        a.link(*peer, &neighbours_among_ten_thousand(*peer), &[]);
    }
    let far: Vec<_> = (1..10_000).map(|n| record(n, 2, &neighbours_among_ten_thousand(n), &[])).collect();
    for some in far.chunks(500) {
        a.answered(1, some.to_vec());
    }
    a.advance(Duration::from_secs(3));
    let reached = a.overlay.nodes().iter().filter(|view| view.reachable).count();
    assert_eq!(reached, 10_000);
    assert_eq!(
        a.overlay.route(&node_id(5_000)).map(|path| path.len()),
        Some(9),
        "three strides of 1,600 and five of 40"
    );
    let over: Vec<_> = a.overlay.holdings().filter(|holding| !holding.is_within()).collect();
    assert!(over.is_empty(), "{over:?}");

    let (mut told, mut queries) = (BTreeMap::new(), 0);
    loop {
        let known = told.iter().map(|(node, version)| (*node, *version)).collect();
        let outputs = a.input(StatusInput::Queried {
            pages: 0,
            query: QueryId(1),
            peer: node_id(1),
            wanted: Query::All { known },
        });
        let [Output::Answer { records, more, .. }] = &outputs[..] else { panic!("{outputs:?}") };
        told.extend(records.iter().map(|record| (record.status.node, record.status.version)));
        queries += 1;
        if !more {
            break;
        }
    }
    assert_eq!((told.len(), queries), (10_000, 2), "in answers of 4 MiB");
}
