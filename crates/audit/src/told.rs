//! Log lines that others can cause: a few at once, then one a second for each cause. What is left out is counted.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;

use crate::bucket::Bucket;

/// Lines about one cause that may come at once, such as the links of a node that starts.
const BURST: u64 = 16;

/// Beyond that, lines about each cause in a second.
const PER_SECOND: u64 = 1;

/// Other words about the same source are told after this.
const CHANGED: Duration = Duration::from_secs(1);

/// The same words about the same source are told again after this.
const REPEAT: Duration = Duration::from_secs(300);

/// Sources remembered at most; when more appear, all are forgotten.
const MAX_SOURCES: usize = 1024;

/// Longest words remembered of a source, in bytes.
const MAX_WORDS: usize = 512;

/// What was told, and what was not. Each source takes a kilobyte at most, and causes are words of this program.
#[derive(Debug, Default)]
pub struct Told {
    causes: BTreeMap<&'static str, Cause>,
    sources: BTreeMap<(&'static str, String), (String, Instant)>,
}

#[derive(Debug)]
struct Cause {
    lines: Bucket,
    left_out: u64,
}

/// Something is worth a line.
#[derive(Debug, PartialEq, Eq)]
pub struct News {
    /// Lines about the same cause that were left out before it, if any.
    pub left_out: Option<u64>,
}

impl Told {
    /// What it remembers at most.
    pub const BOUND: Bound = Bound::of_entries::<((&str, String), (String, Instant))>(
        "sources of log lines",
        MAX_SOURCES,
        2 * MAX_WORDS,
        "all are forgotten",
    );

    /// Whether something that happens now is worth a line.
    pub fn event(&mut self, cause: &'static str, now: Instant) -> Option<News> {
        let entry = self.causes.entry(cause).or_insert(Cause { lines: Bucket::new(BURST, now), left_out: 0 });
        if entry.lines.take(PER_SECOND, BURST, now) {
            return Some(News { left_out: Some(std::mem::take(&mut entry.left_out)).filter(|lines| *lines > 0) });
        }
        entry.left_out += 1;
        None
    }

    /// The same for what is tried again and again: each source is told once, and again when there are other words.
    pub fn attempt(&mut self, cause: &'static str, source: &str, words: &str, now: Instant) -> Option<News> {
        let [source, words] = [source, words].map(|text| &text[..text.floor_char_boundary(MAX_WORDS)]);
        let key = (cause, source.to_owned());
        if let Some((last, when)) = self.sources.get(&key) {
            let pause = if last == words { REPEAT } else { CHANGED };
            if now.saturating_duration_since(*when) < pause {
                return None;
            }
        }
        let news = self.event(cause, now)?;
        if self.sources.len() >= MAX_SOURCES {
            self.sources.clear();
        }
        self.sources.insert(key, (words.to_owned(), now));
        Some(news)
    }

    /// Tells how many lines were left out about causes that have gone silent.
    pub fn conclude(&mut self, now: Instant) {
        for (cause, entry) in &mut self.causes {
            if entry.left_out > 0 && entry.lines.take(PER_SECOND, BURST, now) {
                let left_out = std::mem::take(&mut entry.left_out);
                tracing::info!(left_out, "further lines of this kind were left out: {cause}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_cause_is_a_line_a_second_and_its_lines_are_counted() {
        let (mut told, start) = (Told::default(), Instant::now());
        let (mut lines, mut left_out) = (0, 0);
        for millisecond in 0..100_000 {
            if let Some(news) = told.event("link down", start + Duration::from_millis(millisecond)) {
                lines += 1;
                left_out += news.left_out.unwrap_or_default();
            }
        }
        assert!(lines <= BURST + 100, "{lines} lines in 100 s");
        assert!(lines + left_out > 98_000, "{left_out} counted");
        assert_eq!(told.event("link up", start), Some(News { left_out: None }), "another cause has a pace of its own");
    }

    #[test]
    fn many_sources_of_one_cause_are_a_line_a_second_all_together() {
        let (mut told, start) = (Told::default(), Instant::now());
        let lines = (0..50_000)
            .filter(|n| told.attempt("refused", &format!("10.{n}"), "no", start + Duration::from_millis(*n)).is_some());
        let lines = lines.count();
        assert!(lines <= BURST as usize + 50, "{lines} lines in 50 s");
        assert!(told.sources.len() <= MAX_SOURCES);
    }

    #[test]
    fn the_same_words_about_a_source_are_told_once_and_other_words_at_once_a_second_later() {
        let (mut told, start) = (Told::default(), Instant::now());
        let mut at =
            |seconds, words| told.attempt("refused", "10.0.0.1", words, start + Duration::from_secs(seconds)).is_some();
        assert!(at(0, "expired"));
        assert!(!at(1, "expired") && !at(299, "expired"));
        assert!(at(300, "expired"));
        assert!(!at(300, "revoked"), "within a second");
        assert!(at(301, "revoked"));
    }

    #[test]
    fn what_was_left_out_is_told_when_the_flood_ends() {
        let (mut told, start) = (Told::default(), Instant::now());
        for _ in 0..BURST + 5 {
            told.event("link down", start);
        }
        told.conclude(start);
        assert_eq!(told.causes["link down"].left_out, 5, "not before its second");
        told.conclude(start + Duration::from_secs(1));
        assert_eq!(told.causes["link down"].left_out, 0);
    }

    #[test]
    fn long_words_of_others_are_cut() {
        let mut told = Told::default();
        let long = "ü".repeat(100_000);
        assert!(told.attempt("refused", &long, &long, Instant::now()).is_some());
        assert!(told.sources.iter().all(|((_, source), (words, _))| source.len() + words.len() <= 2 * MAX_WORDS));
    }
}
