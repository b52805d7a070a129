use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::super::Payer;
use crate::{
    gate::{Cast, CastRate},
    life,
};

/// How soon those are forgotten that published nothing lately.
const PAUSE: Duration = Duration::from_secs(1);

/// What is left for a second payer when it comes.
const ALONE: f64 = 0.9;

/// How many multicasts each payer may have others check the signature of: of what the node may, as many as any other that
/// publishes some.
///
/// Bound: the tenants that are connected, and those that published in the last minute.
#[derive(Debug, Default)]
pub(super) struct Shares {
    of: BTreeMap<Payer, Cast>,
    tidied: Option<Instant>,
}

impl Shares {
    /// Whether a payer may send so many more of so many bytes each; charges it and the node.
    pub(super) fn take(
        &mut self,
        payer: Payer,
        (count, bytes): (usize, usize),
        life: &mut life::Life,
        now: Instant,
    ) -> bool {
        if count == 0 {
            return true;
        }
        if self.tidied.is_none_or(|tidied| tidied + PAUSE <= now) {
            let rate = self.rate(self.of.len());
            self.of.retain(|_, cast| !cast.is_full(rate, now));
            self.tidied = Some(now);
        }
        let known = self.of.len() + usize::from(!self.of.contains_key(&payer));
        let rate = self.rate(known);
        let share = self.of.entry(payer).or_insert_with(|| Cast::new(rate, now));
        (0..count).all(|_| share.take(bytes, rate, now) && life.may_cast(bytes, now))
    }

    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    fn rate(&self, tenants: usize) -> CastRate {
        life::CAST.parted(if tenants < 2 { ALONE } else { 1.0 / tenants as f64 })
    }
}

#[cfg(test)]
mod tests {
    use nuncio_testkit::simulator::node_id;

    use super::*;
    use crate::amop::TenantId;

    #[test]
    fn one_that_publishes_without_end_leaves_others_as_much() {
        let start = Instant::now();
        let (mut shares, mut life, mut sent) = (Shares::default(), life::Life::new(node_id(0), 1, start), [0; 2]);
        for millisecond in 0..20_000 {
            let now = start + Duration::from_millis(millisecond);
            sent[0] += (0..20).filter(|_| shares.take(Payer::Tenant(TenantId(1)), (1, 100), &mut life, now)).count();
            if millisecond >= 5_000 && millisecond % 2 == 0 {
                sent[1] += usize::from(shares.take(Payer::Tenant(TenantId(2)), (1, 100), &mut life, now));
            }
        }
        assert_eq!(sent[1], 7_500, "{sent:?}");
        assert!(sent[0] > 20_000, "{sent:?}");
        let later = start + Duration::from_secs(100);
        assert!(shares.take(Payer::Tenant(TenantId(1)), (900, 100), &mut life, later), "it is alone again");
    }
}
