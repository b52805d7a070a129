//! Messages over a quota: who sends too many sends very many, so they are told together.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_metrics::QuotaRefusal;

use crate::Text;

/// How often one subject is told of, at the most.
const PERIOD: Duration = Duration::from_secs(60);

/// Subjects that are counted apart; further ones are told together.
const MAX_SUBJECTS: usize = 1024;

/// For whom there was no room.
const OTHERS: &str = "others";

/// Who was told of within the last minute, and what came of him since.
#[derive(Debug, Default)]
pub(crate) struct OverQuota {
    subjects: BTreeMap<Box<str>, Counted>,
}

#[derive(Debug)]
struct Counted {
    of: QuotaRefusal,
    messages: u64,
    since: Instant,
}

impl OverQuota {
    pub(crate) const BOUND: Bound = Bound::of_entries::<(Box<str>, Counted)>(
        "who is over a quota",
        MAX_SUBJECTS + 1,
        4 * Text::MAX,
        "further ones are told together",
    );

    /// A message more; says whether it is to be told at once.
    pub(crate) fn count(&mut self, subject: &Text, of: QuotaRefusal, now: Instant) -> Option<Text> {
        let has_room = self.subjects.len() < MAX_SUBJECTS || self.subjects.contains_key(subject.as_str());
        let subject = if has_room { subject.as_str() } else { OTHERS };
        if let Some(counted) = self.subjects.get_mut(subject) {
            counted.messages += 1;
            return None;
        }
        self.subjects.insert(subject.into(), Counted { of, messages: 0, since: now });
        Some(subject.into())
    }

    /// Whose minute is over, and how many messages came in it. Who sent none is forgotten.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(Text, QuotaRefusal, u64)> {
        let mut due = Vec::new();
        self.subjects.retain(|subject, counted| {
            if now.saturating_duration_since(counted.since) < PERIOD {
                return true;
            }
            if counted.messages > 0 {
                due.push((Text::from(subject), counted.of, counted.messages));
            }
            let is_kept = counted.messages > 0;
            (counted.messages, counted.since) = (0, now);
            is_kept
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_sends_too_much_is_told_at_once_and_then_once_a_minute_with_a_count() {
        let (mut over, start) = (OverQuota::default(), Instant::now());
        let greedy = Text::from("greedy");
        let (mut events, mut messages) = (0, 0);
        for second in 0..180 {
            let now = start + Duration::from_secs(second);
            for (_, _, counted) in over.due(now) {
                (events, messages) = (events + 1, messages + counted);
            }
            for _ in 0..1000 {
                let told = over.count(&greedy, QuotaRefusal::Publish, now).is_some();
                (events, messages) = (events + u64::from(told), messages + u64::from(told));
            }
        }
        assert_eq!(events, 3, "at once, after one minute, after two");
        assert_eq!(messages, 120_000);
        assert_eq!(over.due(start + Duration::from_secs(180)), [(greedy.clone(), QuotaRefusal::Publish, 60_000)]);
        assert!(over.due(start + Duration::from_secs(240)).is_empty() && over.subjects.is_empty());
        assert!(
            over.count(&greedy, QuotaRefusal::Publish, start + Duration::from_secs(300)).is_some(),
            "at once again"
        );
    }

    #[test]
    fn many_subjects_are_bounded_and_none_of_their_messages_is_lost() {
        let (mut over, start) = (OverQuota::default(), Instant::now());
        let told = (0..100_000)
            .filter(|n| over.count(&Text::from(n.to_string()), QuotaRefusal::Message, start).is_some())
            .count();
        assert_eq!((told, over.subjects.len()), (MAX_SUBJECTS + 1, MAX_SUBJECTS + 1));
        let due = over.due(start + PERIOD);
        assert_eq!(due, [(Text::from(OTHERS), QuotaRefusal::Message, 100_000 - told as u64)]);
    }
}
