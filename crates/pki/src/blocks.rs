//! The text forms of keys, certificates and lists: whatever `openssl` reads, and what editors make of it.

use std::ops::Range;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use der::{Reader, SliceReader};
use zeroize::Zeroizing;

/// One structure of a file.
pub(crate) struct Block {
    /// What stands after BEGIN; empty where the file is DER.
    pub(crate) label: String,
    /// Its bytes. Empty when it is encrypted.
    pub(crate) der: Zeroizing<Vec<u8>>,
    /// Whether its header says that it is under a passphrase.
    pub(crate) encrypted: bool,
}

/// A block that is no base64, or does not end; or what stands behind a DER file's structures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damaged {
    /// Which of the blocks asked for, counted from 1.
    pub(crate) position: usize,
    pub(crate) reason: String,
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// OpenSSL asks for the padding; files that were cut to the letter lack it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the blocks of a PEM file whose label is `wanted`, in order, or the structures of a DER file. Lines may end in
/// any way and be of any length; text around blocks is not looked at, in whatever encoding it is.
pub(crate) fn blocks<'a>(
    file: &'a [u8],
    wanted: impl Fn(&str) -> bool + 'a,
) -> Box<dyn Iterator<Item = Result<Block, Damaged>> + 'a> {
    if is_der(file) {
        let whole = |der: &[u8]| Block { label: String::new(), der: Zeroizing::new(der.to_vec()), encrypted: false };
        return Box::new(structures(file).map(move |der| der.map(whole)));
    }
    let framed = Frames { file, from: 0 }.filter(move |frame| wanted(&frame.label));
    Box::new(
        framed
            .enumerate()
            .map(|(index, frame)| frame.read(file).map_err(|reason| Damaged { position: index + 1, reason })),
    )
}

/// A file that begins with a SEQUENCE, and no text in which a block follows: 0x30 is the digit 0 there.
pub(crate) fn is_der(file: &[u8]) -> bool {
    matches!(structures(file).next(), Some(Ok(_))) && find(file, BEGIN, 0).is_none()
}

/// What stands one after the other in a DER file. Blanks at its end are ignored, for editors leave a newline there; what is no
/// structure is damage, for one that was cut must not be gone unseen.
fn structures(file: &[u8]) -> impl Iterator<Item = Result<&[u8], Damaged>> {
    let (mut rest, mut position) = (file, 0);
    std::iter::from_fn(move || {
        if rest.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
            return None;
        }
        position += 1;
        let whole = SliceReader::new(rest).ok().and_then(|mut reader| reader.tlv_bytes().ok());
        let Some(whole) = whole.filter(|whole| whole.first() == Some(&SEQUENCE)) else {
            let reason = "what stands at its end is no whole structure: the file was cut".into();
            rest = &[];
            return Some(Err(Damaged { position, reason }));
        };
        rest = &rest[whole.len()..];
        Some(Ok(whole))
    })
}

const SEQUENCE: u8 = 0x30;

/// Where a block lies.
struct Frame {
    label: String,
    body: Range<usize>,
    /// The label after END; none when the file ends before.
    end: Option<String>,
}

impl Frame {
    fn read(self, file: &[u8]) -> Result<Block, String> {
        match &self.end {
            None => return Err(format!("it does not end: -----END {}----- is missing", self.label)),
            Some(end) if *end != self.label => {
                return Err(format!("it begins as {} and ends as {}", self.label, printable(end)));
            }
            Some(_) => {}
        }
        let body = &file[self.body];
        let headers = || body.split(|byte| is_line_end(*byte)).filter(|line| line.contains(&b':'));
        let encrypted = headers().any(|line| find(line, b"ENCRYPTED", 0).is_some());
        let der = if encrypted { Zeroizing::default() } else { decode(body)? };
        Ok(Block { label: self.label, der, encrypted })
    }
}

fn decode(body: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    let lines = body.split(|byte| is_line_end(*byte)).filter(|line| !line.contains(&b':'));
    let mut letters = Zeroizing::new(Vec::with_capacity(body.len()));
    letters.extend(lines.flatten().filter(|byte| !byte.is_ascii_whitespace() && **byte != 0));
    // Never moved while it grows: it may be a secret.
    let mut der = Zeroizing::new(Vec::with_capacity(base64::decoded_len_estimate(letters.len())));
    BASE64.decode_vec(&*letters, &mut der).map_err(|error| format!("it is not base64 ({error})"))?;
    Ok(der)
}

struct Frames<'a> {
    file: &'a [u8],
    from: usize,
}

impl Iterator for Frames<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        loop {
            let begin = find(self.file, BEGIN, self.from)?;
            self.from = begin + BEGIN.len();
            if !begins_line(&self.file[..begin]) {
                continue;
            }
            let Some((label, body)) = self.label(self.from) else { continue };
            let Some(end) = find(self.file, END, body) else {
                self.from = self.file.len();
                return Some(Frame { label, body: body..self.file.len(), end: None });
            };
            let (last, after) = self.label(end + END.len()).unwrap_or((String::new(), end + END.len()));
            self.from = after;
            return Some(Frame { label, body: body..end, end: Some(last) });
        }
    }
}

impl Frames<'_> {
    /// The label from here to the dashes of the same line, and where those end.
    fn label(&self, from: usize) -> Option<(String, usize)> {
        let dashes = find(self.file, DASHES, from)?;
        let label = &self.file[from..dashes];
        let is_label = label.len() <= LONGEST_LABEL && !label.iter().any(|byte| is_line_end(*byte));
        is_label.then(|| (String::from_utf8_lossy(label).trim().to_owned(), dashes + DASHES.len()))
    }
}

/// Longest label looked for, in bytes.
const LONGEST_LABEL: usize = 64;

/// Whether nothing but blanks, a byte order mark or another block's end stands between here and the line's begin.
fn begins_line(before: &[u8]) -> bool {
    let line = before.rsplit(|byte| is_line_end(*byte)).next().unwrap_or_default();
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    line.trim_ascii().is_empty() || line.ends_with(DASHES)
}

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn find(text: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let found = text.get(from..)?.windows(wanted.len()).position(|window| window == wanted)?;
    Some(from + found)
}

fn printable(label: &str) -> String {
    nuncio_plain::line(if label.is_empty() { "nothing" } else { label }).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &[u8]) -> Vec<Result<Vec<u8>, String>> {
        let found = blocks(file, |label| label == "X");
        found.map(|block| block.map(|block| block.der.to_vec()).map_err(|damaged| damaged.reason)).collect()
    }

    #[test]
    fn every_form_of_one_block_is_the_same_block() {
        let forms: &[&[u8]] = &[
            b"-----BEGIN X-----\nAQID\n-----END X-----\n",
            b"-----BEGIN X-----\r\nAQID\r\n-----END X-----",
            b"-----BEGIN X-----\rAQID\r-----END X-----\r",
            b"\xef\xbb\xbf-----BEGIN X-----\nAQID\n-----END X-----",
            b"  -----BEGIN X-----  \n A\n\n QID  \n-----END X-----  \n\0\0",
            b"-----BEGIN X-----AQID-----END X-----",
            b"\xbb\xfa # -----BEGIN X----- is below\nsubject=CN = y\n-----BEGIN X-----\nAQID\n-----END X-----\nsee wiki",
            b"-----BEGIN Y-----\n!\n-----END Y----------BEGIN X-----\nAQID\n-----END X-----",
            b"-----BEGIN X-----\nComment: by hand\n\nAQID\n-----END X-----\n",
        ];
        for form in forms {
            assert_eq!(read(form), [Ok(vec![1, 2, 3])], "{}", String::from_utf8_lossy(form));
        }
        assert_eq!(read(b"-----BEGIN X-----\nAQ\n-----END X-----"), [Ok(vec![1])], "no padding");
        assert_eq!(read(&[0x30, 3, 2, 1, 5]), [Ok(vec![0x30, 3, 2, 1, 5])]);
        let one = || Ok(vec![0x30, 3, 2, 1, 5]);
        assert_eq!(read(b"\x30\x03\x02\x01\x05\n"), [one()], "an editor was there");
        assert_eq!(read(&[0x30, 3, 2, 1, 5, 0x30, 3, 2, 1, 5, 0]), [one(), one()]);
        assert_eq!(read(&[0x30, 3, 2, 1]), [], "cut");
        let text = b"0\n chain A\n-----BEGIN X-----\nAQID\n-----END X-----";
        assert_eq!(read(text), [Ok(vec![1, 2, 3])], "text that could be taken for DER");
    }

    #[test]
    fn damage_is_named() {
        let reason = |file: &[u8]| read(file).remove(0).unwrap_err();
        assert!(reason(b"-----BEGIN X-----\nA?ID\n-----END X-----").starts_with("it is not base64"));
        assert_eq!(reason(b"-----BEGIN X-----\nAQID\n"), "it does not end: -----END X----- is missing");
        assert_eq!(reason(b"-----BEGIN X-----\nAQID\n-----END Y-----"), "it begins as X and ends as Y");
        assert_eq!(reason(b"-----BEGIN X-----\nAQID\n-----END \n"), "it begins as X and ends as nothing");
    }

    #[test]
    fn what_was_cut_behind_a_structure_is_not_gone_unseen() {
        let one = [0x30, 3, 2, 1, 5];
        for length in 1..one.len() {
            let read = read(&[&one[..], &one[..length]].concat());
            let reason = "what stands at its end is no whole structure: the file was cut".to_owned();
            assert_eq!(read, [Ok(one.to_vec()), Err(reason)]);
        }
        assert_eq!(read(&[&one[..], b"\0\r\n \0"].concat()), [Ok(one.to_vec())]);
        assert_eq!(read(&[&one[..], b"see wiki"].concat()).len(), 2, "nor is anything else");
    }

    #[test]
    fn a_passphrase_is_seen() {
        let legacy = b"-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAQID\n-----END X-----";
        assert!(blocks(legacy, |_| true).next().is_some_and(|block| block.is_ok_and(|block| block.encrypted)));
    }
}
