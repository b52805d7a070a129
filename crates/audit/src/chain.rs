//! The chain as it is written.

use std::collections::BTreeMap;

use jiff::{Timestamp, Unit};
use nuncio_identity::{SignError, Signer};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Entry, MAX_LINE, Mark};

/// What the signatures are for, so that none of them counts elsewhere.
const PURPOSE: &[u8] = b"nuncio audit seal 1\n";

/// What stands between the signed beginning of a sealing line and its signature.
pub(crate) const SIGNED_UNTIL: &str = r#","signature":""#;

/// What such a line ends with.
pub(crate) const AFTER_SIGNATURE: &str = r#""}"#;

/// Makes lines, each with its number and the hash of the one before. It is a value: whoever fails to write a line goes on
/// from the chain before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chain {
    next: u64,
    head: [u8; 32],
}

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    time: Timestamp,
    #[serde(flatten)]
    entry: &'a Entry<'a>,
    prev: String,
}

impl Chain {
    /// Goes on after a line: its number, and its bytes without the line end.
    pub fn after(seq: u64, line: &[u8]) -> Self {
        Self { next: seq.saturating_add(1), head: hash(line) }
    }

    /// The number of the next line.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The hash of the last line, hexadecimal; zeros before the first.
    pub fn head(&self) -> String {
        hex::encode(self.head)
    }

    /// The next line, with its line end. In the place of an event that would make a longer one than is read stands that there
    /// was one.
    pub fn append(&mut self, time: Timestamp, entry: &Entry<'_>) -> String {
        let mut line = self.line(time, entry);
        if let Entry::Event(event) = entry
            && line.len() >= MAX_LINE
        {
            let missed = BTreeMap::from([(event.kind(), 1)]);
            let gap = Mark::Gap { since: time, missed, cause: format!("its line had {} bytes", line.len()).into() };
            line = self.line(time, &Entry::Mark(gap));
        }
        self.take(line)
    }

    /// The next line, which signs everything before it, and itself.
    ///
    /// # Errors
    /// When the node's key does not sign now.
    pub fn seal(&mut self, time: Timestamp, key: &Signer) -> Result<String, SignError> {
        let mut line = self.line(time, &Entry::Mark(Mark::Seal));
        line.pop();
        let signature = key.sign(&signed(line.as_bytes()))?;
        line += SIGNED_UNTIL;
        line += &hex::encode(signature.as_bytes());
        line += AFTER_SIGNATURE;
        Ok(self.take(line))
    }

    fn line(&self, time: Timestamp, entry: &Entry<'_>) -> String {
        let time = time.round(Unit::Millisecond).unwrap_or(time);
        let line = Line { seq: self.next, time, entry, prev: self.head() };
        serde_json::to_string(&line).expect("entries are made of texts and numbers")
    }

    fn take(&mut self, mut line: String) -> String {
        *self = Self::after(self.next, line.as_bytes());
        line.push('\n');
        line
    }
}

pub(crate) fn hash(line: &[u8]) -> [u8; 32] {
    Sha256::digest(line).into()
}

/// What is signed of a sealing line that begins so.
pub(crate) fn signed(beginning: &[u8]) -> Vec<u8> {
    [PURPOSE, beginning].concat()
}
