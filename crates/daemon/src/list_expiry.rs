//! Warns before revocation lists are overdue: where they are required, nobody of that authority comes in from then on.

use std::{collections::BTreeMap, time::Duration};

use nuncio_audit::{Audit, Event};
use nuncio_pki::{CrlPolicy, Lists, RevocationList, SharedPolicy};
use rustls_pki_types::UnixTime;
use tokio::time::interval;

const INTERVAL: Duration = Duration::from_secs(60);

/// Of a list's life, the parts left at which the operator is warned: a half, a quarter, a tenth, none. Some lists last for
/// years, some for days.
const WARNINGS: [u64; 4] = [50, 25, 10, 0];

/// Warns at start and whenever a list comes within the next limit.
pub(crate) async fn warn(policy: SharedPolicy, audit: Audit) {
    let mut ticks = interval(INTERVAL);
    let mut warned = BTreeMap::new();
    loop {
        ticks.tick().await;
        let policy = policy.load_full();
        let is_required = policy.lists().policy() == CrlPolicy::Hard;
        for (list, words) in due(policy.lists(), UnixTime::now(), &mut warned) {
            let subject = list.issuer().into();
            audit.record(Event::CertificateEnding { of: "revocation_list", subject, warning: words.into() });
        }
        if is_required && policy.lists().iter().next().is_none() && warned.insert(Vec::new(), 0).is_none() {
            tracing::warn!(
                "[identity] crl_policy is hard and there is no revocation list: nobody is admitted. Name lists in [identity] crl"
            );
        }
    }
}

/// What an operator should know of the lists in force, in words.
pub(crate) fn warnings(lists: &Lists, now: UnixTime) -> Vec<String> {
    let about = |list: &RevocationList| limit(list, now).map(|limit| words(list, limit, lists, now));
    let mut warnings: Vec<_> = lists.iter().filter_map(about).collect();
    warnings.extend(lists.unclaimed().iter().map(|list| {
        let name = format!("revocation list {} of {}", list.edition(), list.issuer());
        format!("{name} does not spread: nobody is known here who signed it")
    }));
    if lists.policy() == CrlPolicy::Hard && lists.iter().next().is_none() {
        warnings.push("there is no revocation list, and crl_policy is hard: nobody is admitted".to_owned());
    }
    warnings
}

/// The lists that came within another limit since they were warned of, with what to say.
fn due<'a>(lists: &'a Lists, now: UnixTime, warned: &mut BTreeMap<Vec<u8>, u64>) -> Vec<(&'a RevocationList, String)> {
    let mut due = Vec::new();
    let mut still = BTreeMap::new();
    for list in lists.iter() {
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
        return format!("{name} is overdue{consequence}: ask the authority for the next");
    }
    let left = list.next_update().map_or(0, |end| end.as_secs().saturating_sub(now.as_secs()));
    format!("{name} is due to be replaced in {} h{consequence}: ask the authority for the next", left / 3600)
}

#[cfg(test)]
mod tests {
    use nuncio_pki::authority::RevocationDates;
    use nuncio_testkit::TestAuthority;

    use super::*;

    fn at(second: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(second))
    }

    fn lists(policy: CrlPolicy) -> Lists {
        let authority = TestAuthority::new();
        let dates = RevocationDates { this_update: at(1_000_000), next_update: at(2_000_000) };
        let list = authority.root().revoke(&[], None, dates).unwrap();
        authority.policy().with_crl_policy(policy).with_crls(vec![list]).unwrap().lists().clone()
    }

    #[test]
    fn each_limit_warns_once_long_before_the_list_is_overdue() {
        let (lists, mut warned) = (lists(CrlPolicy::Hard), BTreeMap::new());
        let mut due =
            |second| due(&lists, at(second), &mut warned).into_iter().map(|(_, words)| words).collect::<Vec<_>>();
        assert!(due(1_400_000).is_empty());
        assert!(due(1_500_000)[0].contains("in 138 h; then nobody of that authority is admitted"));
        assert!(due(1_500_001).is_empty() && due(1_760_000).len() == 1 && due(1_950_000).len() == 1);
        assert!(due(2_000_001)[0].contains("is overdue; nobody"));
        assert!(due(2_000_002).is_empty());
    }

    #[test]
    fn the_status_says_it_as_long_as_it_holds() {
        assert!(warnings(&lists(CrlPolicy::Soft), at(1_100_000)).is_empty());
        assert_eq!(warnings(&lists(CrlPolicy::Soft), at(3_000_000)).len(), 1);
        let none = TestAuthority::new().policy().with_crl_policy(CrlPolicy::Hard);
        assert!(warnings(none.lists(), at(0))[0].contains("nobody is admitted"));
    }
}
