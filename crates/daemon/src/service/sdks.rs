//! Below which authorities the SDKs stand that have sessions here, and who may ask that how often.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_node::service::{Answer, MAX_ISSUERS, SdkIssuer};
use nuncio_pki::Certificate;
use nuncio_protocol::MAX_NODES;
use nuncio_rights::Allowance;

use super::NodeId;
use crate::control::Control;

/// How old an answer may be.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// Answers that one node gets in a second: one that asks for its operators asks once.
const PER_SECOND: u64 = 2;

/// Bytes of the certificates in one answer: with what is around them less than a service's answer may have.
const MAX_CERTIFICATES: usize = 28 << 10;

/// The answer, made anew once a second at the most however many ask.
#[derive(Debug, Default)]
pub(super) struct Answers {
    made: Option<(Instant, Answer)>,
    asking: Asking,
}

/// How much each node has asked of late.
///
/// Bound: as many nodes as a network has; when full, whoever has all of his allowance is forgotten, else a newcomer is refused.
#[derive(Debug, Default)]
pub(super) struct Asking(BTreeMap<NodeId, Allowance>);

impl Answers {
    /// What `from` is told.
    pub(super) fn answer(&mut self, from: NodeId, now: Instant, make: impl FnOnce() -> Answer) -> Answer {
        if !self.asking.admits(from, now) {
            return Answer::Refused { reason: format!("this node was asked more than {PER_SECOND} times a second") };
        }
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < FRESH;
        match &self.made {
            Some((at, made)) if is_fresh(*at) => made.clone(),
            _ => self.made.insert((now, make())).1.clone(),
        }
    }
}

impl Asking {
    pub(super) const BOUND: Bound = Bound::of_entries::<(NodeId, Allowance)>(
        "who asked for the authorities of SDKs",
        MAX_NODES,
        0,
        "a newcomer is refused for a second",
    );

    fn admits(&mut self, node: NodeId, now: Instant) -> bool {
        if self.0.len() >= MAX_NODES && !self.0.contains_key(&node) {
            self.0.retain(|_, left| !Allowance::refilled(Some(left), PER_SECOND, now).is_full(PER_SECOND));
            if self.0.len() >= MAX_NODES {
                return false;
            }
        }
        let left = Allowance::refilled(self.0.get(&node), PER_SECOND, now);
        let admitted = !left.is_used_up();
        self.0.insert(node, if admitted { left.less(1) } else { left });
        admitted
    }
}

/// The authorities above the SDKs that have sessions here.
pub(super) fn answer(control: &Control) -> Answer {
    let (mut issuers, mut others, mut room) = (Vec::new(), 0, MAX_CERTIFICATES);
    for (chain, sessions) in own_issuers(control) {
        let bytes: usize = chain.iter().map(|one| one.der().len()).sum();
        if issuers.len() < MAX_ISSUERS && bytes <= room {
            room -= bytes;
            issuers.push(SdkIssuer { chain: chain.iter().map(|one| one.der().to_vec().into()).collect(), sessions });
        } else {
            others += sessions;
        }
    }
    Answer::SdkIssuers { issuers, others }
}

/// Each way up once, those with most sessions first.
pub(super) fn own_issuers(control: &Control) -> Vec<(Vec<Certificate>, u32)> {
    let sessions = control.gateway.as_ref().map(|(_, gateway)| gateway.certificates()).unwrap_or_default();
    let mut found: BTreeMap<Vec<Vec<u8>>, (Vec<Certificate>, u32)> = BTreeMap::new();
    for of_one in sessions {
        let key = of_one.issuers.iter().map(|one| one.der().to_vec()).collect();
        let (_, count) = found.entry(key).or_insert((of_one.issuers, 0));
        *count = count.saturating_add(u32::try_from(of_one.sessions).unwrap_or(u32::MAX));
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by_key(|(_, sessions)| std::cmp::Reverse(*sessions));
    found
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    #[test]
    fn one_that_asks_without_end_gets_little_makes_nothing_anew_and_takes_nothing_from_others() {
        let (mut answers, start) = (Answers::default(), Instant::now());
        let [loud, quiet] = [(); 2].map(|()| NodeKey::generate().node_id());
        let (mut made, mut told, mut served) = (0, 0, 0);
        for millisecond in 0..10_000_u64 {
            let now = start + Duration::from_millis(millisecond);
            let mut ask = |node| {
                let answer = answers.answer(node, now, || {
                    made += 1;
                    Answer::SdkIssuers { issuers: Vec::new(), others: 7 }
                });
                matches!(answer, Answer::SdkIssuers { others: 7, .. })
            };
            told += (0..10).filter(|_| ask(loud)).count();
            served += usize::from(millisecond % 1000 == 500 && ask(quiet));
        }
        assert_eq!(made, 10, "once a second");
        assert!((20..=23).contains(&told), "{told} of 100,000");
        assert_eq!(served, 10, "who asks once a second is always told");
    }

    #[test]
    fn nodes_without_number_take_no_more_room_than_there_is() {
        let (mut asking, start) = (Asking::default(), Instant::now());
        let mut ask = |now| asking.admits(NodeKey::generate().node_id(), now);
        assert!((0..MAX_NODES).all(|_| ask(start)) && !(0..100).any(|_| ask(start)));
        assert!(ask(start + FRESH), "those who ask no more are forgotten");
        assert_eq!(asking.0.len(), 1);
    }
}
