const DAY: u64 = 86_400;

/// When something ends that the node shows or trusts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lifetime {
    /// `node`, `agency`, `root`, `sdk_port`, `sdk_port_rsa`, `sdk_authority` or `revocation_list`.
    pub kind: &'static str,
    /// Whose certificate it is, or who made the list, RFC 4514.
    pub subject: String,
    /// Its last second, of 1970; of a list, when the next one is due.
    pub not_after: u64,
}

impl Lifetime {
    /// Whole days left at `now`, negative when it has ended.
    pub fn days_left(&self, now: u64) -> i64 {
        let left = i128::from(self.not_after) - i128::from(now);
        i64::try_from(left.div_euclid(i128::from(DAY))).unwrap_or(i64::MAX)
    }

    /// Days before the end at which operators are warned. To replace an authority takes longer than a leaf, and a list is
    /// replaced often: 0 is its end itself.
    pub fn limits(&self) -> Vec<u64> {
        match self.kind {
            "agency" | "root" | "sdk_authority" => vec![90, 30, 7, 1],
            "revocation_list" => vec![0],
            _ => vec![30, 7, 1],
        }
    }

    /// Whether operators are warned of it at `now`.
    pub fn is_close(&self, now: u64) -> bool {
        let widest = self.limits().into_iter().max().unwrap_or_default();
        self.not_after <= now || self.not_after - now < widest * DAY
    }

    /// What ends, when, and what mends it.
    pub fn warning(&self, now: u64) -> String {
        let what = match self.kind {
            "node" => "the certificate of this node".to_owned(),
            "agency" => format!("the certificate of the agency {}", self.subject),
            "root" => format!("the root {}", self.subject),
            "sdk_authority" => format!("the authority of SDKs {}", self.subject),
            "revocation_list" => format!("the next revocation list of {}", self.subject),
            _ => format!("the certificate of the SDK port {}", self.subject),
        };
        match (self.kind, self.days_left(now)) {
            ("revocation_list", ..0) => format!("{what} is overdue: nuncio cert revoke writes one"),
            ("revocation_list", days) => format!("{what} is due in {days} days"),
            (_, ..0) => format!("{what} has ended: nuncio cert renew FILE --ca DIR"),
            (_, days) => format!("{what} ends in {days} days: nuncio cert renew FILE --ca DIR"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_close_is_said_with_what_mends_it() {
        let ending = |kind| Lifetime { kind, subject: "CN=a".into(), not_after: 100 * DAY };
        let node = ending("node");
        assert!(!node.is_close(69 * DAY) && node.is_close(71 * DAY));
        assert_eq!(
            node.warning(71 * DAY),
            "the certificate of this node ends in 29 days: nuncio cert renew FILE --ca DIR"
        );
        assert!(node.warning(101 * DAY).contains("has ended"));
        assert_eq!((node.days_left(99 * DAY), node.days_left(101 * DAY)), (1, -1));
        assert!(ending("agency").is_close(11 * DAY) && ending("agency").warning(11 * DAY).contains("CN=a"));
        let list = ending("revocation_list");
        assert!(!list.is_close(99 * DAY) && list.is_close(100 * DAY));
        assert!(list.warning(101 * DAY).contains("overdue"));
    }
}
