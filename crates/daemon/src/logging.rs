//! What is logged, to standard error, with a filter that can be changed while the node runs.

use std::{
    fmt,
    io::{self, IsTerminal},
    sync::{Arc, Mutex, PoisonError},
};

use nuncio_door::Throttle;
use tracing::{Event, Level, Metadata, callsite::Identifier};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt as lines,
    layer::{Context, Filter, SubscriberExt},
    registry, reload,
    util::SubscriberInitExt,
};

use crate::config::{Log, LogFormat};

/// The log's filter, to be read and replaced while the node runs. Cheap to clone.
#[derive(Clone)]
pub struct LogControl {
    handle: reload::Handle<EnvFilter, Registry>,
    filter: Arc<Mutex<String>>,
}

/// Starts logging for the whole process.
///
/// # Errors
/// When the filter cannot be read, or the process logs already.
pub fn start(log: &Log) -> Result<LogControl, LogError> {
    let (filter, handle) = reload::Layer::new(read(&log.filter)?);
    let base = registry().with(filter);
    let started = match log.format {
        LogFormat::Human => {
            let in_colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
            let layer = lines::layer().with_writer(io::stderr).with_ansi(in_colour);
            base.with(layer.with_filter(Libraries::default())).try_init()
        }
        LogFormat::Json => {
            let layer = lines::layer().json().flatten_event(true).with_writer(io::stderr);
            base.with(layer.with_filter(Libraries::default())).try_init()
        }
    };
    started.map_err(|_| LogError::Started)?;
    Ok(LogControl { handle, filter: Arc::new(Mutex::new(log.filter.clone())) })
}

/// What libraries say, which a peer can make them say as often as it likes, is written once a second for each cause. The
/// program's own parts bound theirs themselves, and whoever asks for more than information wants all of it.
#[derive(Debug, Default)]
struct Libraries(Throttle<Identifier>);

impl<S> Filter<S> for Libraries {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let line = event.metadata();
        line.target().starts_with("nuncio") || *line.level() > Level::INFO || self.0.allows(line.callsite())
    }
}

impl LogControl {
    /// The filter in force.
    pub fn filter(&self) -> String {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the filter until the next start.
    ///
    /// # Errors
    /// When it cannot be read; the old one stays.
    pub fn set_filter(&self, filter: &str) -> Result<(), LogError> {
        let parsed = read(filter)?;
        let mut current = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
        self.handle.reload(parsed).map_err(|_| LogError::Gone)?;
        filter.trim().clone_into(&mut current);
        Ok(())
    }
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogControl").field("filter", &self.filter()).finish_non_exhaustive()
    }
}

/// Why there is no such log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter cannot be read.
    #[error("`{filter}` is not a log filter: write error, warn, info, debug, trace or off, or warn,nuncio_node=debug")]
    Filter {
        /// The filter.
        filter: String,
    },
    /// The process logs already.
    #[error("logging was started before")]
    Started,
    /// The log is gone: the process is ending.
    #[error("the log is closed")]
    Gone,
}

/// Whether a filter can be read.
pub(crate) fn judge_filter(filter: &str) -> Result<(), LogError> {
    read(filter).map(drop)
}

/// A single word that is no level would be taken for the name of a part, and everything else fall silent.
fn read(filter: &str) -> Result<EnvFilter, LogError> {
    let unusable = || LogError::Filter { filter: filter.to_owned() };
    let is_level = |word: &str| !word.is_empty() && word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    let is_directive = |word: &str| is_level(word) || word.split_once('=').is_some_and(|(_, level)| is_level(level));
    if !filter.split(',').all(|word| is_directive(word.trim())) {
        return Err(unusable());
    }
    let filter = filter.trim();
    let parsed = EnvFilter::builder().parse(filter).map_err(|_| unusable())?;
    // yamux warns of every connection that the other side closes; the node says better why it ended.
    let is_quiet = filter == "off" || filter.contains("yamux");
    if is_quiet {
        Ok(parsed)
    } else {
        "yamux=error".parse().map(|quiet| parsed.add_directive(quiet)).map_err(|_| unusable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_peer_makes_a_library_say_does_not_fill_the_log() {
        let written = Lines::default();
        let writer = written.clone();
        let layer = lines::layer().with_writer(move || writer.clone()).with_filter(Libraries::default());
        tracing::subscriber::with_default(registry().with(layer), || {
            for number in 0..1000 {
                tracing::warn!(target: "libp2p_gossipsub::backoff", number, "a library");
                tracing::warn!(target: "nuncio_node::told", number, "ourselves");
                tracing::debug!(target: "libp2p_gossipsub", number, "asked for");
            }
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let count = |words| text.lines().filter(|line| line.contains(words)).count();
        assert!((1..=5).contains(&count("a library")), "{} lines", count("a library"));
        assert_eq!((count("ourselves"), count("asked for")), (1000, 1000));
    }

    #[test]
    fn filters_that_can_be_read() {
        for filter in ["info", "off", "WARN", "warn,nuncio_node=debug", "nuncio_node::event_loop=trace, info"] {
            assert!(judge_filter(filter).is_ok(), "{filter}");
        }
        for filter in ["", "loud", "a=b", "a=b=c", "info,", "nuncio_node"] {
            assert!(judge_filter(filter).is_err(), "{filter}");
        }
    }
}
