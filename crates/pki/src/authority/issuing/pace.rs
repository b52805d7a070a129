use std::collections::BTreeMap;

use nuncio_identity::NodeId;
use rustls_pki_types::UnixTime;

use super::IssueError;

const HOUR: u64 = 3600;

/// Most nodes counted in one hour: as many as a network has.
const MAX_NODES: usize = 16 << 10;

/// How often each node asked in its present hour, granted or not.
///
/// Bound: [`MAX_NODES`]; when so many have asked within an hour, further ones are refused.
#[derive(Debug)]
pub(super) struct Pace {
    per_hour: u32,
    hours: BTreeMap<NodeId, Hour>,
}

#[derive(Debug)]
struct Hour {
    began: u64,
    asked: u32,
}

impl Pace {
    pub(super) const fn new(per_hour: u32) -> Self {
        Self { per_hour, hours: BTreeMap::new() }
    }

    /// Whether its hour has begun here and is not over.
    pub(super) fn is_counting(&self, node: NodeId, now: UnixTime) -> bool {
        self.hours.get(&node).is_some_and(|hour| !hour.is_over(now.as_secs()))
    }

    pub(super) fn take(&mut self, node: NodeId, now: UnixTime) -> Result<(), IssueError> {
        let now = now.as_secs();
        if self.hours.len() >= MAX_NODES && !self.hours.contains_key(&node) {
            self.hours.retain(|_, hour| !hour.is_over(now));
            if self.hours.len() >= MAX_NODES {
                return Err(IssueError::Crowded);
            }
        }
        let hour = self.hours.entry(node).or_insert(Hour { began: now, asked: 0 });
        if hour.is_over(now) {
            *hour = Hour { began: now, asked: 0 };
        }
        if hour.asked >= self.per_hour {
            return Err(IssueError::TooOften { per_hour: self.per_hour });
        }
        hour.asked += 1;
        Ok(())
    }
}

impl Hour {
    /// Also one that begins in the future is over: the clock was put back.
    fn is_over(&self, now: u64) -> bool {
        now.checked_sub(self.began).is_none_or(|age| age >= HOUR)
    }
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;
    use crate::instant;

    #[test]
    fn a_node_has_its_hour_and_takes_nothing_from_others() {
        let (mut pace, [loud, quiet]) = (Pace::new(3), [(); 2].map(|()| NodeKey::generate().node_id()));
        let mut taken = |node, second| pace.take(node, instant::at(second)).is_ok();
        assert!((0..3).all(|second| taken(loud, 1000 + second)));
        assert!((3..3000).all(|second| !taken(loud, 1000 + second)), "until its hour is over");
        assert!(taken(quiet, 1003) && taken(loud, 1000 + HOUR));
        assert!(taken(loud, 5), "a clock that was put back locks nobody out");
    }

    #[test]
    fn nodes_without_number_take_no_more_room_than_there_is() {
        let mut pace = Pace::new(1);
        let ask = |pace: &mut Pace, second| pace.take(NodeKey::generate().node_id(), instant::at(second));
        assert!((0..MAX_NODES).all(|_| ask(&mut pace, 1000).is_ok()));
        assert!(matches!(ask(&mut pace, 1001), Err(IssueError::Crowded)) && pace.hours.len() == MAX_NODES);
        assert!(ask(&mut pace, 1000 + HOUR).is_ok() && pace.hours.len() == 1);
    }
}
