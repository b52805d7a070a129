//! One file per kind of operation; here the table of all.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequest, Request},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use nuncio_node::NodeHandle;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    Operator,
    api::{ErrorCode, Failure},
};

mod access;
pub(crate) mod body;
mod certificates;
mod health;
mod listen;
mod log_level;
mod messages;
mod metrics;
mod network;
mod peers;

/// Listening streams at a time; further ones are refused as busy.
pub(crate) const MAX_LISTENERS: usize = 16;

/// Longest JSON body, in bytes.
const MAX_JSON: usize = 64 << 10;

/// What every route may use.
#[derive(Clone)]
pub(crate) struct Context {
    node: NodeHandle,
    operator: Arc<dyn Operator>,
    shutdown: CancellationToken,
    listeners: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
}

pub(crate) fn router(node: NodeHandle, operator: Arc<dyn Operator>, shutdown: CancellationToken) -> Router {
    let context = Context {
        node,
        operator,
        shutdown,
        listeners: Arc::new(Semaphore::new(MAX_LISTENERS)),
        bodies: body::budget(),
    };
    Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/v1/status", get(network::status))
        .route("/v1/nodes", get(network::nodes))
        .route("/v1/route/{node}", get(network::route))
        .route("/metrics", get(metrics::metrics))
        .route("/v1/topics", get(network::topics))
        .route("/v1/topics/denied", get(network::denied_topics))
        .route("/v1/info", get(network::info))
        .route("/v1/peers", get(peers::list).post(peers::add).delete(peers::remove))
        .route("/v1/access", get(access::list))
        .route("/v1/access/{node}", put(access::set).delete(access::reset))
        .route("/v1/unicast/{node}", post(messages::unicast))
        .route("/v1/multicast/{topic}", post(messages::multicast))
        .route("/v1/broadcast", post(messages::broadcast))
        .route("/v1/listen", post(listen::listen))
        .route("/v1/certificates", get(certificates::list))
        .route("/v1/log-level", get(log_level::get).put(log_level::set))
        .fallback(async || Failure::new(ErrorCode::NotFound, "there is nothing under this path"))
        .method_not_allowed_fallback(async || Failure::new(ErrorCode::NotFound, "this path does not know this method"))
        .layer(DefaultBodyLimit::max(MAX_JSON))
        .with_state(context)
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self)).into_response()
    }
}

/// A JSON body whose errors are answered as [`Failure`]; the content type is not asked for.
struct JsonBody<T>(T);

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

fn bad_request(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::BadRequest, message)
}
