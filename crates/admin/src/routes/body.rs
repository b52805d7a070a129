use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use nuncio_protocol::MAX_BODY;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::api::{ErrorCode, Failure};

use super::bad_request;

/// How far over the limit a body is still read, so that its sender gets to see the refusal.
const ROOM: usize = 1 << 20;

/// Bodies in memory at a time, in KiB; further ones wait in their sockets.
pub(crate) const BUDGET_KIB: usize = 256 << 10;

/// So much of a body, or its rest, comes in each [`PATIENCE`]: who stops half-way would else keep his share from all others.
const PART: usize = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// The budget that all bodies share.
pub(super) fn budget() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(BUDGET_KIB))
}

/// A message's body and its share of the budget.
pub(super) struct MessageBody {
    pub(super) bytes: Bytes,
    pub(super) _share: OwnedSemaphorePermit,
}

/// Reads a message's body of at most [`MAX_BODY`] bytes.
pub(super) async fn read(headers: &HeaderMap, body: Body, budget: &Arc<Semaphore>) -> Result<MessageBody, Failure> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if let Some(bytes) = announced.filter(|bytes| *bytes > MAX_BODY + ROOM) {
        return Err(too_large(bytes));
    }
    let kib = announced.unwrap_or(MAX_BODY + ROOM).div_ceil(1024).try_into().unwrap_or(u32::MAX);
    let mut coming = Coming { body, due: Instant::now() + PATIENCE };
    // Who sends nothing takes no share.
    let mut next = coming.next().await?;
    let share = budget.clone().acquire_many_owned(kib).await.expect("the semaphore is never closed");
    coming.due = Instant::now() + PATIENCE;
    let (mut bytes, mut counted) = (BytesMut::with_capacity(announced.unwrap_or_default()), 0);
    while let Some(piece) = next {
        if bytes.len() + piece.len() > MAX_BODY + ROOM {
            return Err(too_large(MAX_BODY + ROOM));
        }
        bytes.extend_from_slice(&piece);
        if bytes.len() - counted >= PART {
            (coming.due, counted) = (Instant::now() + PATIENCE, bytes.len());
        }
        next = coming.next().await?;
    }
    if bytes.len() > MAX_BODY {
        return Err(too_large(bytes.len()));
    }
    Ok(MessageBody { bytes: bytes.freeze(), _share: share })
}

/// A body on its way.
struct Coming {
    body: Body,
    /// When more of it must have come.
    due: Instant,
}

impl Coming {
    /// Its next piece; `None` at its end.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let late = |_| bad_request(format!("less than {PART} bytes of the body came in {PATIENCE:?}"));
        match timeout_at(self.due, self.body.frame()).await.map_err(late)? {
            Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
            Some(Err(error)) => Err(bad_request(format!("the body broke off: {error}"))),
            None => Ok(None),
        }
    }
}

pub(super) fn too_large(bytes: usize) -> Failure {
    Failure::new(ErrorCode::TooLarge, format!("body of {bytes} bytes or more is over the limit of {MAX_BODY}"))
        .with_hint("send it in pieces")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{StreamExt, stream};
    use tokio::time::{sleep, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn announcing(bytes: usize) -> HeaderMap {
        [(header::CONTENT_LENGTH, bytes.into())].into_iter().collect()
    }

    /// A body of so many pieces of one length with a pause before each, which then says nothing more.
    fn slow(pieces: usize, length: usize, pause: Duration) -> Body {
        let coming = stream::iter(0..pieces).then(move |_| async move {
            sleep(pause).await;
            Ok::<_, Infallible>(Bytes::from(vec![7; length]))
        });
        Body::from_stream(coming.chain(stream::pending()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_half_way_gives_its_share_back() {
        let budget = budget();
        let headers = announcing(MAX_BODY);
        for body in [slow(1, 100, SECOND), slow(0, 0, SECOND), slow(1000, 1, SECOND)] {
            let start = Instant::now();
            let read = timeout(60 * PATIENCE, read(&headers, body, &budget)).await.expect("it is given up");
            let failure = read.map(|read| read.bytes.len()).unwrap_err();
            assert!(failure.message.contains("came in"), "{}", failure.message);
            assert!(start.elapsed() <= PATIENCE + 2 * SECOND, "{:?}", start.elapsed());
            assert_eq!(budget.available_permits(), BUDGET_KIB);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_nothing_takes_no_share_and_who_sends_slowly_is_heard_out() {
        let budget = budget();
        let silent: Vec<_> = (0..100).map(|_| slow(0, 0, SECOND)).collect();
        let headers = announcing(MAX_BODY);
        let silent = futures::future::join_all(silent.into_iter().map(|body| read(&headers, body, &budget)));
        let length = 20 * PART;
        let heard = async {
            let body = slow(20, PART, 9 * SECOND).into_data_stream().take(20);
            let read = read(&announcing(length), Body::from_stream(body), &budget).await;
            read.map(|read| read.bytes).map_err(|failure| failure.message)
        };
        let both = async { tokio::join!(silent, heard) };
        let (silent, heard) = timeout(60 * PATIENCE, both).await.expect("no silent one is waited for");
        assert!(silent.iter().all(Result::is_err));
        assert_eq!(heard, Ok(vec![7; length].into()));
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_refused_whether_it_says_so_or_not() {
        let budget = budget();
        for (announced, length) in [(Some(MAX_BODY + ROOM + 1), 1), (None, MAX_BODY + ROOM + 1), (None, MAX_BODY + 1)] {
            let headers = announced.map(announcing).unwrap_or_default();
            let read = read(&headers, Body::from(vec![0; length]), &budget).await;
            assert!(read.map(|read| read.bytes.len()).unwrap_err().message.contains("over the limit"));
        }
        let read = read(&HeaderMap::new(), Body::from(vec![0; MAX_BODY]), &budget).await;
        assert_eq!(read.map(|read| read.bytes.len()).unwrap_or_default(), MAX_BODY);
    }
}
