//! Warns before revocation lists are overdue: where they are required, nobody of that authority comes in from then on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use nuncio_audit::Event;
use nuncio_pki::{Certificate, Credential, CrlPolicy, Lists, Policy, RevocationList};
use rustls_pki_types::UnixTime;
use tokio::time::interval;

use crate::control::Control;

const INTERVAL: Duration = Duration::from_secs(60);

/// Of a list's life, the parts left at which the operator is warned: a half, a quarter, a tenth, none. Some lists last for
/// years, some for days.
const WARNINGS: [u64; 4] = [50, 25, 10, 0];

/// What helps.
const NEXT: &str = "ask the authority for the next, which `nuncio ca crl` makes";

/// Authorities without a list that are named at the most.
const MAX_NAMED: usize = 16;

/// Warns at start and whenever a list comes within the next limit.
pub(crate) async fn warn(control: Arc<Control>) {
    let mut ticks = interval(INTERVAL);
    let (mut warned, mut told) = (BTreeMap::new(), BTreeSet::new());
    loop {
        ticks.tick().await;
        let (policy, own, audit) = (control.policy.load_full(), control.own.load_full(), &control.audit);
        for (list, words) in due(policy.lists(), UnixTime::now(), &mut warned) {
            let subject = list.issuer().into();
            audit.record(Event::CertificateEnding { of: "revocation_list", subject, warning: words.into() });
        }
        let missing: BTreeSet<_> = missing(&policy, &own).into_iter().collect();
        for words in missing.difference(&told) {
            tracing::warn!("{words}. `nuncio ca crl` makes an authority's list: name it in [identity] crl");
        }
        told = missing;
    }
}

/// What an operator should know of the lists in force, in words.
pub(crate) fn warnings(policy: &Policy, own: &Credential, now: UnixTime) -> Vec<String> {
    let lists = policy.lists();
    let about = |list: &RevocationList| limit(list, now).map(|limit| words(list, limit, lists, now));
    let mut warnings: Vec<_> = lists.continued().filter_map(about).collect();
    warnings.extend(lists.unclaimed().map(|list| {
        let name = format!("revocation list {} of {}", list.edition(), list.issuer());
        format!("{name} does not spread: nobody is known here who signed it")
    }));
    warnings.extend(missing(policy, own));
    warnings
}

/// Where lists are required: the authorities that have none, of those that are trusted here and those above this node. Which
/// other agencies there are shows when somebody of them comes.
fn missing(policy: &Policy, own: &Credential) -> Vec<String> {
    let lists = policy.lists();
    if lists.policy() != CrlPolicy::Hard {
        return Vec::new();
    }
    if lists.iter().next().is_none() {
        return vec!["there is no revocation list, and crl_policy is hard: nobody is admitted".to_owned()];
    }
    let mut without: Vec<_> = policy
        .authorities()
        .chain(own.issuers())
        .filter(|one| !lists.has_one_of(one))
        .map(Certificate::subject)
        .collect();
    without.sort();
    without.dedup();
    without.truncate(MAX_NAMED);
    let words =
        |name| format!("there is no revocation list of {name}, and crl_policy is hard: nobody of it is admitted");
    without.into_iter().map(words).collect()
}

/// The lists that came within another limit since they were warned of, with what to say.
fn due<'a>(lists: &'a Lists, now: UnixTime, warned: &mut BTreeMap<Vec<u8>, u64>) -> Vec<(&'a RevocationList, String)> {
    let mut due = Vec::new();
    let mut still = BTreeMap::new();
    for list in lists.continued() {
        let Some(limit) = limit(list, now) else { continue };
        if warned.get(list.der()).is_none_or(|last| limit < *last) {
            due.push((list, words(list, limit, lists, now)));
        }
        still.insert(list.der().to_vec(), limit);
    }
    *warned = still;
    due
}

/// The least of the limits that the list is within.
fn limit(list: &RevocationList, now: UnixTime) -> Option<u64> {
    let end = list.next_update()?.as_secs();
    let life = end.saturating_sub(list.this_update().as_secs());
    let left = end.saturating_sub(now.as_secs());
    WARNINGS.into_iter().filter(|percent| left.saturating_mul(100) <= life.saturating_mul(*percent)).min()
}

fn words(list: &RevocationList, limit: u64, lists: &Lists, now: UnixTime) -> String {
    let consequence = match lists.policy() {
        CrlPolicy::Hard => "; then nobody of that authority is admitted",
        _ => "",
    };
    let name = format!("revocation list {} of {}", list.edition(), list.issuer());
    if limit == 0 {
        let consequence = consequence.replace("then nobody of that authority is", "nobody of that authority is");
        return format!("{name} is overdue{consequence}: {NEXT}");
    }
    let left = list.next_update().map_or(0, |end| end.as_secs().saturating_sub(now.as_secs()));
    format!("{name} is due to be replaced in {} h{consequence}: {NEXT}", left / 3600)
}

#[cfg(test)]
mod tests {
    use nuncio_pki::authority::RevocationDates;
    use nuncio_testkit::TestAuthority;

    use super::*;

    fn at(second: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(second))
    }

    fn policy(policy: CrlPolicy) -> (TestAuthority, Policy) {
        let authority = TestAuthority::new();
        let dates = RevocationDates { this_update: at(1_000_000), next_update: at(2_000_000) };
        let list = authority.root().revoke(&[], None, dates).unwrap();
        let policy = authority.policy().with_crl_policy(policy).with_crls(vec![list]).unwrap();
        (authority, policy)
    }

    #[test]
    fn each_limit_warns_once_long_before_the_list_is_overdue() {
        let ((_, policy), mut warned) = (policy(CrlPolicy::Hard), BTreeMap::new());
        let lists = policy.lists();
        let mut due =
            |second| due(lists, at(second), &mut warned).into_iter().map(|(_, words)| words).collect::<Vec<_>>();
        assert!(due(1_400_000).is_empty());
        assert!(due(1_500_000)[0].contains("in 138 h; then nobody of that authority is admitted"));
        assert!(due(1_500_001).is_empty() && due(1_760_000).len() == 1 && due(1_950_000).len() == 1);
        assert!(due(2_000_001)[0].contains("is overdue; nobody"));
        assert!(due(2_000_002).is_empty());
    }

    #[test]
    fn the_status_says_it_as_long_as_it_holds_and_names_who_has_no_list() {
        let warnings = |(authority, policy): (TestAuthority, Policy), second| {
            super::warnings(&policy, &authority.node("one").certificate, at(second))
        };
        assert!(warnings(policy(CrlPolicy::Soft), 1_100_000).is_empty());
        assert_eq!(warnings(policy(CrlPolicy::Soft), 3_000_000).len(), 1);
        let (retired, former) = policy(CrlPolicy::Soft);
        let (other, former) = (TestAuthority::new(), former.lists().iter().cloned().collect::<Vec<_>>());
        let (after, _) = other.policy().with_former(former, &[retired.root_certificate().clone()], at(3_000_000));
        assert!(after.lists().iter().count() == 1 && warnings((other, after), 3_000_000).is_empty(), "it has no next");
        let hard = warnings(policy(CrlPolicy::Hard), 1_100_000);
        assert!(hard.len() == 1 && hard[0].contains("no revocation list of OU=agency"), "{hard:?}");
        let none = TestAuthority::new();
        let required = none.policy().with_crl_policy(CrlPolicy::Hard);
        assert!(warnings((none, required), 0)[0].contains("nobody is admitted"));
    }
}
