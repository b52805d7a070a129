use std::{future::Future, pin::pin, time::Duration};

use futures::future::{Either, select};
use futures_timer::Delay;

/// What `future` returns, or `None` when `limit` passes first.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    match select(pin!(future), Delay::new(limit)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(((), _)) => None,
    }
}
