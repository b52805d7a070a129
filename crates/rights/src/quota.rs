use std::{collections::BTreeMap, time::Instant};

use crate::{Allowance, Fault, Rights, Subject};

/// Most certificates, and most agencies, whose messages of other nodes are counted; when full, one of them starts anew.
const MAX_COUNTED: usize = 4096;

/// How much one certificate or one agency may; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Messages published in a second.
    pub messages: Option<u64>,
    /// Bytes published in a second: topics and payloads.
    pub bytes: Option<u64>,
    /// Topics subscribed by all sessions, each as often as it is.
    pub topics: Option<usize>,
    /// Sessions.
    pub sessions: Option<usize>,
    /// Bytes published and not answered.
    pub in_flight: Option<usize>,
}

/// How much somebody may himself, and together with all of his agency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Himself.
    pub credential: Quota,
    /// All of his agency.
    pub agency: Quota,
}

/// What somebody has left of his messages and bytes of this second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    messages: Option<Allowance>,
    bytes: Option<Allowance>,
}

/// What other nodes have left, each and by agency.
///
/// Bound: [`Ledger::MAX`] of each. When full, one is forgotten for a newcomer: who owes nothing, else who was heard least
/// lately.
#[derive(Debug, Default)]
pub struct Ledger {
    credentials: BTreeMap<[u8; 64], Account>,
    agencies: BTreeMap<String, Account>,
}

/// What somebody has left, of how much, and when he was heard.
#[derive(Debug)]
struct Account {
    quota: Quota,
    rates: Rates,
    heard: Instant,
}

impl Quota {
    pub(crate) fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn check(&self) -> Result<(), Fault> {
        let zero = [
            ("messages", self.messages == Some(0)),
            ("bytes", self.bytes == Some(0)),
            ("topics", self.topics == Some(0)),
            ("sessions", self.sessions == Some(0)),
            ("in_flight", self.in_flight == Some(0)),
        ];
        zero.into_iter().find(|(_, is_zero)| *is_zero).map_or(Ok(()), |(what, _)| Err(Fault::Zero { what }))
    }

    /// The lesser of each.
    pub(crate) fn and(self, other: &Self) -> Self {
        fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
            match (one, other) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            }
        }
        Self {
            messages: least(self.messages, other.messages),
            bytes: least(self.bytes, other.bytes),
            topics: least(self.topics, other.topics),
            sessions: least(self.sessions, other.sessions),
            in_flight: least(self.in_flight, other.in_flight),
        }
    }
}

impl Rates {
    /// Takes a message of so many bytes from all of these; false, and nothing taken, when one of them has nothing left.
    pub fn admit<const N: usize>(all: [(&mut Self, &Quota); N], bytes: usize, now: Instant) -> bool {
        let refilled = |(rates, quota): &(&mut Self, &Quota)| Self {
            messages: quota.messages.map(|limit| Allowance::refilled(rates.messages.as_ref(), limit, now)),
            bytes: quota.bytes.map(|limit| Allowance::refilled(rates.bytes.as_ref(), limit, now)),
        };
        let left = all.each_ref().map(refilled);
        let admitted = !left.iter().any(Self::is_used_up);
        for ((rates, _), left) in all.into_iter().zip(left) {
            *rates = if admitted { left.less(bytes) } else { left };
        }
        admitted
    }

    /// Whether nothing is lost when they are forgotten at `now`.
    pub fn is_full(&self, quota: &Quota, now: Instant) -> bool {
        let is_full = |before: Option<&Allowance>, limit: Option<u64>| {
            limit.is_none_or(|limit| Allowance::refilled(before, limit, now).is_full(limit))
        };
        is_full(self.messages.as_ref(), quota.messages) && is_full(self.bytes.as_ref(), quota.bytes)
    }

    fn is_used_up(&self) -> bool {
        [self.messages, self.bytes].into_iter().flatten().any(Allowance::is_used_up)
    }

    fn less(self, bytes: usize) -> Self {
        Self {
            messages: self.messages.map(|allowance| allowance.less(1)),
            bytes: self.bytes.map(|allowance| allowance.less(bytes)),
        }
    }
}

impl Ledger {
    /// Most certificates and most agencies counted.
    pub const MAX: usize = MAX_COUNTED;

    /// Bytes of a certificate and an agency counted, without the agency's name.
    pub const ENTRY: usize = size_of::<([u8; 64], Account)>() + size_of::<(String, Account)>();

    /// Takes a message of a node of so many bytes; false, and nothing taken, when it or its agency has nothing left.
    pub fn admit(&mut self, rights: &Rights, node: &Subject<'_>, id: &[u8; 64], bytes: usize, now: Instant) -> bool {
        let quotas = rights.quotas(node);
        if quotas == Quotas::default() {
            return true;
        }
        let own = account(&mut self.credentials, *id, quotas.credential, now);
        let agency = account(&mut self.agencies, node.top_agency().to_owned(), quotas.agency, now);
        Rates::admit([(&mut own.rates, &own.quota), (&mut agency.rates, &agency.quota)], bytes, now)
    }
}

/// That of `whose`, by the quota in force.
fn account<K: Ord + Clone>(accounts: &mut BTreeMap<K, Account>, whose: K, quota: Quota, now: Instant) -> &mut Account {
    if accounts.len() >= MAX_COUNTED && !accounts.contains_key(&whose) {
        let owing = |account: &Account| (!account.rates.is_full(&account.quota, now), account.heard);
        let least = accounts.iter().min_by_key(|(_, account)| owing(account)).map(|(whose, _)| whose.clone());
        least.and_then(|least| accounts.remove(&least));
    }
    let account = accounts.entry(whose).or_insert_with(|| Account { quota, rates: Rates::default(), heard: now });
    (account.quota, account.heard) = (quota, now);
    account
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Limit, Party, Per, Rules, Who};

    fn quota(messages: u64) -> Quota {
        Quota { messages: Some(messages), ..Quota::default() }
    }

    #[test]
    fn of_two_quotas_both_must_have_something_left_and_nothing_is_taken_from_one_alone() {
        let (mut own, mut all, now) = (Rates::default(), Rates::default(), Instant::now());
        let (narrow, wide) = (quota(2), Quota { bytes: Some(100), ..Quota::default() });
        let mut admit = |bytes, now| Rates::admit([(&mut own, &narrow), (&mut all, &wide)], bytes, now);
        assert!(admit(60, now) && admit(60, now));
        assert!(!admit(0, now), "both are used up");
        let later = now + Duration::from_millis(500);
        assert!(admit(1, later), "a message more, and 30 bytes");
        assert!(!admit(1, later));
    }

    #[test]
    fn exactly_as_much_as_the_limit_is_let_through_and_not_one_more() {
        let start = Instant::now();
        for limit in [1, 2, 1000] {
            let mut rates = Rates::default();
            let mut admit = |now| Rates::admit([(&mut rates, &quota(limit))], 0, now);
            assert!((0..limit).all(|_| admit(start)) && !admit(start), "{limit}");
            // Less than one in its time is nothing, and a second is all, not more.
            let nearly = start + Duration::from_secs(1);
            assert!((0..limit).all(|_| admit(nearly)) && !admit(nearly), "{limit}");
        }
    }

    /// Two threads take the time and then wait for each other.
    #[test]
    fn a_time_that_goes_back_gives_nothing_twice() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let mut admit =
            |millisecond| Rates::admit([(&mut rates, &quota(10))], 0, start + Duration::from_millis(millisecond));
        assert!((0..10).all(|_| admit(2000)));
        let more = (0..1000).filter(|turn| admit(if turn % 2 == 0 { 0 } else { 2000 })).count();
        assert_eq!(more, 0, "no time has passed");
    }

    #[test]
    fn numbers_at_their_ends_break_nothing() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        let most = Quota { messages: Some(u64::MAX), bytes: Some(u64::MAX), ..Quota::default() };
        assert!((0..10).all(|_| Rates::admit([(&mut rates, &most)], 1 << 20, now)));
        assert!(Rates::admit([(&mut rates, &most)], usize::MAX, now));
        let least = Quota { bytes: Some(1), ..Quota::default() };
        let mut rates = Rates::default();
        assert!(Rates::admit([(&mut rates, &least)], usize::MAX, now));
        let year = Duration::from_secs(365 * 86_400);
        assert!(!Rates::admit([(&mut rates, &least)], 0, now + year), "it is paid off as it was taken");
        assert!(!rates.is_full(&least, now + year));
    }

    #[test]
    fn a_quota_that_is_changed_counts_from_what_was_taken() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        assert!((0..10).all(|_| Rates::admit([(&mut rates, &quota(10))], 1, now)));
        assert!(!Rates::admit([(&mut rates, &quota(5))], 1, now));
        assert!(Rates::admit([(&mut rates, &quota(5))], 1, now + Duration::from_secs(1)));
        assert!(Rates::admit([(&mut rates, &Quota::default())], 1, now), "without a limit");
    }

    #[test]
    fn what_was_taken_on_credit_is_remembered_until_it_is_paid_off() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        let quota = Quota { bytes: Some(10), ..Quota::default() };
        assert!(rates.is_full(&quota, now));
        assert!(Rates::admit([(&mut rates, &quota)], 100, now));
        assert!(!rates.is_full(&quota, now + Duration::from_secs(9)));
        assert!(rates.is_full(&quota, now + Duration::from_secs(10)));
    }

    #[test]
    fn the_nodes_of_an_agency_share_its_quota_whatever_authorities_it_makes() {
        let limits = vec![Limit { who: Who::default(), per: Per::Agency, quota: quota(3) }];
        let rights = Rights::new(Rules { limits, ..Rules::default() }).unwrap();
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let mut admit = |agency: &str, id: u8| {
            let node = Party::node(agency, "node", &[id; 64]);
            ledger.admit(&rights, &node.subject(), &[id; 64], 1, now)
        };
        assert!(admit("agencyB", 1) && admit("agencyB/x", 2) && admit("agencyB/y", 3));
        assert!(!admit("agencyB/z", 4) && !admit("agencyB", 1));
        assert!(admit("agencyA", 5));
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let limits = vec![Limit { who: Who::default(), per: Per::Credential, quota: quota(1) }];
        let rights = Rights::new(Rules { limits, ..Rules::default() }).unwrap();
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        for n in 0..2 * MAX_COUNTED {
            let mut id = [0; 64];
            id[..8].copy_from_slice(&(n as u64).to_be_bytes());
            let node = Party::node(format!("agency{n}"), "node", &id);
            assert!(ledger.admit(&rights, &node.subject(), &id, 1, now));
            assert!(ledger.credentials.len() <= MAX_COUNTED && ledger.agencies.len() <= MAX_COUNTED);
        }
    }

    #[test]
    fn newcomers_push_out_who_owes_nothing_and_no_debtor() {
        let limits = vec![
            Limit {
                who: Who { agency: Some("greedy".into()), ..Who::default() },
                per: Per::Credential,
                quota: quota(1),
            },
            Limit { who: Who::default(), per: Per::Agency, quota: quota(1000) },
        ];
        let rights = Rights::new(Rules { limits, ..Rules::default() }).unwrap();
        let (mut ledger, start) = (Ledger::default(), Instant::now());
        let mut admit = |agency: &str, n: usize, now| {
            let mut id = [0; 64];
            id[..8].copy_from_slice(&(n as u64).to_be_bytes());
            let node = Party::node(agency, "node", &id);
            ledger.admit(&rights, &node.subject(), &id, 1, now)
        };
        assert!(admit("greedy", 0, start) && !admit("greedy", 0, start));
        assert!((1..2 * MAX_COUNTED).all(|n| admit("crowd", n, start) || n > 1000));
        assert!(!admit("greedy", 0, start), "its debt is remembered");
    }
}
