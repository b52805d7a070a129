//! Whether those who are in are members still.

use std::sync::Arc;

use libp2p::swarm::ToSwarm;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_protocol::{MAX_NODES, status_sync::Record};

use super::Behaviour;
use crate::{Event, status_sync};

/// Members that are judged between two jobs of what peers brought.
const AT_ONCE: usize = 64;

/// Those that are to be judged.
pub(crate) const TO_JUDGE: Bound =
    Bound::of_entries::<NodeId>("members that are to be judged anew", MAX_NODES, 0, "as many as are known");

impl Behaviour {
    /// Whether the certifier refuses the certificate that a record carries now, which was proved when it came.
    pub fn refuses(&self, record: &Record) -> bool {
        status_sync::is_refused(record, &*self.certifier)
    }

    /// The records of other nodes whose certificate the certifier refuses now. To be asked whenever it may say something else
    /// than before: records being proved meanwhile are proved anew.
    pub fn refused_records(&self) -> Vec<Arc<Record>> {
        self.prover.change_rules();
        self.overlay.records().filter(|record| self.is_anothers(record) && self.refuses(record)).cloned().collect()
    }

    /// The same outside the swarm's task, for what others may bring about again and again; ends in an [`Event::MembersRefused`] for
    /// each few that are. What is asked meanwhile is done afterwards, once.
    pub fn judge_members(&mut self) {
        self.prover.change_rules();
        self.judges_again = self.is_judging;
        if !self.is_judging {
            self.to_judge = self.overlay.records().map(|record| record.status.node).collect();
            self.judge_some_members();
        }
    }

    /// The next few, as they are known now: so no record is kept for that which is replaced meanwhile.
    fn judge_some_members(&mut self) {
        let from = self.to_judge.len().saturating_sub(AT_ONCE);
        let some = self.to_judge.split_off(from);
        self.is_judging = !some.is_empty();
        if self.is_judging {
            let held = some.iter().filter_map(|node| self.overlay.record(node));
            let records = held.filter(|record| self.is_anothers(record)).cloned().collect();
            self.prover.judge_members(self.context.node(), records);
        } else if self.judges_again {
            self.judge_members();
        }
    }

    /// Who has shown another record meanwhile was judged by that.
    pub(super) fn handle_judged_members(&mut self, mut refused: Vec<Arc<Record>>) {
        let held = |record: &Arc<Record>| self.overlay.record(&record.status.node);
        refused.retain(|record| held(record).is_some_and(|held| Arc::ptr_eq(held, record)));
        if !refused.is_empty() {
            self.actions.push_back(ToSwarm::GenerateEvent(Event::MembersRefused { records: refused }));
        }
        self.judge_some_members();
    }

    fn is_anothers(&self, record: &Record) -> bool {
        record.status.node != self.context.node()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, future::poll_fn};

    use bytes::Bytes;
    use nuncio_identity::NodeKey;
    use nuncio_protocol::{StatusInput, status_sync::Answer};
    use nuncio_testkit::simulator::{node_id, record};

    use super::*;
    use crate::{Certifier, Config, Member};

    struct Nobody;

    impl Certifier for Nobody {
        fn certify(&self, _: NodeId, _: &[Bytes]) -> Result<Member, String> {
            Err("nobody is a member now".into())
        }
    }

    fn told(behaviour: &mut Behaviour) -> Vec<Vec<NodeId>> {
        let told = |action| match action {
            ToSwarm::GenerateEvent(Event::MembersRefused { records }) => {
                Some(records.iter().map(|record| record.status.node).collect())
            }
            _ => None,
        };
        behaviour.actions.drain(..).filter_map(told).collect()
    }

    #[tokio::test]
    async fn members_are_judged_a_few_at_a_time_by_the_records_that_are_held_and_once_more_if_asked_meanwhile() {
        let key = NodeKey::generate();
        let mut behaviour = Behaviour::new(Config::new(key, Vec::new(), "test", Arc::new(Nobody), 1));
        let peer = node_id(1);
        let records = (1..=200).map(|n| record(n, 1, &[], &[])).collect();
        behaviour.handle(StatusInput::Answered { peer, answer: Answer::of(records) });
        behaviour.judge_members();
        behaviour.judge_members();
        let mut rounds = Vec::new();
        while behaviour.is_judging {
            let (from, finding) = poll_fn(|cx| behaviour.prover.poll(cx)).await;
            if rounds.is_empty() {
                // Those that are judged first are not known yet; one of them comes with another record.
                let again = (1..=200).map(|n| record(n, 2, &[], &[])).collect();
                behaviour.handle(StatusInput::Answered { peer, answer: Answer::of(again) });
            }
            behaviour.handle_finding(from, finding);
            rounds.push(told(&mut behaviour).concat());
        }
        let counts: Vec<_> = rounds.iter().map(Vec::len).collect();
        assert!(counts.iter().all(|count| *count <= AT_ONCE) && counts[0] == 0, "{counts:?}");
        let all: BTreeSet<_> = rounds.concat().into_iter().collect();
        assert_eq!(all.len(), 200);
        // This node may be among the first few.
        let told_twice = counts.iter().sum::<usize>() - 200;
        assert!((200 - AT_ONCE..=201 - AT_ONCE).contains(&told_twice), "{counts:?}");
    }
}
