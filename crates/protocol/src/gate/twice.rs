use crate::hashed::HashMap;

/// How many numbers that came again are known of one source at the least.
const REMEMBERED: usize = 64;

/// What the numbers of one source stood for that came again lately. Nobody but the source can give a message its number: so
/// whoever gives one number to different messages is named by these, whoever brought them.
///
/// Bound: twice [`REMEMBERED`]; the older half is forgotten at once.
#[derive(Debug, Default)]
pub(super) struct Twice {
    young: HashMap<u64, u64>,
    old: HashMap<u64, u64>,
}

impl Twice {
    /// Bytes that it takes at the most: tables grow by doubling, and are filled to seven eighths.
    pub(super) const MOST_BYTES: usize = 2 * (REMEMBERED * 8 / 7).next_power_of_two() * (size_of::<(u64, u64)>() + 1);

    /// A number came again; says whether it stood for another message when it did so before.
    pub(super) fn differs(&mut self, number: u64, digest: u64) -> bool {
        if let Some(known) = self.young.get(&number).or_else(|| self.old.get(&number)) {
            return *known != digest;
        }
        if self.young.len() >= REMEMBERED {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(number, digest);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_stands_for_another_message_is_noticed_and_little_is_kept() {
        let mut twice = Twice::default();
        assert!(!twice.differs(1, 7) && !twice.differs(1, 7), "the same again");
        assert!(twice.differs(1, 8) && twice.differs(1, 9));
        for number in 2..10_000 {
            assert!(!twice.differs(number, number));
        }
        assert!((9_936..10_000).all(|number| twice.differs(number, 0)));
        assert!(twice.young.len() + twice.old.len() <= 2 * REMEMBERED);
    }
}
