//! What answers are, where their type does not say it to axum: a type for each, from which the API's document is written.

use std::{convert::Infallible, marker::PhantomData};

use axum::{
    body::Body,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use serde::Serialize;

use crate::api::Health;

/// A line of JSON for each of something, as it happens, without end.
pub(crate) struct Lines<T> {
    body: Body,
    of: PhantomData<fn() -> T>,
}

impl<T> Lines<T> {
    pub(crate) const CONTENT_TYPE: &str = "application/x-ndjson";

    pub(crate) fn new(lines: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self { body: Body::from_stream(lines.map(Ok::<_, Infallible>)), of: PhantomData }
    }
}

impl<T> IntoResponse for Lines<T> {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, Self::CONTENT_TYPE)], self.body).into_response()
    }
}

/// One of these lines; `None` for what is no JSON.
pub(crate) fn line(value: &impl Serialize) -> Option<Bytes> {
    let mut line = serde_json::to_vec(value).ok()?;
    line.push(b'\n');
    Some(line.into())
}

/// Server-sent events, without end.
pub(crate) struct Events(Body);

impl Events {
    pub(crate) fn new(events: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(Body::from_stream(events.map(Ok::<_, Infallible>)))
    }
}

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")], self.0).into_response()
    }
}

/// Numbers in `OpenMetrics`' text format.
pub(crate) struct Numbers(pub(crate) Bytes);

impl IntoResponse for Numbers {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, nuncio_metrics::CONTENT_TYPE)], self.0).into_response()
    }
}

/// 200 when all is well, else 503.
pub(crate) struct Judged(pub(crate) Health);

impl IntoResponse for Judged {
    fn into_response(self) -> Response {
        let status = if self.0.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, axum::Json(self.0)).into_response()
    }
}

/// Nothing more to say.
pub(crate) struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}
