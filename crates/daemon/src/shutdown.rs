//! How a node is told to stop, and what happens when a part of it breaks.

use std::{io, panic};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The two ways to stop. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Let what is in flight end, then stop; within five seconds.
    pub drain: CancellationToken,
    /// Stop at once.
    pub now: CancellationToken,
}

impl Shutdown {
    /// Nobody has asked to stop yet.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Signals of the process: SIGTERM and SIGINT stop it (the first drains, the second ends at once), SIGHUP reloads. SIGUSR1
/// and SIGUSR2, which tools for logs send, change nothing: the node writes its log to standard error.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user: [Signal; 2],
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Stop,
    Reload,
    Nothing,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user: [signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?],
        })
    }

    pub(crate) async fn next(&mut self) -> Asked {
        let [first, second] = &mut self.user;
        tokio::select! {
            _ = first.recv() => Asked::Nothing,
            _ = second.recv() => Asked::Nothing,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}

/// A panic anywhere is logged and ends the process: a node that lost one of its tasks would look alive to its peers.
pub(crate) fn abort_on_panic() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let message = info.payload_as_str().unwrap_or("no message");
        tracing::error!(%place, message, "a part of the node has panicked; this is a bug, please report it");
        before(info);
        std::process::abort();
    }));
}
