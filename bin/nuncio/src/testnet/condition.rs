//! Waiting for facts of running nodes: asked again until they hold, never slept for.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use crate::failure::Failure;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(25);

/// Asks until `question` has an answer; its error says what is still missing.
pub(crate) async fn until<T, F, Q>(what: &str, limit: Duration, mut question: Q) -> Result<T, Failure>
where
    Q: FnMut() -> F,
    F: Future<Output = Result<T, String>>,
{
    let started = Instant::now();
    loop {
        let missing = match question().await {
            Ok(answer) => return Ok(answer),
            Err(missing) => missing,
        };
        if started.elapsed() >= limit {
            return Err(Failure::operation("timed_out", format_args!("{what}: not within {limit:?}; {missing}")));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The future's value, or a failure when it takes longer than `limit`.
pub(crate) async fn within<T>(what: &str, limit: Duration, future: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(limit, future)
        .await
        .map_err(|_| Failure::operation("timed_out", format_args!("{what}: not within {limit:?}")))
}
