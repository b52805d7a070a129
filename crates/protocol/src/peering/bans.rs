use std::{collections::BTreeMap, sync::Arc, time::Instant};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::BanView;
use crate::{MAX_NODES, schedule::Schedule};

/// Nodes that broke the rules and are refused for a while.
///
/// Bound: [`MAX_NODES`] bans; when there are more, the one that ends first ends at once.
#[derive(Debug, Default)]
pub(super) struct Bans {
    reasons: BTreeMap<NodeId, Arc<str>>,
    until: Schedule<NodeId>,
}

impl Bans {
    pub(super) const BOUND: Bound = Bound::of_entries::<(NodeId, Arc<str>, [(Instant, NodeId); 2])>(
        "bans",
        MAX_NODES,
        64,
        "the one that ends first ends at once",
    );

    /// Begins or lengthens a ban; gives back whose ban ended to make room, perhaps this very node's.
    pub(super) fn insert(&mut self, node: NodeId, until: Instant, reason: Arc<str>) -> Option<NodeId> {
        let until = self.until.get(&node).map_or(until, |old| old.max(until));
        self.until.set(node, until);
        self.reasons.insert(node, reason);
        let ended = if self.until.len() > MAX_NODES { self.until.pop_first() } else { None };
        ended.inspect(|node| drop(self.reasons.remove(node)))
    }

    /// Why a node is refused, if it is.
    pub(super) fn reason(&self, node: &NodeId, now: Instant) -> Option<&Arc<str>> {
        self.reasons.get(node).filter(|_| self.until.get(node).is_some_and(|until| until > now))
    }

    /// Takes a node whose ban has ended.
    pub(super) fn pop_ended(&mut self, now: Instant) -> Option<NodeId> {
        self.until.pop_due(now).inspect(|node| drop(self.reasons.remove(node)))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.until.next()
    }

    pub(super) fn views(&self) -> Vec<BanView> {
        let view = |(peer, reason): (&NodeId, &Arc<str>)| {
            let until = self.until.get(peer)?;
            Some(BanView { peer: *peer, until, reason: Arc::clone(reason) })
        };
        self.reasons.iter().filter_map(view).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nuncio_testkit::simulator::node_id;

    use super::*;
    use crate::{
        Config, Output,
        outbox::Outbox,
        peering::{Address, ConnectionId, Direction, LinkDownReason, Parting, Peering, PeeringInput},
    };

    const MINUTE: Duration = Duration::from_secs(60);

    fn reason() -> Arc<str> {
        "it sends messages again".into()
    }

    fn drain(outbox: &mut Outbox) -> Vec<Output> {
        std::iter::from_fn(|| outbox.pop()).collect()
    }

    fn dials(outputs: &[Output]) -> usize {
        outputs.iter().filter(|output| matches!(output, Output::Dial { .. })).count()
    }

    /// A peering with a link to the first node, which is configured.
    fn linked(now: Instant, outbox: &mut Outbox) -> Peering {
        let mut peering = Peering::new(&Config::default(), node_id(0), 1, now);
        peering.handle_input(PeeringInput::PeerAdded { address: Address::new("node-1:1") }, outbox, now);
        open(&mut peering, 1, outbox, now);
        drain(outbox);
        peering
    }

    fn open(peering: &mut Peering, connection: u64, outbox: &mut Outbox, now: Instant) {
        let (connection, peer) = (ConnectionId(connection), node_id(1));
        let (direction, address) = (Direction::Outbound, Address::new("node-1:1"));
        peering.handle_input(PeeringInput::ConnectionOpened { connection, peer, direction, address }, outbox, now);
    }

    #[test]
    fn a_banned_peer_is_cut_off_told_why_and_not_dialled_until_the_ban_ends() {
        let (start, outbox) = (Instant::now(), &mut Outbox::default());
        let mut peering = linked(start, outbox);
        peering.handle_banned(node_id(1), start + MINUTE, reason(), outbox, start);
        let why = LinkDownReason::Banned(reason());
        assert_eq!(why.parting(), Some(Parting::Banned));
        let outputs = drain(outbox);
        assert!(outputs.contains(&Output::LinkDown { peer: node_id(1), reason: why.clone() }), "{outputs:?}");
        assert!(outputs.contains(&Output::Close { connection: ConnectionId(1), reason: why.clone() }));
        assert!(!peering.is_linked(&node_id(1)) && peering.is_banned(&node_id(1), start));

        let mut now = start;
        peering.handle_input(PeeringInput::PeerAdded { address: Address::new("node-1:1") }, outbox, now);
        while let Some(due) = peering.poll_timeout().filter(|due| *due < start + MINUTE) {
            now = due.max(now + Duration::from_millis(1));
            peering.handle_timeout(outbox, now);
        }
        assert_eq!(dials(&drain(outbox)), 0);
        open(&mut peering, 2, outbox, now);
        assert_eq!(drain(outbox), [Output::Close { connection: ConnectionId(2), reason: why }]);

        assert_eq!(peering.poll_timeout(), Some(start + MINUTE));
        for seconds in 60..90 {
            peering.handle_timeout(outbox, start + Duration::from_secs(seconds));
        }
        assert!(dials(&drain(outbox)) > 0, "it is dialled again");
        assert!(peering.bans().is_empty() && !peering.is_banned(&node_id(1), start + MINUTE));
        open(&mut peering, 3, outbox, start + 2 * MINUTE);
        assert!(peering.is_linked(&node_id(1)));
    }

    #[test]
    fn a_second_ban_only_lengthens_the_first() {
        let (now, mut bans) = (Instant::now(), Bans::default());
        bans.insert(node_id(1), now + 2 * MINUTE, "first".into());
        bans.insert(node_id(1), now + MINUTE, "second".into());
        let view = BanView { peer: node_id(1), until: now + 2 * MINUTE, reason: "second".into() };
        assert_eq!(bans.views(), [view]);
        assert_eq!(bans.pop_ended(now + MINUTE), None);
        assert_eq!(bans.pop_ended(now + 2 * MINUTE), Some(node_id(1)));
        assert_eq!(bans.poll_timeout(), None);
    }

    #[test]
    fn of_too_many_bans_those_that_end_first_go() {
        let (now, mut bans) = (Instant::now(), Bans::default());
        for n in 0..MAX_NODES {
            assert_eq!(bans.insert(node_id(n), now + MINUTE + Duration::from_millis(n as u64), reason()), None);
        }
        assert_eq!(bans.insert(node_id(MAX_NODES), now + 2 * MINUTE, reason()), Some(node_id(0)));
        assert_eq!(bans.views().len(), MAX_NODES);
        assert!(bans.reason(&node_id(0), now).is_none() && bans.reason(&node_id(MAX_NODES), now).is_some());
    }
}
