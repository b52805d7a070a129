use nuncio_audit::Actor;

use crate::{
    Bound, Daemon, Reloader, RunError, Shutdown,
    config::Source,
    logging,
    shutdown::{Asked, Signals, abort_on_panic},
    supervisor,
};

/// Runs a node as this process: logs to standard error, takes signals, aborts on a panic. Ends when `shutdown` or a
/// signal says so: the first SIGTERM or SIGINT drains, the second ends at once; SIGHUP reloads.
///
/// # Errors
/// [`RunError`]; nothing has been written to standard output.
pub async fn run(source: Source, shutdown: Shutdown) -> Result<(), RunError> {
    let imported = source.load()?;
    let log = logging::start(&imported.config.log)?;
    abort_on_panic();
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    for note in &imported.notes {
        tracing::info!("{note}");
    }
    let daemon = Daemon::of_process(source, imported.config, log);
    let bound = daemon.build().await?;
    announce(&bound);
    let (reloader, alive) = (bound.reloader(), supervisor::stay_alive(bound.handle()));
    supervisor::ready();
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
                Asked::Nothing => tracing::info!("SIGUSR1 and SIGUSR2 change nothing here; SIGHUP reloads"),
                // On its own task: a reload must not keep the node from its work.
                Asked::Reload => drop(tokio::spawn(reload(reloader.clone(), Actor::Signal))),
            },
        }
    }
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
