use std::collections::BTreeSet;

/// Most addresses a node tells others.
pub const MAX_EXTERNAL: usize = 8;

/// Where a node says that it can be dialled.
#[derive(Debug)]
pub(crate) struct OwnAddresses {
    /// What the configuration says; then nothing else counts.
    external: Vec<String>,
    /// Where it listens. Bound: the addresses of this machine.
    learnt: BTreeSet<String>,
}

impl OwnAddresses {
    pub(crate) const fn new(external: Vec<String>) -> Self {
        Self { external, learnt: BTreeSet::new() }
    }

    pub(crate) fn learn(&mut self, address: String) {
        self.learnt.insert(address);
    }

    pub(crate) fn forget(&mut self, address: &str) {
        self.learnt.remove(address);
    }

    /// Loopback is told only when there is nothing else: to others it is their own machine.
    pub(crate) fn told(&self) -> Vec<String> {
        let is_loopback = |address: &&String| address.starts_with("127.") || address.starts_with("[::1]");
        let (local, far): (Vec<_>, Vec<_>) = self.learnt.iter().partition(is_loopback);
        let learnt = if far.is_empty() { local } else { far };
        let all = if self.external.is_empty() { learnt } else { self.external.iter().collect() };
        all.into_iter().take(MAX_EXTERNAL).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_when_there_is_nothing_else_and_the_configuration_comes_first() {
        let mut addresses = OwnAddresses::new(Vec::new());
        addresses.learn("127.0.0.1:1".into());
        assert_eq!(addresses.told(), ["127.0.0.1:1"]);
        addresses.learn("10.0.0.1:1".into());
        assert_eq!(addresses.told(), ["10.0.0.1:1"]);
        addresses.forget("10.0.0.1:1");
        assert_eq!(addresses.told(), ["127.0.0.1:1"]);
        let external = OwnAddresses { external: vec!["n.example:1".into()], ..addresses };
        assert_eq!(external.told(), ["n.example:1"]);
    }
}
