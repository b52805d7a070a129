//! What applications hear of multicasts, judged.

use std::collections::BTreeMap;

use nuncio_identity::NodeId;
use nuncio_testkit::simulator::{Heard, Simulator, node_id};

/// Each message once, as it was published, in the origin's order, or a gap that names it: from the first one heard on.
pub(crate) fn invariant_heard_in_order_or_named(network: &Simulator) {
    let numbers = numbers(network);
    for (listening, heard) in &network.observed().heard {
        let origin = numbers[&listening.origin];
        let published = &network.observed().published[&(origin, listening.epoch, listening.topic.clone())];
        let published: BTreeMap<_, _> = published.iter().copied().collect();
        let mut next = None;
        for one in heard {
            let (first, last) = match *one {
                Heard::Message(number, body) => {
                    assert_eq!(published.get(&number), Some(&body), "{listening:?} heard what nobody said");
                    (number, number)
                }
                Heard::Gap(first, last) => (first, last),
            };
            assert!(next.is_none_or(|next| next == first), "{listening:?}: {first} in place of {next:?}");
            next = Some(last + 1);
        }
    }
}

fn numbers(network: &Simulator) -> BTreeMap<NodeId, usize> {
    (0..network.len()).map(|number| (node_id(number), number)).collect()
}
