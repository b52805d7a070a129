//! What is written is read back as whole, and whatever is changed in it is found.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use jiff::Timestamp;
use nuncio_audit::{
    Break, Chain, Entry, Event, Fault, MAX_LINE, Mark, Position, Refused, Report, Text, Verifier, VerifyError,
};
use nuncio_identity::{NodeKey, Signer};
use nuncio_metrics::{Cause, Direction, LinkRefusal};
use proptest::prelude::*;

/// A log of several files, each of whole lines, sealed at its end.
#[derive(Debug, Clone)]
struct Log {
    key: NodeKey,
    files: Vec<Vec<String>>,
}

impl Log {
    /// Files of so many events each, with seals between.
    fn of(events: &[usize]) -> Self {
        let key = NodeKey::from_secret_bytes(&[7; 32]).unwrap();
        let mut chain = Chain::default();
        let files = events.iter().map(|events| file(&mut chain, &key, *events)).collect();
        Self { key, files }
    }

    fn verify(&self) -> Result<Report, Break> {
        self.verify_noting(None)
    }

    fn verify_noting(&self, noted: Option<Position>) -> Result<Report, Break> {
        let texts: Vec<_> = self.files.iter().map(|lines| lines.concat().into_bytes()).collect();
        read(&self.key, &texts, noted)
    }
}

fn file(chain: &mut Chain, key: &NodeKey, events: usize) -> Vec<String> {
    let opened = Mark::Opened { node: key.node_id(), version: "1".into() };
    let mut lines = vec![chain.append(at(0), &Entry::Mark(opened))];
    for number in 0..events {
        let address = Text::from(format!("10.0.0.1:{number}"));
        let refused = Refused(Cause::P2p(Direction::Inbound, LinkRefusal::Role));
        let event = Event::NodeRefused {
            refused,
            address,
            node: Some(key.node_id().into()),
            cause: "a reason, \"quoted\"".into(),
        };
        lines.push(chain.append(at(number), &Entry::Event(&event)));
        if number % 3 == 2 {
            lines.push(chain.seal(at(number), &key.clone().into()).unwrap());
        }
    }
    lines.push(chain.seal(at(events), &key.clone().into()).unwrap());
    lines
}

fn at(second: usize) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second as i64).unwrap()
}

fn read(key: &NodeKey, files: &[Vec<u8>], noted: Option<Position>) -> Result<Report, Break> {
    let mut verifier = Verifier::new(Some(key.node_id())).noting(noted);
    for (number, text) in files.iter().enumerate() {
        verifier.file(&number.to_string(), &mut text.as_slice()).map_err(|error| match error {
            VerifyError::Broken(broken) => broken,
            other => panic!("{other}"),
        })?;
    }
    verifier.finish()
}

proptest! {
    #[test]
    fn what_was_written_holds(events in prop::collection::vec(0usize..12, 1..4)) {
        let log = Log::of(&events);
        let report = log.verify().unwrap();
        prop_assert_eq!(report.entries, log.files.iter().map(|lines| lines.len() as u64).sum::<u64>());
        prop_assert_eq!((report.unsealed, report.files, report.first), (0, events.len() as u64, 0));
    }

    #[test]
    fn any_changed_byte_is_found(events in prop::collection::vec(0usize..8, 1..4), place: prop::sample::Index, change in 1u8..) {
        let log = Log::of(&events);
        let mut texts: Vec<_> = log.files.iter().map(|lines| lines.concat().into_bytes()).collect();
        let mut place = place.index(texts.iter().map(Vec::len).sum());
        let text = texts.iter_mut().find(|text| {
            let is_here = place < text.len();
            place -= if is_here { 0 } else { text.len() };
            is_here
        });
        text.unwrap()[place] ^= change;
        prop_assert!(read(&log.key, &texts, None).is_err());
    }

    #[test]
    fn a_line_that_is_missing_moved_or_there_twice_is_found(
        events in prop::collection::vec(1usize..8, 1..4), file: prop::sample::Index, from: prop::sample::Index, to: prop::sample::Index,
    ) {
        let log = Log::of(&events);
        let file = file.index(log.files.len());
        let (from, to) = (from.index(log.files[file].len()), to.index(log.files[file].len()));
        let is_last = file + 1 == log.files.len() && from + 1 == log.files[file].len();
        let (mut dropped, mut moved, mut doubled) = (log.clone(), log.clone(), log);
        let line = dropped.files[file].remove(from);
        // A cut at the very end shows by what is not signed, see below.
        prop_assert!(is_last || dropped.verify().is_err());
        doubled.files[file].insert(to, line);
        prop_assert!(doubled.verify().is_err());
        let line = moved.files[file].remove(from);
        moved.files[file].insert(to, line);
        prop_assert!(from == to || moved.verify().is_err());
    }
}

#[test]
fn the_first_broken_line_is_named_with_what_is_wrong() {
    let log = Log::of(&[4, 4]);
    let broken = |change: fn(&mut Log)| {
        let mut log = log.clone();
        change(&mut log);
        log.verify().unwrap_err().to_string()
    };
    let changed = broken(|log| log.files[0][1] = log.files[0][1].replace("10.0.0.1:0", "10.9.9.9:0"));
    assert_eq!(changed, "0:3: what was written before it was changed: line 0:2 has another hash than the one here");
    assert!(broken(|log| drop(log.files[1].remove(2))).starts_with("1:3: it has number 10, and 9 comes next: lines"));
    assert!(broken(|log| log.files[1].swap(2, 3)).contains("1:3: it has number"));
    assert!(broken(|log| log.files[0][2] = "nonsense\n".into()).starts_with("0:3: it is no entry of an audit log"));
    assert!(broken(|log| assert_eq!(log.files[1].last_mut().unwrap().pop(), Some('\n'))).contains("it has no end"));
    let hidden = broken(|log| {
        let seal = log.files[1].last_mut().unwrap();
        *seal = seal.replace("\"kind\":\"seal\"", "\"kind\":\"seam\"");
    });
    assert!(hidden.contains("its kind is none that this version knows"), "{hidden}");
    assert!(broken(|log| drop(log.files[0].pop())).starts_with("1:1: it has number 7, and 6 comes next"));
    assert!(broken(|log| log.files.swap(0, 1)).starts_with("1:1: it has number 0"));
}

#[test]
fn numbers_beyond_all_numbers_are_read_by_nobody_and_break_nothing() {
    let line = |seq: u64| {
        format!(
            "{{\"seq\":{seq},\"time\":\"2026-01-01T00:00:00Z\",\"kind\":\"opened\",\"node\":\"x\",\"prev\":\"\"}}\n"
        )
    };
    let key = NodeKey::generate();
    let opened = line(u64::MAX).replace("\"x\"", &format!("\"{}\"", key.node_id()));
    let text = opened.clone() + &opened;
    assert!(matches!(read(&key, &[text.into_bytes()], None).unwrap_err().fault, Fault::Number { .. }));
    let gap = "\"kind\":\"gap\",\"missed\":{\"a\":18446744073709551615,\"b\":1}";
    let text = line(0).replace("\"kind\":\"opened\"", gap);
    assert!(matches!(read(&key, &[text.into_bytes()], None).unwrap_err().fault, Fault::Changed { .. }));
}

#[test]
fn another_rotation_is_not_spliced_in() {
    let (mut log, other) = (Log::of(&[3, 3, 3]), Log::of(&[3, 4, 3]));
    log.files[1].clone_from(&other.files[1]);
    let broken = log.verify().unwrap_err();
    assert_eq!((broken.file.as_str(), broken.line), ("2", 1), "{broken}");
    let (mut chain, stranger) = (Chain::default(), NodeKey::generate());
    let forged = Log { key: stranger.clone(), files: vec![file(&mut chain, &stranger, 3)] };
    forged.verify().unwrap();
    let broken = Log { key: log.key, ..forged }.verify().unwrap_err();
    assert!(matches!(broken.fault, Fault::OtherNode { .. }), "{broken}");
}

#[test]
fn whoever_has_no_key_cannot_seal_what_was_changed() {
    let key = NodeKey::generate();
    let mut chain = Chain::default();
    let mut lines = file(&mut chain, &key, 2);
    lines.pop();
    let last = lines.last().unwrap().trim_end();
    let mut chain = Chain::after(lines.len() as u64 - 1, last.as_bytes());
    lines.push(chain.seal(at(9), &NodeKey::generate().into()).unwrap());
    let broken = read(&key, &[lines.concat().into_bytes()], None).unwrap_err();
    assert!(matches!(broken.fault, Fault::Signature { .. }), "{broken}");
}

#[test]
fn a_cut_tail_is_told_by_what_is_not_signed_and_found_by_a_noted_position() {
    let log = Log::of(&[7]);
    let whole = log.verify().unwrap();
    let mut cut = log;
    cut.files[0].truncate(6);
    let report = cut.verify().unwrap();
    assert_eq!((whole.unsealed, report.unsealed), (0, 1), "the last seal is the fifth line");
    let noted = whole.last.unwrap();
    assert_eq!(noted.to_string().parse(), Ok(noted.clone()));
    let broken = cut.verify_noting(Some(noted)).unwrap_err();
    assert!(broken.to_string().contains("its end was cut off"), "{broken}");
    let wrong = Position { seq: 2, hash: "0".repeat(64) };
    assert!(cut.verify_noting(Some(wrong)).unwrap_err().to_string().contains("line 2 is not as it was noted"));
    cut.verify_noting(report.last).unwrap();
}

/// Three files, of which the first is said to have been removed in the third.
fn pruned(is_sealed: bool) -> Log {
    let mut log = Log::of(&[3, 3]);
    let lines = |log: &Log| log.files.iter().map(Vec::len).sum::<usize>() as u64;
    let last_of = |lines: &[String]| lines.last().unwrap().trim_end().to_owned();
    let first = last_of(&log.files[0]);
    let through = log.files[0].len() as u64 - 1;
    let mut chain = Chain::after(lines(&log) - 1, last_of(&log.files[1]).as_bytes());
    let opened = Mark::Opened { node: log.key.node_id(), version: "1".into() };
    let hash = Chain::after(through, first.as_bytes()).head();
    let removed = Mark::Removed { file: "0".into(), through, hash };
    let mut third = vec![chain.append(at(1), &Entry::Mark(opened)), chain.append(at(1), &Entry::Mark(removed))];
    if is_sealed {
        third.push(chain.seal(at(1), &log.key.clone().into()).unwrap());
    } else {
        third.push(chain.append(at(2), &Entry::Mark(Mark::Resumed { unsealed: 2 })));
        third.push(chain.seal(at(2), &log.key.clone().into()).unwrap());
    }
    log.files.push(third);
    log.files.remove(0);
    log
}

#[test]
fn files_removed_for_age_are_accounted_for_by_a_signed_line_only() {
    let report = pruned(true).verify().unwrap();
    assert_eq!((report.first, report.files), (6, 2));
    let mut without = pruned(true);
    without.files.pop();
    assert!(matches!(without.verify().unwrap_err().fault, Fault::BeginningMissing { missing: 6 }));
    assert!(
        matches!(pruned(false).verify().unwrap_err().fault, Fault::BeginningMissing { .. }),
        "anybody may have said so"
    );
}

/// Longer lines are not read: one such would break the chain for whoever verifies it.
#[test]
fn an_event_that_makes_too_long_a_line_is_counted_instead() {
    let key = NodeKey::generate();
    let long: Vec<Text> = vec!["\u{4e00}".repeat(4000).into(); 64];
    let event = Event::AuthoritiesChanged { added: long.clone(), removed: long };
    let mut chain = Chain::default();
    let opened = Mark::Opened { node: key.node_id(), version: "1".into() };
    let mut log = chain.append(Timestamp::now(), &Entry::Mark(opened));
    let line = chain.append(Timestamp::now(), &Entry::Event(&event));
    assert!(line.len() < MAX_LINE && line.contains("\"authorities_changed\":1") && line.contains("bytes"), "{line}");
    log += &line;
    log += &chain.seal(Timestamp::now(), &Signer::from(key.clone())).unwrap();
    let mut verifier = Verifier::new(Some(key.node_id()));
    verifier.file("audit", &mut log.as_bytes()).unwrap();
    assert_eq!(verifier.finish().unwrap().missed, 1);
}
