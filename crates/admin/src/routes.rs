//! One file per kind of operation; here the table of all.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, FromRequest, Request},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, post, put},
};
use nuncio_audit::Scope;
use nuncio_node::NodeHandle;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    Operator,
    api::{ErrorCode, Failure},
    server::needed,
};

mod access;
mod audit;
pub(crate) mod body;
mod certificates;
mod configuration;
mod health;
mod listen;
mod log_level;
mod messages;
mod metrics;
mod network;
mod peers;
pub(crate) mod requests;

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
    followers: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    waiting: requests::Waiting,
}

/// One route.
struct Row {
    method: Method,
    path: &'static str,
    handler: fn() -> MethodRouter<Context>,
}

macro_rules! table {
    ($( $method:ident $as:ident $path:literal $handler:expr; )+) => {
        /// Every route.
        static TABLE: &[Row] = &[$( Row { method: Method::$method, path: $path, handler: || $as($handler) }, )+];
    };
}

table! {
    GET get "/livez" health::livez;
    GET get "/readyz" health::readyz;
    GET get "/metrics" metrics::metrics;
    GET get "/v1/status" network::status;
    GET get "/v1/nodes" network::nodes;
    GET get "/v1/route/{node}" network::route;
    GET get "/v1/topics" network::topics;
    GET get "/v1/topics/denied" network::denied_topics;
    GET get "/v1/info" network::info;
    GET get "/v1/certificates" certificates::list;
    GET get "/v1/sdks" certificates::sdks;
    GET get "/v1/sdks/network" certificates::network_sdks;
    GET get "/v1/config" configuration::show;
    GET get "/v1/audit" audit::show;
    GET get "/v1/events" audit::follow;
    GET get "/v1/peers" peers::list;
    POST post "/v1/peers" peers::add;
    DELETE delete "/v1/peers" peers::remove;
    GET get "/v1/access" access::list;
    PUT put "/v1/access/{node}" access::set;
    DELETE delete "/v1/access/{node}" access::reset;
    GET get "/v1/log-level" log_level::get;
    PUT put "/v1/log-level" log_level::set;
    POST post "/v1/unicast/{node}" messages::unicast;
    POST post "/v1/multicast/{topic}" messages::multicast;
    POST post "/v1/broadcast" messages::broadcast;
    POST post "/v1/listen" listen::listen;
    POST post "/v1/requests/{request}" requests::answer;
    DELETE delete "/v1/requests/{request}" requests::decline;
}

/// Every route: its method, its path, and the scope that it needs.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str, Scope)> {
    TABLE.iter().map(|row| (row.method.as_str(), row.path, needed(&row.method)))
}

/// Whether messages are sent or taken under this path.
pub(crate) fn is_message(path: &str) -> bool {
    ["/v1/unicast/", "/v1/multicast/", "/v1/broadcast", "/v1/listen", "/v1/requests/"]
        .iter()
        .any(|one| path.starts_with(one))
}

fn context(node: NodeHandle, operator: Arc<dyn Operator>, shutdown: CancellationToken) -> Context {
    Context {
        node,
        operator,
        shutdown,
        listeners: Arc::new(Semaphore::new(MAX_LISTENERS)),
        followers: Arc::new(Semaphore::new(MAX_LISTENERS)),
        bodies: body::budget(),
        waiting: requests::Waiting::default(),
    }
}

pub(crate) fn router(node: NodeHandle, operator: Arc<dyn Operator>, shutdown: CancellationToken) -> Router {
    let routes = TABLE.iter().fold(Router::new(), |router, row| router.route(row.path, (row.handler)()));
    routes
        .fallback(async || Failure::new(ErrorCode::NotFound, "there is nothing under this path"))
        .method_not_allowed_fallback(async || Failure::new(ErrorCode::NotFound, "this path does not know this method"))
        .layer(DefaultBodyLimit::max(MAX_JSON))
        .with_state(context(node, operator, shutdown))
}

/// Nothing but the metrics.
pub(crate) fn metrics_alone(node: NodeHandle, operator: Arc<dyn Operator>, shutdown: CancellationToken) -> Router {
    Router::new()
        .route("/metrics", get(metrics::metrics))
        .fallback(async || Failure::new(ErrorCode::NotFound, "there is nothing here but /metrics"))
        .layer(DefaultBodyLimit::max(0))
        .with_state(context(node, operator, shutdown))
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // The guard tells what became of the request.
        (status, Extension(self.clone()), Json(self)).into_response()
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
