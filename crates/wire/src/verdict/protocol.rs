//! What each side of a link speaks, and what both have in common.

use std::{collections::BTreeSet, fmt};

use crate::DecodeError;

/// The versions and features of the link protocol that one side speaks. A release speaks with the one before: its lowest
/// version is the highest one of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// The lowest version.
    pub lowest: u32,
    /// The highest version.
    pub highest: u32,
    /// What it can do beyond its highest version, by name; at most [`Protocol::MAX_FEATURES`] names of
    /// [`Protocol::MAX_FEATURE_LENGTH`] bytes. Names that a side does not know mean nothing to it.
    pub features: BTreeSet<String>,
}

/// What both sides of a link speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The highest version of both.
    pub version: u32,
    /// The features of both.
    pub features: BTreeSet<String>,
}

/// There is no version that both sides speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// This side's versions are the older ones.
    Us,
    /// The other side's are.
    Them,
}

impl Protocol {
    /// Most features that one side names.
    pub const MAX_FEATURES: usize = 32;

    /// Longest name of a feature, in bytes; names consist of lower-case letters, digits and hyphens.
    pub const MAX_FEATURE_LENGTH: usize = 32;

    /// What this release speaks: version 2 only, since version 1 named no versions.
    pub fn of_this_release() -> Self {
        Self { lowest: 2, highest: 2, features: BTreeSet::new() }
    }

    /// What this side and another have in common.
    ///
    /// # Errors
    /// When no version is spoken by both: which side has to be upgraded.
    pub fn agree(&self, theirs: &Self) -> Result<Agreed, Behind> {
        if theirs.highest < self.lowest {
            return Err(Behind::Them);
        }
        if self.highest < theirs.lowest {
            return Err(Behind::Us);
        }
        let version = self.highest.min(theirs.highest);
        Ok(Agreed { version, features: self.features.intersection(&theirs.features).cloned().collect() })
    }

    /// Reads what a verdict names. One without versions is of version 1, which did not name any.
    pub(super) fn from_wire(lowest: u32, highest: u32, features: Vec<String>) -> Result<Self, DecodeError> {
        let (lowest, highest) = (lowest.max(1), highest.max(1));
        if lowest > highest {
            return Err(DecodeError::Field { field: "lowest_version" });
        }
        if features.len() > Self::MAX_FEATURES {
            let (count, limit) = (features.len(), Self::MAX_FEATURES);
            return Err(DecodeError::TooMany { what: "features", count, limit });
        }
        if !features.iter().all(|name| is_feature(name)) {
            return Err(DecodeError::Field { field: "features" });
        }
        Ok(Self { lowest, highest, features: features.into_iter().collect() })
    }
}

fn is_feature(name: &str) -> bool {
    (1..=Protocol::MAX_FEATURE_LENGTH).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// The versions in words.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lowest, highest, .. } = self;
        if lowest == highest { write!(f, "version {lowest}") } else { write!(f, "versions {lowest} to {highest}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaks(lowest: u32, highest: u32, features: &[&str]) -> Protocol {
        Protocol { lowest, highest, features: features.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn both_sides_take_the_highest_common_version_and_the_features_of_both() {
        for (here, there, expected) in [
            (speaks(2, 2, &[]), speaks(2, 2, &[]), Ok(2)),
            (speaks(2, 3, &[]), speaks(2, 2, &[]), Ok(2)),
            (speaks(2, 4, &[]), speaks(3, 9, &[]), Ok(4)),
            (speaks(2, 2, &[]), speaks(1, 1, &[]), Err(Behind::Them)),
            (speaks(2, 3, &[]), speaks(4, 5, &[]), Err(Behind::Us)),
        ] {
            assert_eq!(here.agree(&there).map(|agreed| agreed.version), expected, "{here} with {there}");
            let mirrored = expected.map_err(|behind| if behind == Behind::Us { Behind::Them } else { Behind::Us });
            assert_eq!(there.agree(&here).map(|agreed| agreed.version), mirrored, "{there} with {here}");
        }
        let agreed = speaks(2, 2, &["a", "b"]).agree(&speaks(2, 2, &["b", "unheard-of"])).unwrap();
        assert_eq!(agreed.features, speaks(2, 2, &["b"]).features);
    }

    #[test]
    fn versions_and_features_are_bounded_and_their_absence_is_version_1() {
        let read = |lowest, highest, features: &[&str]| {
            Protocol::from_wire(lowest, highest, features.iter().map(|name| (*name).to_owned()).collect())
        };
        assert_eq!(read(0, 0, &[]), Ok(speaks(1, 1, &[])));
        assert_eq!(read(2, u32::MAX, &["x-1"]), Ok(speaks(2, u32::MAX, &["x-1"])));
        assert_eq!(read(3, 2, &[]), Err(DecodeError::Field { field: "lowest_version" }));
        let longest = "f".repeat(Protocol::MAX_FEATURE_LENGTH);
        assert!(read(2, 2, &[longest.as_str(); Protocol::MAX_FEATURES]).is_ok());
        assert!(matches!(read(2, 2, &["f"; Protocol::MAX_FEATURES + 1]), Err(DecodeError::TooMany { count: 33, .. })));
        for name in ["", "A", "a b", "é", "a\u{1b}", &format!("{longest}f")] {
            assert_eq!(read(2, 2, &[name]), Err(DecodeError::Field { field: "features" }), "{name:?}");
        }
    }
}
