//! Who may say of what this node sent that it went no further.

use nuncio_identity::NodeId;
use smallvec::SmallVec;

use super::Routing;

/// So many nodes of a way are kept, the nearest ones.
const MOST: usize = 64;

/// Whom a message may have met, by the first hops that it was sent over, as the map was then. Looking for them costs a search:
/// whoever says something of it has none made but the first time.
///
/// Bound: a way of [`MOST`] nodes for each first hop.
#[derive(Debug, Default)]
pub(crate) struct WaysTaken(SmallVec<[Way; 1]>);

#[derive(Debug)]
struct Way {
    first_hop: NodeId,
    /// The map that it was found on.
    search: u64,
    nodes: Vec<NodeId>,
}

impl Routing {
    /// Whether a message to `target` that was sent over `first_hop` may have met `node`, which says that it went no further.
    pub(crate) fn may_turn_back(
        &mut self,
        target: &NodeId,
        first_hop: &NodeId,
        node: &NodeId,
        WaysTaken(ways): &mut WaysTaken,
    ) -> bool {
        let search = self.ways.searches();
        ways.retain(|way| way.first_hop != *first_hop || way.search == search);
        let is_known = ways.iter().any(|way| way.first_hop == *first_hop);
        if !is_known {
            let mut nodes = self.path_via(target, first_hop);
            nodes.truncate(MOST);
            ways.push(Way { first_hop: *first_hop, search, nodes });
        }
        ways.iter().any(|way| way.first_hop == *first_hop && way.nodes.contains(node))
    }
}
