//! How a node is told to stop, and what happens when a part of it breaks.

use std::{future, io, panic};

use futures::stream::{self, BoxStream, SelectAll, StreamExt};
use rustix::process;
use tokio::signal::unix::{SignalKind, signal};
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

/// What ends a process: SIGTERM, a terminal's SIGINT, an init's SIGPWR, a service manager's SIGRTMIN+3 to a container, and the
/// clocks of whoever gave the process so much time or processor time.
const STOP: &[i32] = &[
    process::Signal::TERM.as_raw(),
    process::Signal::INT.as_raw(),
    #[cfg(target_os = "linux")]
    process::Signal::POWER.as_raw(),
    #[cfg(target_os = "linux")]
    CONTAINER_STOP,
    process::Signal::XCPU.as_raw(),
    process::Signal::ALARM.as_raw(),
];

/// Of the C library of who sends it, which has SIGRTMIN at 34: musl's own begins one later.
#[cfg(target_os = "linux")]
const CONTAINER_STOP: i32 = 37;

/// What changes nothing. Tools for logs send SIGUSR1 and SIGUSR2: the node writes its log to standard error. SIGXFSZ is sent
/// when a file has reached the process' limit: whoever writes is told so too, as of a full disk.
const NOTHING: &[i32] =
    &[process::Signal::USR1.as_raw(), process::Signal::USR2.as_raw(), process::Signal::XFSZ.as_raw()];

/// Signals of the process: some stop it (the first drains, the second ends at once), SIGHUP reloads. From when these are made,
/// none of them ends the process by itself.
pub(crate) struct Signals(SelectAll<BoxStream<'static, Asked>>);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Stop,
    Reload,
    Nothing,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        let stop = STOP.iter().map(|number| (*number, Asked::Stop));
        let nothing = NOTHING.iter().map(|number| (*number, Asked::Nothing));
        let reload = [(process::Signal::HUP.as_raw(), Asked::Reload)];
        let all = stop.chain(nothing).chain(reload).map(|(number, asked)| {
            let signal = signal(SignalKind::from_raw(number))?;
            let come = stream::unfold(signal, |mut signal| async move { signal.recv().await.map(|()| ((), signal)) });
            Ok(come.map(move |()| asked).boxed())
        });
        Ok(Self(stream::select_all(all.collect::<io::Result<Vec<_>>>()?)))
    }

    pub(crate) async fn next(&mut self) -> Asked {
        match self.0.next().await {
            Some(asked) => asked,
            // Signals come as long as the runtime does.
            None => future::pending().await,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn every_signal_is_what_it_asks_for_and_none_ends_the_process_by_itself() {
        let mut signals = Signals::new().unwrap();
        for (signal, asked) in [
            (Signal::TERM, Asked::Stop),
            (Signal::INT, Asked::Stop),
            (Signal::POWER, Asked::Stop),
            (Signal::XCPU, Asked::Stop),
            (Signal::ALARM, Asked::Stop),
            (Signal::HUP, Asked::Reload),
            (Signal::USR1, Asked::Nothing),
            (Signal::USR2, Asked::Nothing),
            (Signal::XFSZ, Asked::Nothing),
        ] {
            kill_process(getpid(), signal).unwrap();
            let next = tokio::time::timeout(Duration::from_secs(10), signals.next()).await;
            assert_eq!(next, Ok(asked), "{signal:?}");
        }
    }
}
