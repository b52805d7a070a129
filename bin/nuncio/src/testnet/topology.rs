//! Which nodes a node is configured to link to.

/// The shape of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Topology {
    /// Every node with every other
    Full,
    /// Each with the next, the last with the first
    Ring,
    /// Each with the next
    Line,
    /// All with node0
    Star,
}

impl Topology {
    /// The nodes that node `index` of `nodes` is configured with, in order. Both ends of a link name each
    /// other, so that either may start first.
    pub(crate) fn peers(self, index: usize, nodes: usize) -> Vec<usize> {
        (0..nodes).filter(|other| *other != index && self.links(index, *other, nodes)).collect()
    }

    /// Whether nodes may link beyond what is configured. Only a full mesh has nothing to lose by it.
    pub(crate) fn is_full(self) -> bool {
        self == Self::Full
    }

    fn links(self, a: usize, b: usize, nodes: usize) -> bool {
        let (low, high) = (a.min(b), a.max(b));
        match self {
            Self::Full => true,
            Self::Line => low + 1 == high,
            Self::Ring => low + 1 == high || (low == 0 && high + 1 == nodes),
            Self::Star => low == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_has_its_links() {
        let all = |topology: Topology, nodes| (0..nodes).map(|n| topology.peers(n, nodes)).collect::<Vec<_>>();
        assert_eq!(all(Topology::Full, 3), [[1, 2], [0, 2], [0, 1]]);
        assert_eq!(all(Topology::Ring, 4), [[1, 3], [0, 2], [1, 3], [0, 2]]);
        assert_eq!(all(Topology::Line, 3), [vec![1], vec![0, 2], vec![1]]);
        assert_eq!(all(Topology::Star, 3), [vec![1, 2], vec![0], vec![0]]);
        assert_eq!(all(Topology::Ring, 2), [[1], [0]]);
        assert_eq!(all(Topology::Ring, 1), [Vec::<usize>::new()]);
    }

    #[test]
    fn both_ends_name_each_other() {
        for topology in [Topology::Full, Topology::Ring, Topology::Line, Topology::Star] {
            for node in 0..7 {
                for peer in topology.peers(node, 7) {
                    assert!(topology.peers(peer, 7).contains(&node), "{topology:?} {node} {peer}");
                }
            }
        }
    }
}
