//! What the thread of one test logs.

use std::sync::OnceLock;

use tracing::{
    Dispatch,
    subscriber::{DefaultGuard, NoSubscriber},
};

/// Has a subscriber hear what this thread logs, until the guard is dropped.
///
/// As long as there is one subscriber in all, `tracing` asks the thread that first passes a place that logs whether anybody
/// hears it. That may be another test's, where nobody does, and the place would be silent for this one, too. So there are two.
pub fn hear(subscriber: impl Into<Dispatch>) -> DefaultGuard {
    static SECOND: OnceLock<Dispatch> = OnceLock::new();
    SECOND.get_or_init(|| Dispatch::new(NoSubscriber::new()));
    tracing::dispatcher::set_default(&subscriber.into())
}
