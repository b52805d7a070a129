//! Ways through a network of a thousand nodes.

use std::{collections::BTreeSet, hint::black_box, time::Duration};

use nuncio_testkit::simulator::{Lone, node_id, record};

use super::{Turn, Work};

pub(super) const WORK: &[Work] = &[
    Work::new("routing/next_hop_1000", 100_000, next_hop),
    Work::new("routing/computed_anew_1000", 2000, computed_anew),
];

const NODES: usize = 1000;

/// Of the `n`-th node: eight, as far apart as the network is wide.
fn neighbours(n: usize, without: Option<usize>) -> Vec<usize> {
    let around = [1, 10, 100, 333].into_iter().flat_map(|far| [(n + far) % NODES, (n + NODES - far) % NODES]);
    around.filter(|other| Some(*other) != without).collect()
}

fn network() -> Lone {
    let mut node = Lone::passive(0);
    for n in neighbours(0, None) {
        node.link(n, &neighbours(n, None), &[]);
    }
    // As a neighbour tells them: the nearest first, never one that nobody reaches yet, and no more than a node has to hear.
    let (mut known, mut reached) = (BTreeSet::from([0]), vec![0]);
    while let Some(next) = (!reached.is_empty()).then(|| std::mem::take(&mut reached)) {
        reached.extend(next.iter().flat_map(|n| neighbours(*n, None)).filter(|n| known.insert(*n)));
        for some in reached.chunks(50) {
            node.answered(1, some.iter().map(|n| record(*n, 2, &neighbours(*n, None), &[])).collect());
            node.advance(Duration::from_secs(1));
        }
    }
    assert!((1..NODES).all(|n| node.overlay.next_hop(&node_id(n)).is_some()), "every node is reached");
    node
}

fn next_hop() -> Turn {
    let (node, far) = (network(), node_id(NODES / 2));
    Box::new(move || {
        black_box(node.overlay.next_hop(&far));
    })
}

/// A link between two others goes, or comes again.
fn computed_anew() -> Turn {
    let mut node = network();
    let far = node_id(NODES / 2);
    let mut versions = (3..).map(|seq| {
        let without = (seq % 2 == 1).then_some(NODES / 2 + 1);
        record(NODES / 2, seq, &neighbours(NODES / 2, without), &[])
    });
    Box::new(move || {
        let changed = versions.next().expect("there is always one more");
        black_box(node.answered(1, vec![changed]));
        black_box(node.overlay.next_hop(&far).expect("it is reached"));
        node.advance(Duration::from_secs(1));
    })
}
