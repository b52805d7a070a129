pub(crate) const DAY: u64 = 86_400;

/// When something ends that the node shows or trusts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lifetime {
    /// `node`, `agency`, `root`, `sdk_port`, `sdk_port_rsa`, `sdk_authority` or `revocation_list`.
    pub kind: &'static str,
    /// Whose certificate it is, or who made the list, RFC 4514.
    pub subject: String,
    /// Its last second, of 1970; of a list, when the next one is due.
    pub not_after: u64,
    /// Seconds from its first to its last.
    pub life: u64,
}

impl Lifetime {
    /// Whole days left at `now`, negative when it has ended.
    pub fn days_left(&self, now: u64) -> i64 {
        let left = i128::from(self.not_after) - i128::from(now);
        i64::try_from(left.div_euclid(i128::from(DAY))).unwrap_or(i64::MAX)
    }

    /// Seconds before the end at which operators are warned, and no earlier than with a quarter of its life left: what lasts
    /// a day and renews itself is no cause for alarm as long as it does. To replace an authority takes longer than a leaf; of
    /// lists the operator's own part warns, since what an overdue one means is set there.
    pub fn limits(&self) -> Vec<u64> {
        let days: &[u64] = match self.kind {
            "agency" | "root" | "sdk_authority" => &[90, 30, 7, 1],
            "revocation_list" => &[],
            _ => &[30, 7, 1],
        };
        days.iter().map(|days| (days * DAY).min(self.life / 4)).collect()
    }

    /// Whether operators are warned of it at `now`.
    pub fn is_close(&self, now: u64) -> bool {
        let widest = self.limits().into_iter().max();
        widest.is_some_and(|limit| self.not_after <= now || self.not_after - now < limit)
    }

    /// What ends, when, and what mends it.
    pub fn warning(&self, now: u64) -> String {
        let what = match self.kind {
            "node" => "the certificate of this node".to_owned(),
            "agency" => format!("the certificate of the agency {}", self.subject),
            "root" => format!("the root {}", self.subject),
            "sdk_authority" => format!("the authority of SDKs {}", self.subject),
            _ => format!("the certificate of the SDK port {}", self.subject),
        };
        match self.days_left(now) {
            ..0 => format!("{what} has ended: nuncio cert renew FILE --ca DIR"),
            0 => format!("{what} ends in {} h: nuncio cert renew FILE --ca DIR", (self.not_after - now) / 3600),
            days => format!("{what} ends in {days} days: nuncio cert renew FILE --ca DIR"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_close_is_said_with_what_mends_it() {
        let ending = |kind| Lifetime { kind, subject: "CN=a".into(), not_after: 100 * DAY, life: 3650 * DAY };
        let node = ending("node");
        assert!(!node.is_close(69 * DAY) && node.is_close(71 * DAY));
        assert_eq!(
            node.warning(71 * DAY),
            "the certificate of this node ends in 29 days: nuncio cert renew FILE --ca DIR"
        );
        assert!(node.warning(101 * DAY).contains("has ended"));
        assert_eq!((node.days_left(99 * DAY), node.days_left(101 * DAY)), (1, -1));
        assert!(ending("agency").is_close(11 * DAY) && ending("agency").warning(11 * DAY).contains("CN=a"));
        let short = Lifetime { life: DAY, ..ending("node") };
        assert!(!short.is_close(100 * DAY - 7 * 3600), "a third of its life is left: it is renewed about now");
        assert!(short.is_close(100 * DAY - 5 * 3600) && short.warning(100 * DAY - 5 * 3600).contains("ends in 5 h"));
        let list = ending("revocation_list");
        assert!(!list.is_close(99 * DAY) && !list.is_close(101 * DAY), "others warn of lists");
    }
}
