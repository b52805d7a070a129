//! What requests hold: extractors whose errors are [`Failure`]s, each of a type from which the API's document is written.

use std::marker::PhantomData;

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::request::Parts,
};
use nuncio_protocol::trace::TraceParent;
use serde::de::DeserializeOwned;

use super::bad_request;
use crate::api::{Failure, TRACE_PARENT_HEADER};

/// A JSON body; the content type is not asked for.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bytes = axum::body::Bytes::from_request(request, state)
            .await
            .map_err(|error| bad_request(format!("the body cannot be read: {error}")))?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| bad_request(format!("the body is not as expected: {error}")))
    }
}

/// The one segment of the path that is not fixed.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|Path(segment)| Self(segment)).map_err(|error| bad_request(error.body_text()))
    }
}

/// The trace context in which whoever asks does so, if he says it.
pub(crate) struct InTrace(pub(crate) Option<TraceParent>);

impl<S: Send + Sync> FromRequestParts<S> for InTrace {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let Some(value) = parts.headers.get(TRACE_PARENT_HEADER) else { return Ok(Self(None)) };
        let parent = value.to_str().unwrap_or_default().parse();
        let wrong = |error| bad_request(format!("the header {TRACE_PARENT_HEADER} is {error}"));
        parent.map(|parent| Self(Some(parent))).map_err(wrong)
    }
}

/// The query, each parameter at most once.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(query)| Self(query)).map_err(|error| bad_request(error.body_text()))
    }
}

/// The query as it is, for parameters that may come several times; `T` says which there are.
pub(crate) struct Pairs<T> {
    pub(crate) all: Vec<(String, String)>,
    described_by: PhantomData<fn() -> T>,
}

impl<T, S: Send + Sync> FromRequestParts<S> for Pairs<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Parameters(all) = Parameters::from_request_parts(parts, state).await?;
        Ok(Self { all, described_by: PhantomData })
    }
}
