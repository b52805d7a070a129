//! What is logged, to standard error, with a filter that can be changed while the node runs.

use std::{
    fmt,
    io::{self, IsTerminal},
    sync::{Arc, Mutex, PoisonError},
};

use tracing_subscriber::{
    EnvFilter, Registry, fmt as lines, layer::SubscriberExt, registry, reload, util::SubscriberInitExt,
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
            base.with(lines::layer().with_writer(io::stderr).with_ansi(in_colour)).try_init()
        }
        LogFormat::Json => base.with(lines::layer().json().flatten_event(true).with_writer(io::stderr)).try_init(),
    };
    started.map_err(|_| LogError::Started)?;
    Ok(LogControl { handle, filter: Arc::new(Mutex::new(log.filter.clone())) })
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
