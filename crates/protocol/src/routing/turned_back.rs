//! Who says of what this node sent that it went no further.

use nuncio_identity::NodeId;

use super::Routing;

/// So many are looked for on the ways of one message: honest ones that turn it back are on them.
const MOST: usize = 4;

/// Who said of a message that it went no further, and was on no way of it. Looking for somebody costs a search: nobody has it
/// made again and again.
///
/// Bound: [`MOST`]; when there are so many, nobody else is looked for.
#[derive(Debug, Default)]
pub(crate) struct Naysayers(Vec<NodeId>);

impl Routing {
    /// Whether a message to `target` that was sent over `first_hop` may have met `node`, which says that it went no further.
    pub(crate) fn may_turn_back(
        &mut self,
        target: &NodeId,
        first_hop: &NodeId,
        node: &NodeId,
        others: &mut Naysayers,
    ) -> bool {
        if others.0.len() >= MOST || others.0.contains(node) {
            return false;
        }
        let is_on_the_way = self.path_via(target, first_hop).contains(node);
        if !is_on_the_way {
            others.0.push(*node);
        }
        is_on_the_way
    }
}
