//! What a supervisor that speaks systemd's protocol is told: ready, reloading, stopping, and alive. Without one, nothing.

use std::{future, time::Duration};

use nuncio_node::NodeHandle;
use sd_notify::{NotifyState, watchdog_enabled};

/// The sockets are open.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins; [`ready`] ends it.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the clock cannot be read, the supervisor is not told of the reload"),
    }
}

/// The node drains.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says three times in the supervisor's patience that the node answers, for ever. What asks is answered by the event loop: if
/// that hangs, so does this, and the supervisor starts the node anew.
pub(crate) async fn stay_alive(node: NodeHandle) {
    const TIMES: u32 = 3;
    let Some(patience) = watchdog_enabled().filter(|patience| *patience > Duration::ZERO) else {
        return future::pending().await;
    };
    let mut pauses = tokio::time::interval(patience / TIMES);
    loop {
        pauses.tick().await;
        node.route(node.node_id()).await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the supervisor named by NOTIFY_SOCKET cannot be told");
    }
}
