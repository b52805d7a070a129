//! What is found without looking at every rule: by topic, then by whom.

use std::collections::BTreeMap;

use crate::{Key, Pattern, Subject, Who};

/// Things, each about somebody, by the most telling thing given of him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ByWho<T> {
    keys: BTreeMap<Key, Vec<(Who, T)>>,
    agencies: BTreeMap<String, OfAgency<T>>,
    others: Vec<(Who, T)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct OfAgency<T> {
    names: BTreeMap<String, Vec<(Who, T)>>,
    all: Vec<(Who, T)>,
}

/// Things, each about topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByTopic<T> {
    exact: BTreeMap<String, T>,
    /// In order, so that whatever begins with another one comes behind it.
    prefixes: Vec<Prefix<T>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Prefix<T> {
    text: String,
    /// The longest other one that this one begins with.
    shorter: Option<usize>,
    thing: T,
}

impl<T> Default for ByWho<T> {
    fn default() -> Self {
        Self { keys: BTreeMap::new(), agencies: BTreeMap::new(), others: Vec::new() }
    }
}

impl<T> Default for OfAgency<T> {
    fn default() -> Self {
        Self { names: BTreeMap::new(), all: Vec::new() }
    }
}

impl<T> Default for ByTopic<T> {
    fn default() -> Self {
        Self { exact: BTreeMap::new(), prefixes: Vec::new() }
    }
}

impl<T> ByWho<T> {
    pub(crate) fn insert(&mut self, who: &Who, thing: T) {
        let place = if let Some(key) = who.key {
            self.keys.entry(key).or_default()
        } else if let Some(agency) = &who.agency {
            let of_agency = self.agencies.entry(agency.clone()).or_default();
            match &who.name {
                Some(name) => of_agency.names.entry(name.clone()).or_default(),
                None => &mut of_agency.all,
            }
        } else {
            &mut self.others
        };
        place.push((who.clone(), thing));
    }

    /// Those that are about him.
    pub(crate) fn about<'a>(&'a self, subject: &'a Subject<'a>) -> impl Iterator<Item = &'a T> {
        let by_key = subject.keys.iter().filter_map(|key| self.keys.get(key));
        let agencies = subject.agencies().filter_map(|agency| self.agencies.get(agency));
        let by_agency = agencies.flat_map(|agency| agency.names.get(subject.name).into_iter().chain([&agency.all]));
        let near = by_key.chain(by_agency).chain([&self.others]).flatten();
        near.filter(|(who, _)| who.is(subject)).map(|(_, thing)| thing)
    }
}

impl<T: Default> ByTopic<T> {
    /// One thing for each pattern, filled by `fill`.
    pub fn new<I>(items: impl IntoIterator<Item = (Pattern, I)>, mut fill: impl FnMut(&mut T, I)) -> Self {
        let (mut exact, mut begins) = (BTreeMap::<String, T>::new(), BTreeMap::<String, T>::new());
        for (pattern, item) in items {
            let thing = match pattern {
                Pattern::Exact(name) => exact.entry(name).or_default(),
                Pattern::Prefix(beginning) => begins.entry(beginning).or_default(),
            };
            fill(thing, item);
        }
        let mut prefixes: Vec<Prefix<T>> = Vec::with_capacity(begins.len());
        for (text, thing) in begins {
            let mut shorter = prefixes.len().checked_sub(1);
            while let Some(at) = shorter.filter(|at| !text.starts_with(&prefixes[*at].text)) {
                shorter = prefixes[at].shorter;
            }
            prefixes.push(Prefix { text, shorter, thing });
        }
        Self { exact, prefixes }
    }
}

impl<T> ByTopic<T> {
    /// Those that are about a topic, the one that names it alone first, then the longer beginnings before the shorter ones.
    pub fn about<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a T> {
        let behind = self.prefixes.partition_point(|prefix| prefix.text.as_str() <= topic);
        let mut next = behind.checked_sub(1);
        let prefixes = std::iter::from_fn(move || {
            loop {
                let prefix = &self.prefixes[next?];
                next = prefix.shorter;
                if topic.starts_with(&prefix.text) {
                    return Some(&prefix.thing);
                }
            }
        });
        self.exact.get(topic).into_iter().chain(prefixes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_that_names_a_topic_is_found_and_no_other() {
        let patterns =
            ["*", "a*", "ab", "ab*", "abc*", "abd*", "ac*", "b*", "ba*", "a/*", "a/b*", "ä*", "zz*", "a/b/c"];
        let patterns: Vec<Pattern> = patterns.iter().map(|text| text.parse().unwrap()).collect();
        let index: ByTopic<Vec<Pattern>> =
            ByTopic::new(patterns.iter().map(|one| (one.clone(), one.clone())), Vec::push);
        for topic in
            ["", "a", "ab", "abc", "abcd", "abcz", "abe", "ac", "b", "bb", "a/b/c", "a/b", "a/", "äx", "z", "zzz"]
        {
            let mut found: Vec<_> = index.about(topic).flatten().collect();
            let mut expected: Vec<_> = patterns.iter().filter(|pattern| pattern.names(topic)).collect();
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{topic:?}");
        }
    }
}
