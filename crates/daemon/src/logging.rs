//! What is logged, to standard error, with a filter that can be changed while the node runs.

use std::{
    fmt,
    io::{self, IsTerminal},
    sync::{Arc, Mutex, PoisonError},
};

use nuncio_door::Throttle;
use tracing::{Event, Level, Metadata, Subscriber, callsite::Identifier};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    field::RecordFields,
    fmt::{
        self as lines, FormatFields, MakeWriter,
        format::{DefaultFields, Writer},
    },
    layer::{Context, Filter, SubscriberExt},
    registry,
    registry::LookupSpan,
    reload,
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
            base.with(human(io::stderr, in_colour).with_filter(Libraries::default())).try_init()
        }
        LogFormat::Json => base.with(json(io::stderr).with_filter(Libraries::default())).try_init(),
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

/// For people: what remotes said in it works on no terminal and forges no line.
fn human<S, W>(writer: W, in_colour: bool) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    lines::layer().fmt_fields(PlainFields).with_writer(writer).with_ansi(in_colour)
}

/// One object per line.
fn json<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    lines::layer().json().flatten_event(true).with_writer(EscapedJson(writer))
}

/// Messages and fields as tracing writes them, through the sanitizer.
struct PlainFields;

impl<'w> FormatFields<'w> for PlainFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut text = String::new();
        DefaultFields::new().format_fields(Writer::new(&mut text), fields)?;
        writer.write_str(&nuncio_plain::line(&text))
    }
}

/// Lines of JSON, through the sanitizer.
struct EscapedJson<W>(W);

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for EscapedJson<W> {
    type Writer = EscapedJson<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        EscapedJson(self.0.make_writer())
    }
}

impl<W: io::Write> io::Write for EscapedJson<W> {
    /// Gets each line whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(nuncio_plain::json(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
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

    /// A log in memory.
    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_peer_makes_a_library_say_does_not_fill_the_log() {
        let written = Memory::default();
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

    fn logged<L>(layer: impl FnOnce(Memory) -> L) -> String
    where
        L: Layer<Registry> + Send + Sync,
    {
        const EVIL: &str = "a\u{1b}[2J\r\n2026 ERROR forged\u{202e}\u{9b}1m";
        let memory = Memory::default();
        tracing::subscriber::with_default(registry().with(layer(memory.clone())), || {
            let _span = tracing::info_span!("span", name = EVIL).entered();
            tracing::warn!(name = %EVIL, reason = ?EVIL, plain = EVIL, "{EVIL}");
        });
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_remotes_said_forges_no_line_and_works_on_no_terminal() {
        let human = |in_colour: bool| logged(move |memory| human(move || memory.clone(), in_colour));
        for log in [human(false), logged(|memory| json(move || memory.clone()))] {
            assert_eq!(log.lines().count(), 1, "{log:?}");
            assert!(log.trim_end_matches('\n').chars().all(nuncio_plain::is_harmless), "{log:?}");
        }
        let coloured = human(true);
        assert_eq!(coloured.lines().count(), 1);
        assert!(!coloured.contains("\u{1b}[2J") && !coloured.contains('\u{202e}'), "{coloured:?}");
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
