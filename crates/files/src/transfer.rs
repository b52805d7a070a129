//! The pieces of one file, in their order.

use std::{collections::BTreeMap, io};

use bytes::Bytes;

use crate::{Refusal, part::Part};

/// Longest piece, in bytes.
pub const MAX_CHUNK: usize = 256 << 10;

/// How far behind what is there a piece may end, in bytes.
pub const WINDOW: u64 = 2 << 20;

/// Pieces that wait for earlier ones, however short they are.
const MAX_EARLY: usize = WINDOW as usize / MAX_CHUNK;

/// A file on its way.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) part: Part,
    length: u64,
    /// Pieces that came early. Bound: [`MAX_EARLY`] of [`MAX_CHUNK`] bytes; further ones are refused.
    early: BTreeMap<u64, Bytes>,
}

/// What is wrong with a piece.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("a piece of {0} bytes is none")]
    Length(usize),
    #[error("a piece ends beyond the end of the file")]
    BeyondEnd,
    #[error("a piece came too early")]
    TooEarly,
    #[error("a piece overlaps another one")]
    Overlaps,
    #[error("it cannot be written: {0}")]
    Write(#[from] io::Error),
}

impl From<&Fault> for Refusal {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Write(_) => Self::Disk(fault.to_string()),
            _ => Self::Piece(fault.to_string()),
        }
    }
}

impl Transfer {
    pub(crate) const fn new(part: Part, length: u64) -> Self {
        Self { part, length, early: BTreeMap::new() }
    }

    /// Bytes that are there, from the beginning.
    pub(crate) const fn received(&self) -> u64 {
        self.part.length()
    }

    /// Forgets what came early: a sender that offers once more sends all from what is there.
    pub(crate) fn begin_again(&mut self) -> u64 {
        self.early.clear();
        self.received()
    }

    /// Takes a piece; says how many bytes are there then. One that came already changes nothing.
    pub(crate) fn take(&mut self, offset: u64, data: &[u8]) -> Result<u64, Fault> {
        if data.is_empty() || data.len() > MAX_CHUNK {
            return Err(Fault::Length(data.len()));
        }
        let (received, end) = (self.received(), offset.checked_add(data.len() as u64));
        let end = end.filter(|end| *end <= self.length).ok_or(Fault::BeyondEnd)?;
        if end <= received {
            return Ok(received);
        }
        if offset < received {
            return Err(Fault::Overlaps);
        }
        if offset > received {
            self.keep(offset, end, data)?;
            return Ok(received);
        }
        if self.early.range(..end).next().is_some() {
            return Err(Fault::Overlaps);
        }
        self.part.append(data)?;
        while let Some(next) = self.early.first_entry()
            && *next.key() == self.part.length()
        {
            let data = next.remove();
            self.part.append(&data)?;
        }
        Ok(self.received())
    }

    fn keep(&mut self, offset: u64, end: u64, data: &[u8]) -> Result<(), Fault> {
        let before = self.early.range(..=offset).next_back();
        if let Some((start, kept)) = before
            && start + kept.len() as u64 > offset
        {
            let is_the_same = *start == offset && kept.len() == data.len();
            return if is_the_same { Ok(()) } else { Err(Fault::Overlaps) };
        }
        if self.early.range(offset..end).next().is_some() {
            return Err(Fault::Overlaps);
        }
        if end > self.received() + WINDOW || self.early.len() >= MAX_EARLY {
            return Err(Fault::TooEarly);
        }
        // Copied, so that it holds no more than it counts.
        self.early.insert(offset, Bytes::copy_from_slice(data));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(length: u64) -> (tempfile::TempDir, Transfer) {
        let directory = tempfile::tempdir().unwrap();
        let part = Part::open(directory.path().join("part"), length).unwrap();
        (directory, Transfer::new(part, length))
    }

    fn written(directory: &tempfile::TempDir) -> Vec<u8> {
        std::fs::read(directory.path().join("part")).unwrap()
    }

    #[test]
    fn pieces_in_any_order_make_the_file_and_what_came_already_changes_nothing() {
        let (directory, mut transfer) = transfer(6);
        assert_eq!(transfer.take(4, b"ef").unwrap(), 0);
        assert_eq!(transfer.take(4, b"ef").unwrap(), 0);
        assert_eq!(transfer.take(2, b"cd").unwrap(), 0);
        assert_eq!(transfer.take(0, b"ab").unwrap(), 6);
        assert_eq!(transfer.take(2, b"XX").unwrap(), 6);
        assert_eq!(written(&directory), b"abcdef");
        let digest = transfer.part.digest().unwrap();
        assert_eq!(digest, aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"abcdef").as_ref());
    }

    #[test]
    fn pieces_that_lie_are_refused_and_nothing_of_them_is_there() {
        let (directory, mut transfer) = transfer(10);
        assert_eq!(transfer.take(0, b"abc").unwrap(), 3);
        assert_eq!(transfer.take(5, b"fg").unwrap(), 3);
        let mut fault = |offset, data: &[u8]| transfer.take(offset, data).unwrap_err();
        for (offset, data) in [(9, &b"jk"[..]), (10, b"k"), (u64::MAX, b"a"), (0, b"abcdefghijk")] {
            assert!(matches!(fault(offset, data), Fault::BeyondEnd), "{offset}");
        }
        for (offset, data) in [(2, &b"cd"[..]), (4, b"ef"), (6, b"gh"), (5, b"f"), (3, b"def"), (4, b"efgh")] {
            assert!(matches!(fault(offset, data), Fault::Overlaps), "{offset}");
        }
        for data in [&b""[..], &vec![0; MAX_CHUNK + 1]] {
            assert!(matches!(fault(3, data), Fault::Length(_)));
        }
        assert_eq!(transfer.take(3, b"de").unwrap(), 7);
        assert_eq!(written(&directory), b"abcdefg");
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_in_number() {
        let (directory, mut transfer) = transfer(1 << 40);
        let piece = vec![1; MAX_CHUNK];
        let far = |number: u64| number * MAX_CHUNK as u64;
        assert!((1..8).all(|number| transfer.take(far(number), &piece).is_ok()));
        assert!(matches!(transfer.take(far(8), &piece), Err(Fault::TooEarly)));
        assert!(matches!(transfer.take(1 << 39, b"x"), Err(Fault::TooEarly)));
        assert_eq!(transfer.begin_again(), 0);
        assert_eq!((0..100_000).filter(|number| transfer.take(1 + 2 * number, b"x").is_ok()).count(), MAX_EARLY);
        assert!(written(&directory).is_empty());
    }
}
