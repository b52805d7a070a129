use std::fmt;

use serde::{Serialize, Serializer};

/// Words that somebody else may have written: one harmless line of at most [`Text::MAX`] characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(Box<str>);

impl Text {
    /// Most characters; the rest is cut off.
    pub const MAX: usize = 768;

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: AsRef<str>> From<T> for Text {
    fn from(text: T) -> Self {
        Self(nuncio_plain::short(text.as_ref(), Self::MAX).into())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_short_and_harmless() {
        let text = Text::from("a\u{1b}[2J\n".to_owned() + &"ü".repeat(10_000));
        assert!(text.as_str().starts_with("a␛[2J␊ü") && text.as_str().chars().count() == Text::MAX);
    }
}
