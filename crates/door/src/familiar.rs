use std::collections::{HashMap, HashSet};

use nuncio_bounds::Bound;

use crate::source::Source;

/// Sources that are no strangers: those that the operator has named, and [`Familiar::ADMITTED`] from where somebody was
/// admitted, the latest.
#[derive(Debug, Default)]
pub(crate) struct Familiar {
    named: HashSet<Source>,
    /// With the number of their last admission.
    admitted: HashMap<Source, u64>,
    admissions: u64,
}

impl Familiar {
    /// Most sources remembered for an admission.
    const ADMITTED: usize = 1024;

    pub(crate) const BOUND: Bound = Bound::of_entries::<(Source, u64)>(
        "sources of those admitted lately",
        Self::ADMITTED,
        0,
        "the one admitted longest ago is a stranger again",
    );

    pub(crate) fn contains(&self, source: Source) -> bool {
        self.named.contains(&source) || self.admitted.contains_key(&source)
    }

    pub(crate) fn name(&mut self, source: Source) {
        self.named.insert(source);
    }

    pub(crate) fn admit(&mut self, source: Source) {
        self.admissions += 1;
        self.admitted.insert(source, self.admissions);
        if self.admitted.len() > Self::ADMITTED {
            let oldest = self.admitted.iter().min_by_key(|(_, number)| **number).map(|(source, _)| *source);
            oldest.and_then(|oldest| self.admitted.remove(&oldest));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn whoever_was_admitted_longest_ago_is_forgotten_first_and_the_named_never() {
        let source = |number: u32| Source::from(IpAddr::from(Ipv4Addr::from_bits(number)));
        let mut familiar = Familiar::default();
        familiar.name(source(0));
        familiar.admit(source(1));
        familiar.admit(source(2));
        familiar.admit(source(1));
        (3..=1025).for_each(|number| familiar.admit(source(number)));
        assert_eq!(familiar.admitted.len(), Familiar::ADMITTED);
        assert!(familiar.contains(source(0)) && familiar.contains(source(1)) && !familiar.contains(source(2)));
    }
}
