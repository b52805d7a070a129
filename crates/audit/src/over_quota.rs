//! Messages over a quota: who sends too many sends very many, so they are told together.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_metrics::{Label as _, QuotaRefusal};

use crate::Text;

/// How often a subject is told of for one kind of quota, at the most.
const PERIOD: Duration = Duration::from_secs(60);

/// Who could not be told of is told of after this.
const AGAIN: Duration = Duration::from_secs(10);

/// Subjects that are counted apart, each as often as there are kinds of quotas he is over; further ones are told together.
const MAX_SUBJECTS: usize = 1024;

/// For whom there was no room.
const OTHERS: &str = "others";

/// Who was told of within the last minute, and what came of him since.
#[derive(Debug, Default)]
pub(crate) struct OverQuota {
    subjects: BTreeMap<Key, Counted>,
}

/// A subject, and what he is over: calls hide no messages.
type Key = (Box<str>, QuotaRefusal);

/// So many messages of a subject, over a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Over {
    pub(crate) subject: Text,
    pub(crate) of: QuotaRefusal,
    pub(crate) messages: u64,
}

#[derive(Debug)]
struct Counted {
    messages: u64,
    /// When he is to be told of again.
    due: Instant,
}

impl OverQuota {
    pub(crate) const BOUND: Bound = Bound::of_entries::<(Key, Counted)>(
        "who is over a quota",
        MAX_SUBJECTS + QuotaRefusal::COUNT,
        4 * Text::MAX,
        "further ones are told together",
    );

    /// A message more; says whether it is to be told at once.
    pub(crate) fn count(&mut self, subject: &Text, of: QuotaRefusal, now: Instant) -> Option<Over> {
        let key = self.known(subject, of);
        if let Some(counted) = self.subjects.get_mut(&key) {
            counted.messages += 1;
            return None;
        }
        let over = Over { subject: Text::from(&*key.0), of, messages: 1 };
        self.subjects.insert(key, Counted { messages: 0, due: now + PERIOD });
        Some(over)
    }

    /// Whose minute is over, and how many messages came in it. Who sent none is forgotten.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Over> {
        let mut due = Vec::new();
        self.subjects.retain(|(subject, of), counted| {
            if now < counted.due {
                return true;
            }
            if counted.messages > 0 {
                due.push(Over { subject: Text::from(&**subject), of: *of, messages: counted.messages });
            }
            let is_kept = counted.messages > 0;
            (counted.messages, counted.due) = (0, now + PERIOD);
            is_kept
        });
        due
    }

    /// Nobody heard of these after all: they are told with those that come.
    pub(crate) fn restore(&mut self, over: &Over, now: Instant) {
        let due = now + AGAIN;
        let counted = self.subjects.entry(self.known(&over.subject, over.of));
        let counted = counted.or_insert_with(|| Counted { messages: 0, due });
        counted.messages = counted.messages.saturating_add(over.messages);
        counted.due = due;
    }

    /// As whom a subject is counted.
    fn known(&self, subject: &Text, of: QuotaRefusal) -> Key {
        let key = (Box::from(subject.as_str()), of);
        let has_room = self.subjects.len() < MAX_SUBJECTS || self.subjects.contains_key(&key);
        if has_room { key } else { (OTHERS.into(), of) }
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
            for counted in over.due(now) {
                (events, messages) = (events + 1, messages + counted.messages);
            }
            for _ in 0..1000 {
                let told = over.count(&greedy, QuotaRefusal::Publish, now).is_some();
                (events, messages) = (events + u64::from(told), messages + u64::from(told));
            }
        }
        assert_eq!(events, 3, "at once, after one minute, after two");
        assert_eq!(messages, 120_000);
        let due = Over { subject: greedy.clone(), of: QuotaRefusal::Publish, messages: 60_000 };
        assert_eq!(over.due(start + Duration::from_secs(180)), [due]);
        assert!(over.due(start + Duration::from_secs(240)).is_empty() && over.subjects.is_empty());
        assert!(
            over.count(&greedy, QuotaRefusal::Publish, start + Duration::from_secs(300)).is_some(),
            "at once again"
        );
    }

    #[test]
    fn calls_of_a_subject_hide_no_messages_of_his() {
        let (mut over, start) = (OverQuota::default(), Instant::now());
        let one = Text::from("one");
        let kinds = [QuotaRefusal::Publish, QuotaRefusal::Calls];
        for of in [kinds[1], kinds[0]] {
            assert_eq!(over.count(&one, of, start).map(|told| told.of), Some(of), "each is told at once");
            over.restore(&Over { subject: one.clone(), of, messages: 1 }, start);
            assert_eq!(over.count(&one, of, start), None);
        }
        let due = over.due(start + PERIOD);
        assert_eq!(due.iter().map(|over| (over.of, over.messages)).collect::<Vec<_>>(), kinds.map(|of| (of, 2)));
    }

    #[test]
    fn many_subjects_are_bounded_and_none_of_their_messages_is_lost() {
        let (mut over, start) = (OverQuota::default(), Instant::now());
        let told = (0..100_000)
            .filter(|n| over.count(&Text::from(n.to_string()), QuotaRefusal::Message, start).is_some())
            .count();
        assert_eq!((told, over.subjects.len()), (MAX_SUBJECTS + 1, MAX_SUBJECTS + 1));
        let due = over.due(start + PERIOD);
        let others = Over { subject: OTHERS.into(), of: QuotaRefusal::Message, messages: 100_000 - told as u64 };
        assert_eq!(due, [others]);
    }

    #[test]
    fn what_nobody_heard_of_is_told_soon_together_with_what_came_since() {
        let (mut over, start) = (OverQuota::default(), Instant::now());
        let one = Text::from("one");
        let first = over.count(&one, QuotaRefusal::Publish, start).expect("at once");
        over.restore(&first, start);
        assert_eq!(over.count(&one, QuotaRefusal::Publish, start), None);
        assert!(over.due(start + AGAIN - Duration::from_millis(1)).is_empty());
        let due = over.due(start + AGAIN);
        assert_eq!(due, [Over { messages: 2, ..first.clone() }]);
        over.restore(&due[0], start + AGAIN);
        assert_eq!(over.due(start + 2 * AGAIN), due);
        assert!(over.due(start + 2 * AGAIN + PERIOD).is_empty() && over.subjects.is_empty(), "they were told");
        (0..2 * MAX_SUBJECTS)
            .for_each(|n| over.restore(&Over { subject: n.to_string().into(), ..first.clone() }, start));
        assert_eq!(over.subjects.len(), MAX_SUBJECTS + 1);
    }
}
