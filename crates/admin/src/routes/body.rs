use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use nuncio_protocol::MAX_BODY;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::{ErrorCode, Failure};

use super::bad_request;

/// How far over the limit a body is still read, so that its sender gets to see the refusal.
const ROOM: usize = 1 << 20;

/// Bodies in memory at a time, in KiB; further ones wait in their sockets.
pub(crate) const BUDGET_KIB: usize = 256 << 10;

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
    let share = budget.clone().acquire_many_owned(kib).await.expect("the semaphore is never closed");
    let bytes = match Limited::new(body, MAX_BODY + ROOM).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large(MAX_BODY + ROOM)),
        Err(error) => return Err(bad_request(format!("the body broke off: {error}"))),
    };
    if bytes.len() > MAX_BODY { Err(too_large(bytes.len())) } else { Ok(MessageBody { bytes, _share: share }) }
}

pub(super) fn too_large(bytes: usize) -> Failure {
    Failure::new(ErrorCode::TooLarge, format!("body of {bytes} bytes or more is over the limit of {MAX_BODY}"))
        .with_hint("send it in pieces")
}
