use std::time::Duration;

use nuncio_audit::Actor;
use tokio::{runtime::Handle, time::timeout};

use crate::{
    Bound, Daemon, Reloader, RunError, Shutdown,
    config::Source,
    logging,
    shutdown::{Asked, Signals, abort_on_panic},
    supervisor,
};

/// How long a start that is called off may take to come to an end by itself.
const CALLED_OFF: Duration = Duration::from_secs(1);

/// Runs a node as this process: logs to standard error, takes signals, aborts on a panic. Ends when `shutdown` or a
/// signal says so, also while the node starts: the first SIGTERM or SIGINT drains, the second ends at once; SIGHUP reloads.
///
/// # Errors
/// [`RunError`]; nothing has been written to standard output.
pub async fn run(source: Source, shutdown: Shutdown) -> Result<(), RunError> {
    // Before all else: until then, a signal ends the process without a word.
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    let Some((bound, is_outdated)) = started(source, &mut signals, &shutdown).await? else {
        tracing::info!("stopped before the node had started");
        return Ok(());
    };
    announce(&bound);
    let (reloader, alive) = (bound.reloader(), supervisor::stay_alive(bound.handle()));
    supervisor::ready();
    if is_outdated {
        drop(tokio::spawn(reload(reloader.clone(), Actor::Signal)));
    }
    let work = bound.run(shutdown.clone());
    tokio::pin!(work, alive);
    loop {
        tokio::select! {
            outcome = &mut work => return outcome,
            () = &mut alive => {}
            asked = signals.next() => match asked {
                Asked::Stop if shutdown.drain.is_cancelled() => shutdown.now.cancel(),
                Asked::Stop => {
                    supervisor::stopping();
                    shutdown.drain.cancel();
                }
                Asked::Nothing => tracing::info!("SIGUSR1, SIGUSR2 and SIGXFSZ change nothing here; SIGHUP reloads"),
                // On its own task: a reload must not keep the node from its work.
                Asked::Reload => drop(tokio::spawn(reload(reloader.clone(), Actor::Signal))),
            },
        }
    }
}

/// A node that listens, and whether it was to be reloaded meanwhile; nothing when it was told to stop.
///
/// It starts on a thread of its own, which is left to itself when it hangs: a file may be on a disk that does not answer.
async fn started(
    source: Source,
    signals: &mut Signals,
    shutdown: &Shutdown,
) -> Result<Option<(Bound, bool)>, RunError> {
    let runtime = Handle::current();
    let mut start = tokio::task::spawn_blocking(move || runtime.block_on(start(source)));
    let mut is_outdated = false;
    loop {
        let asked = tokio::select! {
            bound = &mut start => return bound.map_err(|_| RunError::Aborted)?.map(|bound| Some((bound, is_outdated))),
            () = shutdown.drain.cancelled() => Asked::Stop,
            () = shutdown.now.cancelled() => Asked::Stop,
            asked = signals.next() => asked,
        };
        match asked {
            Asked::Stop => break,
            Asked::Reload => is_outdated = true,
            Asked::Nothing => {}
        }
    }
    supervisor::stopping();
    // What it holds by then is let go in order.
    let _ = timeout(CALLED_OFF, start).await;
    Ok(None)
}

async fn start(source: Source) -> Result<Bound, RunError> {
    let imported = source.load()?;
    let log = logging::start(&imported.config.log)?;
    abort_on_panic();
    for note in &imported.notes {
        tracing::info!("{note}");
    }
    Ok(Daemon::of_process(source, imported.config, log).build().await?)
}

/// What became of it is in the log.
pub(crate) async fn reload(reloader: Reloader, actor: Actor) {
    supervisor::reloading();
    let _ = reloader.reload_for(actor).await;
    supervisor::ready();
}

fn announce(bound: &Bound) {
    let snapshot = bound.handle().snapshot();
    let p2p: Vec<_> = bound.p2p_addresses().iter().map(ToString::to_string).collect();
    let gateway = bound.gateway_address().map_or("off".to_owned(), |address| address.to_string());
    let admin = bound.admin_socket().map(|path| path.display().to_string()).unwrap_or_default();
    tracing::info!(
        node = %bound.handle().node_id(),
        name = %snapshot.name,
        agency = %snapshot.agency,
        p2p = %p2p.join(", "),
        %gateway,
        %admin,
        "node starts"
    );
    if let Some(address) = bound.admin_address() {
        tracing::info!(%address, "the admin API answers there to tokens and, over TLS, to operators' certificates");
    }
    if let Some(address) = bound.metrics_address() {
        tracing::info!(%address, "metrics are there for everybody");
    }
}
