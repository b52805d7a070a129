//! What a person at a terminal sees of work that takes longer than a moment. Nothing of it anywhere else.

use std::{future::Future, pin::pin, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::timeout;

use crate::output::Output;

/// Between two pictures of what does not move by itself.
const TICK: Duration = Duration::from_millis(100);

/// What takes no longer is not spoken of.
const MOMENT: Duration = Duration::from_secs(1);

const STEPS: &str = "{spinner} [{bar:30}] {pos} of {len}, {elapsed}  {wide_msg}";
const BYTES: &str = "{spinner} [{bar:30}] {percent}%, {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left  {wide_msg}";
const LINE: &str = "{spinner} {elapsed}  {wide_msg}";

/// A bar or a line on standard error, which goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Output {
    /// A bar of so many steps.
    pub(crate) fn steps(self, total: usize) -> Progress {
        Progress::new(self, ProgressBar::with_draw_target(Some(total as u64), self.target()), STEPS)
    }

    /// A bar of so many bytes.
    pub(crate) fn transfer(self, total: u64) -> Progress {
        Progress::new(self, ProgressBar::with_draw_target(Some(total), self.target()), BYTES)
    }

    /// A line for what has no known end.
    pub(crate) fn passing(self, words: &str) -> Progress {
        let line = Progress::new(self, ProgressBar::with_draw_target(None, self.target()), LINE);
        line.say(words);
        line
    }

    /// Awaits the work, and says that it does, once it has taken a second.
    pub(crate) async fn waiting<T>(self, words: &str, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        match timeout(MOMENT, &mut work).await {
            Ok(done) => done,
            Err(_) => {
                let _line = self.passing(words);
                work.await
            }
        }
    }

    fn target(self) -> ProgressDrawTarget {
        if self.is_watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
    }
}

impl Progress {
    fn new(output: Output, bar: ProgressBar, template: &str) -> Self {
        // The templates are ours, and a test reads them.
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        if output.is_watched() {
            bar.enable_steady_tick(TICK);
        }
        Self(bar)
    }

    /// Words beside it; remotes may have written parts of them.
    pub(crate) fn say(&self, words: &str) {
        self.0.set_message(nuncio_plain::line(words).into_owned());
    }

    /// One step more.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    /// So far it is. What was there at the first word of it took no time.
    pub(crate) fn at(&self, position: u64) {
        if self.0.position() == 0 {
            self.0.set_position(position);
            self.0.reset_eta();
        } else {
            self.0.set_position(position);
        }
    }

    /// How long it is in all, where that is known only now.
    pub(crate) fn is_of(&self, length: u64) {
        if self.0.length() != Some(length) {
            self.0.set_length(length);
        }
    }

    /// Writes something else to the terminal meanwhile.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        for template in [STEPS, BYTES, LINE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn words_of_others_do_nothing_on_the_terminal() {
        let line = Output::new(true).passing("a\u{1b}[2J\nb");
        assert_eq!(line.0.message(), nuncio_plain::line("a\u{1b}[2J\nb"));
    }
}
