use std::collections::{BTreeMap, BTreeSet};

use nuncio_identity::NodeId;

use super::{Fate, Report, Traced};

/// A node on the way of a traced request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// Who.
    pub node: NodeId,
    /// What it reported; `None` where others name it and it did not: it is of an older release, or silent.
    pub report: Option<&'a Report>,
}

impl Traced {
    /// The nodes on the way in order, without this one, as far as reports name them: from each first hop on, who says to have it
    /// from whom. What does not join on stands behind, in the order of its times.
    pub fn way(&self, me: NodeId) -> Vec<Step<'_>> {
        let mut left: BTreeMap<_, _> = self.reports.iter().map(|one| (one.report.hop, &one.report)).collect();
        let mut way = Way { steps: Vec::new(), named: BTreeSet::from([me]) };
        for attempt in &self.attempts {
            way.follow(attempt.to, &mut left);
        }
        while let Some(first) = left.values().min_by_key(|report| report.took).map(|report| (report.from, report.hop)) {
            way.follow(first.0, &mut left);
            way.follow(first.1, &mut left);
        }
        way.steps
    }
}

struct Way<'a> {
    steps: Vec<Step<'a>>,
    named: BTreeSet<NodeId>,
}

impl<'a> Way<'a> {
    /// Goes on from a node to where it says that it sent the message, or else to who says to have it from there.
    fn follow(&mut self, first: NodeId, left: &mut BTreeMap<NodeId, &'a Report>) {
        let mut next = Some(first);
        while let Some(node) = next.take() {
            next = match self.name(node, left).map(|report| report.fate) {
                Some(Fate::Sent { to }) => Some(to).filter(|to| !self.named.contains(to)),
                Some(Fate::Delivered | Fate::Refused) => None,
                None => left.values().find(|report| report.from == node).map(|report| report.hop),
            };
        }
    }

    fn name(&mut self, node: NodeId, left: &mut BTreeMap<NodeId, &'a Report>) -> Option<&'a Report> {
        let report = left.remove(&node);
        if self.named.insert(node) {
            self.steps.push(Step { node, report });
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use bytes::Bytes;
    use nuncio_identity::Signature;
    use nuncio_testkit::simulator::node_id;

    use super::*;
    use crate::trace::{Attempt, Signed, TraceId};

    /// The `hop`-th node had it from the `from`-th and sent it to the `to`-th.
    fn report(hop: usize, from: usize, to: Option<usize>) -> Signed {
        let fate = to.map_or(Fate::Delivered, |to| Fate::Sent { to: node_id(to) });
        let (id, took) = (TraceId::from_bytes(&[7; 16]).unwrap(), Duration::from_secs(hop as u64));
        let [origin, hop, from] = [0, hop, from].map(node_id);
        let report = Report { id, origin, hop, from, took, queued: took, done: took, fate };
        Signed { report, bytes: Bytes::new(), signature: Signature::from_bytes(&[0; 64]).unwrap() }
    }

    /// The way by numbers, of those that did not report negative.
    fn way(first: &[usize], reports: Vec<Signed>) -> Vec<i32> {
        let attempts =
            first.iter().map(|to| Attempt { to: node_id(*to), queued: Instant::now(), sent: None }).collect();
        let id = TraceId::from_bytes(&[7; 16]).unwrap();
        let traced = Traced { attempts, reports, ..Traced::nothing(id, node_id(9), Instant::now()) };
        let number = |node| (0..20).find(|number| node_id(*number as usize) == node).unwrap();
        let one = |step: Step<'_>| if step.report.is_some() { number(step.node) } else { -number(step.node) };
        traced.way(node_id(0)).into_iter().map(one).collect()
    }

    #[test]
    fn hops_stand_in_order_and_those_that_only_others_name_have_no_report() {
        let whole = || vec![report(9, 2, None), report(2, 1, Some(9)), report(1, 0, Some(2))];
        assert_eq!(way(&[1], whole()), [1, 2, 9]);
        for (silent, expected) in [(9, [1, 2, -9]), (2, [1, -2, 9]), (1, [-1, 2, 9])] {
            let mut reports = whole();
            reports.retain(|one| one.report.hop != node_id(silent));
            assert_eq!(way(&[1], reports), expected);
        }
        assert_eq!(way(&[1], vec![report(9, 3, None)]), [-1, -3, 9], "between them is who knows what");
        assert_eq!(way(&[1, 4], vec![report(9, 4, None), report(4, 0, Some(9))]), [-1, 4, 9], "the second attempt");
        assert_eq!(way(&[], Vec::new()), [0; 0]);
    }

    #[test]
    fn lies_make_no_way_without_end() {
        assert_eq!(way(&[1], vec![report(1, 0, Some(2)), report(2, 1, Some(1))]), [1, 2], "a circle");
        assert_eq!(way(&[1], vec![report(1, 1, Some(1))]), [1], "itself");
        assert_eq!(way(&[1], vec![report(1, 0, Some(0))]), [1], "back to the origin");
        assert_eq!(way(&[1], vec![report(5, 6, Some(7)), report(3, 5, Some(5))]), [-1, 5, -7, 3]);
    }
}
