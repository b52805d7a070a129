use std::{fmt, str::FromStr, time::Duration};

use nuncio_gateway::ClientName;
use nuncio_identity::NodeId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Writes a value as its text and reads it from there.
macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

pub(super) use as_text;

/// The permissions of a file, as `chmod` takes them: `0600`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl FromStr for Mode {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mode = u32::from_str_radix(text.trim(), 8).ok().filter(|mode| *mode <= 0o777 && mode & 0o600 == 0o600);
        let expected = "permissions with which the owner reads and writes, such as 0600 or 0660";
        mode.map(Self).ok_or_else(|| ValueError::new(text, expected))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

as_text!(Mode);

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ValueError {
    /// The text.
    pub text: String,
    /// What was expected, in words.
    pub expected: String,
}

impl ValueError {
    pub(super) fn new(text: &str, expected: impl Into<String>) -> Self {
        Self { text: text.to_owned(), expected: expected.into() }
    }
}

/// A node ID in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node(pub NodeId);

impl FromStr for Node {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse().map(Self).map_err(|error| ValueError::new(text, format!("a node ID: {error}")))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

as_text!(Node);

/// An SDK in a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sdk(pub ClientName);

impl FromStr for Sdk {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expected = "an SDK: write its public key (128 hexadecimal digits), key:HASH, SERIAL@ISSUER or the SHA-256 \
                        fingerprint of its certificate (64 digits); `nuncio cert inspect` shows them";
        text.parse().map(Self).map_err(|_| ValueError::new(text, expected))
    }
}

impl fmt::Display for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

as_text!(Sdk);

/// A span of time, written `30s`, `250ms` or `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(pub Duration);

impl FromStr for Interval {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parser = jiff::fmt::friendly::SpanParser::new();
        let parsed = parser.parse_unsigned_duration(text.trim()).ok().filter(|duration| !duration.is_zero());
        parsed.map(Self).ok_or_else(|| ValueError::new(text, "a span of time above zero: write 30s, 250ms or 10m"))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printer = jiff::fmt::friendly::SpanPrinter::new();
        f.write_str(&printer.unsigned_duration_to_string(&self.0))
    }
}

as_text!(Interval);

/// A number of bytes, written `4MiB`, `64KiB` or `1000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// As a length in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parsed = text.trim().parse::<bytesize::ByteSize>().ok();
        parsed.map(|size| Self(size.as_u64())).ok_or_else(|| ValueError::new(text, "a size: write 4MiB or 64KiB"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.into_iter().find(|(unit, _)| self.0 != 0 && self.0.is_multiple_of(*unit)) {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

as_text!(Size);

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people, in colour on a terminal.
    Human,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(ValueError::new(text, "a log format: write human or json")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_written_as_they_are_read() {
        for (text, value) in [("30s", 30_000), ("250ms", 250), ("10m", 600_000), ("1h 30m", 5_400_000)] {
            let interval: Interval = text.parse().unwrap();
            assert_eq!(interval.0, Duration::from_millis(value), "{text}");
            assert_eq!(interval.to_string().parse(), Ok(interval));
        }
        for (text, value) in [("4MiB", 4 << 20), ("64KiB", 65536), ("1000", 1000), ("3GiB", 3 << 30), ("0", 0)] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.0, value, "{text}");
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        assert!("30".parse::<Interval>().is_err());
        assert!("-3s".parse::<Interval>().is_err());
        assert!("0s".parse::<Interval>().is_err());
        assert!("4 parsecs".parse::<Size>().is_err());
    }
}
