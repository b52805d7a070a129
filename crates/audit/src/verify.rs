//! Reads a chain and names the first line at which it is broken.

use std::{
    io::{self, BufRead, Read},
    str::FromStr,
};

use jiff::Timestamp;
use nuncio_identity::{NodeId, Signature};
use serde_json::Value;

use crate::{
    Break, Fault, Kind, MAX_LINE, Mark,
    chain::{AFTER_SIGNATURE, SIGNED_UNTIL, hash, signed},
};

/// Reads the files of a log, oldest first.
#[derive(Debug)]
pub struct Verifier {
    node: Option<NodeId>,
    noted: Option<Position>,
    is_noted_seen: bool,
    /// Of the first file, when it does not begin with the chain: where, and the number and hash before.
    beginning: Option<(Place, u64, String)>,
    /// Numbers and hashes of the last lines of files that were removed for age, as lines say that are not signed yet.
    removed: Vec<(u64, String)>,
    last: Option<Last>,
    report: Report,
}

/// A line by its number and hash, as an operator noted it: `SEQ:HASH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Its number.
    pub seq: u64,
    /// Its hash, 64 lower-case hexadecimal digits.
    pub hash: String,
}

/// What a chain that holds is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// The node whose log it is; `None` of an empty log.
    pub node: Option<NodeId>,
    /// Files read.
    pub files: u64,
    /// Lines read.
    pub entries: u64,
    /// The number of the first line; more than zero when older files were removed for age.
    pub first: u64,
    /// The last line.
    pub last: Option<Position>,
    /// Signatures that hold.
    pub seals: u64,
    /// When the last of them was made.
    pub sealed_at: Option<Timestamp>,
    /// Lines after it: nothing would show that more of them stood there.
    pub unsealed: u64,
    /// Lines that were not signed when the node was started again: they follow one another, and that is all that is known.
    pub unvouched: u64,
    /// Events that the log says it did not record.
    pub missed: u64,
    /// Whether the last thing recorded is that the node stopped.
    pub is_stopped: bool,
}

#[derive(Debug, Clone)]
struct Place {
    file: String,
    line: u64,
}

#[derive(Debug)]
struct Last {
    place: Place,
    seq: u64,
    hash: String,
}

impl Verifier {
    /// Of the log of this node; `None` takes the node that the log names, whose signatures then prove less: whoever replaces
    /// all of the log can name a node of his own.
    pub fn new(node: Option<NodeId>) -> Self {
        let report = Report { node, ..Report::default() };
        Self { node, noted: None, is_noted_seen: false, beginning: None, removed: Vec::new(), last: None, report }
    }

    /// A line must be there as it was noted.
    #[must_use]
    pub fn noting(self, noted: Option<Position>) -> Self {
        Self { noted, ..self }
    }

    /// Reads the next file.
    ///
    /// # Errors
    /// The first broken line, or that the file cannot be read.
    pub fn file(&mut self, name: &str, content: &mut impl BufRead) -> Result<(), VerifyError> {
        self.report.files += 1;
        let mut place = Place { file: name.to_owned(), line: 0 };
        let mut line = Vec::new();
        loop {
            line.clear();
            if content.take(MAX_LINE as u64 + 2).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            place.line += 1;
            self.line(&place, &line).map_err(|fault| place.broken(fault))?;
        }
    }

    /// What was read, when nothing is broken.
    ///
    /// # Errors
    /// What shows only at the end.
    pub fn finish(self) -> Result<Report, Break> {
        if let Some((place, before, _)) = self.beginning {
            return Err(place.broken(Fault::BeginningMissing { missing: before + 1 }));
        }
        if let Some(noted) = self.noted.filter(|_| !self.is_noted_seen) {
            let place = self.last.map_or(Place { file: "the log".into(), line: 0 }, |last| last.place);
            let found = match &self.report.last {
                Some(last) if last.seq < noted.seq => {
                    format!("the log ends with line {}: its end was cut off", last.seq)
                }
                _ => "it is not there".to_owned(),
            };
            return Err(place.broken(Fault::NotAsNoted { seq: noted.seq, found }));
        }
        Ok(self.report)
    }

    fn line(&mut self, place: &Place, bytes: &[u8]) -> Result<(), Fault> {
        let unreadable = |reason: &str| Fault::Unreadable { reason: reason.to_owned() };
        let Some(line) = bytes.strip_suffix(b"\n") else {
            return Err(if bytes.len() > MAX_LINE { unreadable("it is too long") } else { Fault::Torn });
        };
        let entry: Value = serde_json::from_slice(line).map_err(|error| unreadable(&error.to_string()))?;
        let text = |key: &str| entry[key].as_str().ok_or_else(|| unreadable(&format!("it has no `{key}`")));
        let seq = entry["seq"].as_u64().ok_or_else(|| unreadable("it has no number `seq`"))?;
        let (kind, prev) = (text("kind")?, text("prev")?);
        // Else a signature could be hidden by renaming what holds it.
        if !Mark::KINDS.contains(&kind) && Kind::ALL.iter().all(|known| known.as_str() != kind) {
            return Err(unreadable("its kind is none that this version knows"));
        }
        let time: Timestamp = text("time")?.parse().map_err(|_| unreadable("its time cannot be read"))?;
        self.follow(place, seq, prev)?;
        if place.line == 1 && kind != "opened" {
            return Err(Fault::NotOpened { found: kind.to_owned() });
        }
        self.report.unsealed += 1;
        match kind {
            "opened" => self.opened(text("node")?)?,
            "seal" => self.sealed(line, time)?,
            "gap" => self.report.missed = self.report.missed.saturating_add(missed(&entry)),
            "removed" => self.removed.extend(entry["through"].as_u64().zip(entry["hash"].as_str().map(str::to_owned))),
            "resumed" => self.resumed(&entry),
            _ => {}
        }
        self.report.is_stopped = kind == "stopped" || (kind == "seal" && self.report.is_stopped);
        let hash = hex::encode(hash(line));
        self.compare_noted(seq, &hash)?;
        self.report.last = Some(Position { seq, hash: hash.clone() });
        self.last = Some(Last { place: place.clone(), seq, hash });
        self.report.entries += 1;
        Ok(())
    }

    /// Whether a line with this number and this hash of its predecessor comes next.
    fn follow(&mut self, place: &Place, seq: u64, prev: &str) -> Result<(), Fault> {
        match &self.last {
            None if seq == 0 => {
                if prev.bytes().any(|digit| digit != b'0') || prev.len() != 64 {
                    return Err(Fault::Changed { before: "0, which has none before it,".into() });
                }
            }
            None => {
                self.report.first = seq;
                self.beginning = Some((place.clone(), seq - 1, prev.to_owned()));
            }
            Some(last) if last.seq.checked_add(1) != Some(seq) => {
                return Err(Fault::Number { expected: last.seq.saturating_add(1), found: seq });
            }
            Some(last) if prev != last.hash => {
                return Err(Fault::Changed { before: format!("{}:{}", last.place.file, last.place.line) });
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn opened(&mut self, node: &str) -> Result<(), Fault> {
        let found: NodeId = node.parse().map_err(|_| Fault::Unreadable { reason: "its node is none".to_owned() })?;
        let expected = *self.node.get_or_insert(found);
        self.report.node = Some(expected);
        if found == expected {
            return Ok(());
        }
        Err(Fault::OtherNode { expected: expected.short(), found: found.short() })
    }

    fn sealed(&mut self, line: &[u8], time: Timestamp) -> Result<(), Fault> {
        let Some(node) = self.node else { return Err(Fault::Unreadable { reason: "no node was named".to_owned() }) };
        let holds =
            split_signature(line).is_some_and(|(beginning, signature)| node.verify(&signed(beginning), &signature));
        if !holds {
            return Err(Fault::Signature { node: node.short() });
        }
        // A file that was removed for age accounts for a beginning that is not there.
        let removed = std::mem::take(&mut self.removed);
        self.beginning.take_if(|(_, before, hash)| removed.iter().any(|(seq, of)| seq == before && of == hash));
        self.report.seals += 1;
        self.report.sealed_at = Some(time);
        self.report.unsealed = 0;
        Ok(())
    }

    /// Who has no key can write lines too, but for the signature after them: what they say does not count.
    fn resumed(&mut self, entry: &Value) {
        let unsealed = entry["unsealed"].as_u64().unwrap_or_default();
        self.report.unvouched = self.report.unvouched.saturating_add(unsealed);
        self.removed.clear();
    }

    fn compare_noted(&mut self, seq: u64, hash: &str) -> Result<(), Fault> {
        let Some(noted) = self.noted.as_ref().filter(|noted| noted.seq == seq) else { return Ok(()) };
        self.is_noted_seen = true;
        if noted.hash == hash {
            return Ok(());
        }
        Err(Fault::NotAsNoted { seq, found: format!("its hash is {hash}") })
    }
}

impl Place {
    fn broken(&self, fault: Fault) -> Break {
        Break { file: self.file.clone(), line: self.line, fault }
    }
}

/// Why a log was not verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It is broken.
    #[error(transparent)]
    Broken(#[from] Break),
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// The signed beginning of a sealing line, and the signature; written in no other way than it is written here.
fn split_signature(line: &[u8]) -> Option<(&[u8], Signature)> {
    let line = line.strip_suffix(AFTER_SIGNATURE.as_bytes())?;
    let (beginning, digits) = line.split_at_checked(line.len().checked_sub(2 * Signature::LENGTH)?)?;
    let beginning = beginning.strip_suffix(SIGNED_UNTIL.as_bytes())?;
    if digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    Some((beginning, Signature::from_bytes(&hex::decode(digits).ok()?)?))
}

fn missed(entry: &Value) -> u64 {
    let counts = entry["missed"].as_object().into_iter().flat_map(|counts| counts.values());
    counts.filter_map(Value::as_u64).fold(0, u64::saturating_add)
}

/// A text that is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no position in a log: write SEQ:HASH, as `nuncio audit verify` prints it")]
pub struct PositionError(String);

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let read = text.split_once(':').and_then(|(seq, hash)| {
            let is_hash = hash.len() == 64 && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_hash.then_some(Self { seq: seq.parse().ok()?, hash: hash.to_ascii_lowercase() })
        });
        read.ok_or_else(|| PositionError(text.to_owned()))
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}
