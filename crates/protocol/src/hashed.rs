//! Maps and sets by hash. What is hashed may be chosen by others, so the hasher has a random key; it is met at every message,
//! so it is a quick one.

use std::collections;

pub(crate) use foldhash::fast::RandomState;

pub(crate) type HashMap<K, V> = collections::HashMap<K, V, RandomState>;

pub(crate) type HashSet<K> = collections::HashSet<K, RandomState>;

/// In the order in which keys came, whatever the hasher's key.
pub(crate) type IndexMap<K, V> = indexmap::IndexMap<K, V, RandomState>;
