use std::{collections::BTreeMap, time::Instant};

use nuncio_bounds::Bound;

use super::super::Payer;
use crate::{
    fair::{KEPT, PAUSE, SHARED_OUT},
    gate::{Cast, CastRate},
    life::{self, CAST},
};

/// Most payers that have a share.
const MAX_PAYERS: usize = 1024;

/// How many multicasts each payer may have others check the signature of: of what the node may, as many as any other that
/// publishes some; what nobody uses they lend each other.
///
/// Bound: [`MAX_PAYERS`] that published lately, until their share has come back; further ones have what is lent.
#[derive(Debug, Default)]
pub(super) struct Shares {
    of: BTreeMap<Payer, Cast>,
    tidied: Option<Instant>,
}

impl Shares {
    pub(super) const BOUND: Bound = Bound::of_entries::<(Payer, Cast)>(
        "shares of multicasts of those who publish",
        MAX_PAYERS,
        0,
        "a further one has what the others leave",
    );

    /// Whether a payer may send so many more of so many bytes each; charges it and the node, or nobody.
    #[expect(clippy::cast_precision_loss, reason = "there are few, each shorter than 2^53 bytes")]
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
            let rate = share_of(self.of.len());
            self.of.retain(|_, cast| !cast.is_full(rate, now));
            self.tidied = Some(now);
        }
        let is_one_more = !self.of.contains_key(&payer);
        let (known, has_room) = (self.of.len() + usize::from(is_one_more), !is_one_more || self.of.len() < MAX_PAYERS);
        let (rate, all, messages) = (share_of(known), life.cast(), (count as f64, bytes as f64));
        let fresh = || Cast::new(rate, now);
        let has_share = || match self.of.get(&payer) {
            Some(share) => share.has(messages, rate, now),
            None => has_room && fresh().has(messages, rate, now),
        };
        let has = all.has_above(KEPT, messages, CAST, now) || (all.has(messages, CAST, now) && has_share());
        if has {
            all.use_up(messages, CAST, now);
            if has_room {
                self.of.entry(payer).or_insert_with(fresh).use_up(messages, rate, now);
            }
        }
        has
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are few")]
fn share_of(tenants: usize) -> CastRate {
    CAST.parted(SHARED_OUT / tenants.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        assert!(sent[1] >= 6_750, "{sent:?}: nine tenths of a half");
        assert!(sent[0] > 20_000, "{sent:?}");
        let later = start + Duration::from_secs(100);
        assert!(shares.take(Payer::Tenant(TenantId(1)), (900, 100), &mut life, later), "it is alone again");
    }

    #[test]
    fn a_long_one_finds_room_beside_many_that_publish_little_and_what_is_refused_takes_nothing() {
        let (start, mut shares) = (Instant::now(), Shares::default());
        let mut life = life::Life::new(node_id(0), 1, start);
        let mut take = |tenant, messages, now| shares.take(Payer::Tenant(TenantId(tenant)), messages, &mut life, now);
        assert!((1..=41).all(|tenant| take(tenant, (1, 100), start)));
        let (later, long) = (start + Duration::from_secs(100), (CAST.bytes.burst * 0.4) as usize);
        assert!(take(1, (1, long), start), "sixteen times its share");
        assert!((0..1000).all(|_| !take(1, (1, long), start)), "the rest is for the others");
        assert!((2..=41).all(|tenant| take(tenant, (1, 100), start)), "who have theirs");
        let all = CAST.messages.burst as usize;
        assert!(!take(50, (all, 1), later), "more than a share");
        assert!(take(50, (all / 2, 1), later));
    }

    #[test]
    fn payers_without_number_take_a_bounded_room_and_have_what_is_lent() {
        let (start, mut most) = (Instant::now(), 0);
        let (mut shares, mut life) = (Shares::default(), life::Life::new(node_id(0), 1, start));
        for tenant in 0..2 * MAX_PAYERS as u64 {
            let now = start + Duration::from_micros(600 * tenant);
            assert!(shares.take(Payer::Tenant(TenantId(tenant)), (1, 100), &mut life, now), "{tenant}");
            most = most.max(shares.of.len());
        }
        assert_eq!(most, MAX_PAYERS);
    }
}
