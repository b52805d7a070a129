//! A node that publishes, and who listens.

use nuncio_testkit::simulator::{Lone, listening};

/// Node 0 with listeners: 1 and 2 are linked, 3 is behind 1.
pub(crate) fn origin() -> Lone {
    let mut a = Lone::passive(0);
    for (n, neighbours) in [(1, &[0, 3][..]), (2, &[0])] {
        a.link(n, neighbours, &[]);
        a.answered(n, vec![listening(n, 2, neighbours, &["prices"])]);
    }
    a.answered(1, vec![listening(3, 1, &[1], &["prices"])]);
    a
}
