//! Warns in the log before anything ends that this node shows or trusts.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nuncio_admin::{Lifetime, Operator};
use nuncio_audit::Event;
use tokio::time::interval;

use crate::control::Control;

const INTERVAL: Duration = Duration::from_secs(60);

/// Warns at start and whenever something comes within the next limit.
pub(crate) async fn warn(control: Arc<Control>) {
    let mut ticks = interval(INTERVAL);
    let mut warned = Warned::default();
    loop {
        ticks.tick().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        for (lifetime, _) in warned.due(control.lifetimes(), now) {
            let warning = lifetime.warning(now).into();
            let (of, subject) = (lifetime.kind, lifetime.subject.into());
            control.audit.record(Event::CertificateEnding { of, subject, warning });
        }
    }
}

/// The limits at which was warned, in seconds, by what ends when. Bound: as many as there are lifetimes.
#[derive(Debug, Default)]
struct Warned(HashMap<Lifetime, u64>);

impl Warned {
    /// What a warning is due for, and the seconds left.
    fn due(&mut self, lifetimes: Vec<Lifetime>, now: u64) -> Vec<(Lifetime, u64)> {
        self.0.retain(|warned, _| lifetimes.contains(warned));
        let due = lifetimes.into_iter().filter_map(|lifetime| {
            let left = lifetime.not_after.saturating_sub(now);
            let limit =
                lifetime.limits().into_iter().filter(|limit| left < *limit || lifetime.not_after <= now).min()?;
            let last = self.0.insert(lifetime.clone(), limit);
            last.is_none_or(|last| limit < last).then_some((lifetime, left))
        });
        due.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn ending(kind: &'static str, days: u64) -> Lifetime {
        Lifetime { kind, subject: String::new(), not_after: days * DAY, life: 3650 * DAY }
    }

    #[test]
    fn each_limit_warns_once_and_a_renewed_certificate_anew() {
        let mut warned = Warned::default();
        let mut due = |days: u64| !warned.due(vec![ending("node", 100)], (100 - days) * DAY).is_empty();
        assert!(!due(31));
        assert!(due(29) && !due(28));
        assert!(due(6) && !due(5));
        assert!(due(0) && !due(0));
        assert!(!warned.due(vec![ending("node", 200)], 190 * DAY).is_empty(), "another certificate");
        assert_eq!(warned.0.len(), 1);
    }

    #[test]
    fn authorities_are_warned_of_earlier_and_lists_elsewhere() {
        let mut warned = Warned::default();
        let all = || ["node", "agency", "root", "revocation_list"].map(|kind| ending(kind, 100)).to_vec();
        let mut kinds = |now: u64| warned.due(all(), now).iter().map(|(one, _)| one.kind).collect::<Vec<_>>();
        assert_eq!(kinds(20 * DAY), ["agency", "root"]);
        assert_eq!(kinds(75 * DAY), ["node", "agency", "root"]);
        assert_eq!(kinds(100 * DAY), ["node", "agency", "root"]);
    }
}
