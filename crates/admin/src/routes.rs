//! One file per kind of operation; here the table of all.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::DefaultBodyLimit,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, post, put},
};
use nuncio_audit::Scope;
use nuncio_node::NodeHandle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    Operator,
    api::{ErrorCode, Failure},
    server::needed,
};

mod access;
mod answered;
mod asked;
mod audit;
pub(crate) mod body;
mod certificates;
mod configuration;
mod described;
mod document;
mod files;
mod health;
mod listen;
mod log_level;
mod messages;
mod metrics;
mod network;
mod page;
mod peers;
mod places;
pub(crate) mod refused;
pub(crate) mod requests;
mod trace;
pub(crate) mod watch;
mod watched;

use asked::{InTrace, JsonBody, Pairs, Parameters, Segment};
pub(crate) use described::{Shown, Sketch};
use places::Places;
use refused::Refused;

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
    followers: Places,
    watchers: Places,
    looks: Arc<watch::Looks>,
    numbers: Arc<metrics::LastLook>,
    refused: Refused,
    bodies: Arc<Semaphore>,
    waiting: requests::Waiting,
    #[cfg(feature = "otlp")]
    exporter: Option<crate::otlp::Exporter>,
}

/// One route.
pub(crate) struct Row {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// The handler's name, with its module.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) summary: &'static str,
    /// How it fails, besides what the types of its handler tell.
    pub(crate) failures: &'static [ErrorCode],
    pub(crate) describe: fn() -> Sketch,
    handler: fn() -> MethodRouter<Context>,
}

macro_rules! table {
    ($( $method:ident $as:ident $path:literal $module:ident::$name:ident $summary:literal $([$($code:ident)+])?; )+) => {
        /// Every route.
        pub(crate) static TABLE: &[Row] = &[$( Row {
            method: Method::$method,
            path: $path,
            name: concat!(stringify!($module), "::", stringify!($name)),
            summary: $summary,
            failures: &[$($(ErrorCode::$code),+)?],
            describe: || described::of(&$module::$name),
            handler: || $as($module::$name),
        }, )+];
    };
}

table! {
    GET get "/livez" health::livez "Whether the node's event loop turns.";
    GET get "/readyz" health::readyz "Whether the node does its work.";
    GET get "/metrics" metrics::metrics "Every metric, in OpenMetrics' text format.";
    GET get "/v1/openapi.json" document::show "This document.";
    GET get "/v1/status" network::status "Who the node is and how it fares.";
    GET get "/v1/nodes" network::nodes "Every node known in the network.";
    GET get "/v1/route/{node}" network::route "The way to a node." [Ambiguous NotFound NoRoute];
    GET get "/v1/topics" network::topics "AMOP topics of the network.";
    GET get "/v1/topics/denied" network::denied_topics "Topics that SDKs here have listed and may not subscribe.";
    GET get "/v1/info" network::info "Constant facts of the process.";
    GET get "/v1/certificates" certificates::list "The certificate of every known node, and the revocation lists that it holds.";
    GET get "/v1/sdks" certificates::sdks "Certificates under which SDKs have sessions here.";
    GET get "/v1/sdks/network" certificates::network_sdks "Below which authorities SDKs stand, at each node: every node is asked.";
    GET get "/v1/config" configuration::show "Every key of the configuration in force, and what waits for the next start.";
    GET get "/v1/audit" audit::show "How the audit log fares.";
    GET get "/v1/events" audit::follow "Audit events from now on." [Busy];
    GET get "/v1/peers" peers::list "Links, and the peers that are wanted and not linked.";
    POST post "/v1/peers" peers::add "Keeps a link to an address; lasts across restarts." [Internal Stopped];
    DELETE delete "/v1/peers" peers::remove "Keeps a link no longer; lasts across restarts." [Ambiguous NotFound Internal Stopped];
    GET get "/v1/traffic" watched::traffic "What went over links, by kind and by who the peers are.";
    GET get "/v1/refusals" watched::refusals "Who and what is refused, and why.";
    GET get "/v1/topology" watched::topology "The nodes and links of the network, for a picture.";
    GET get "/v1/lifetimes" watched::lifetimes "When what the node shows or trusts ends.";
    GET get "/v1/watch" watch::watch "All that the dashboard shows, as it changes." [Busy];
    GET get "/v1/access" access::list "The access lists in force.";
    PUT put "/v1/access/{node}" access::set "Allows or denies a node; lasts across restarts." [Ambiguous NotFound Internal];
    DELETE delete "/v1/access/{node}" access::reset "Takes back what was set for a node." [Ambiguous NotFound Internal];
    GET get "/v1/log-level" log_level::get "The log filter in force.";
    PUT put "/v1/log-level" log_level::set "Another log filter, until the next start." [Internal];
    POST post "/v1/unicast/{node}" messages::unicast "Sends a request to a node's application and waits for the reply."
        [Ambiguous NotFound NoRoute Refused NoHandler Busy TimedOut];
    POST post "/v1/trace/{node}" trace::trace "Sends a request as `/v1/unicast/{node}` does, or a probe, and tells which way it went; how it ended is part of that."
        [Ambiguous NotFound Refused];
    GET get "/v1/files" files::list "Files that other nodes have sent, and those on their way here." [NoHandler Internal];
    POST post "/v1/files/{node}" files::offer "Offers a file to a node, or asks how far one is that was offered."
        [Ambiguous NotFound NoRoute Refused NoHandler Busy TimedOut];
    POST post "/v1/files/{node}/pieces" files::pieces "Sends a part of an offered file, any bytes, and waits until the node has it."
        [Ambiguous NotFound NoRoute Refused NoHandler Busy TimedOut];
    POST post "/v1/multicast/{topic}" messages::multicast "Publishes to the nodes that listen to a topic." [Busy Stopped Internal];
    POST post "/v1/broadcast" messages::broadcast "Publishes to every node." [Busy Stopped Internal];
    POST post "/v1/listen" listen::listen "Messages from now on, until the client hangs up." [Busy];
    POST post "/v1/requests/{request}" requests::answer "Answers a request that was delivered with `reply_later`." [NotFound];
    DELETE delete "/v1/requests/{request}" requests::decline "Refuses such a request." [NotFound];
}

/// Every route: its method, its path, and the scope that it needs.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str, Scope)> {
    TABLE.iter().map(|row| (row.method.as_str(), row.path, needed(&row.method)))
}

/// Whether anybody may have what is under this path: the dashboard's page, which asks for all that it shows.
pub(crate) fn is_page(path: &str) -> bool {
    page::FILES.iter().any(|file| file.path == path)
}

/// Whether messages are sent or taken under this path.
pub(crate) fn is_message(path: &str) -> bool {
    ["/v1/unicast/", "/v1/trace/", "/v1/files/", "/v1/multicast/", "/v1/broadcast", "/v1/listen", "/v1/requests/"]
        .iter()
        .any(|one| path.starts_with(one))
}

fn context(node: NodeHandle, operator: Arc<dyn Operator>, refused: Refused, shutdown: CancellationToken) -> Context {
    Context {
        node,
        operator,
        shutdown,
        listeners: Arc::new(Semaphore::new(MAX_LISTENERS)),
        followers: Places::new(MAX_LISTENERS),
        watchers: Places::new(watch::MAX_WATCHERS),
        looks: Arc::default(),
        numbers: Arc::default(),
        refused,
        bodies: body::budget(),
        waiting: requests::Waiting::default(),
        #[cfg(feature = "otlp")]
        exporter: crate::otlp::Exporter::from_environment(),
    }
}

pub(crate) fn router(
    node: NodeHandle,
    operator: Arc<dyn Operator>,
    refused: Refused,
    shutdown: CancellationToken,
) -> Router {
    let routes = TABLE.iter().fold(Router::new(), |router, row| router.route(row.path, (row.handler)()));
    page::serve(routes)
        .fallback(async || Failure::new(ErrorCode::NotFound, "there is nothing under this path"))
        .method_not_allowed_fallback(async || {
            Failure::new(ErrorCode::MethodNotAllowed, "this path does not know this method")
        })
        .layer(DefaultBodyLimit::max(MAX_JSON))
        .with_state(context(node, operator, refused, shutdown))
}

/// Nothing but the metrics.
pub(crate) fn metrics_alone(node: NodeHandle, operator: Arc<dyn Operator>, shutdown: CancellationToken) -> Router {
    Router::new()
        .route("/metrics", get(metrics::of_anybody))
        .fallback(async || Failure::new(ErrorCode::NotFound, "there is nothing here but /metrics"))
        .layer(DefaultBodyLimit::max(0))
        .with_state(context(node, operator, Refused::default(), shutdown))
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // The guard tells what became of the request.
        (status, Extension(self.clone()), Json(self)).into_response()
    }
}

fn bad_request(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::BadRequest, message)
}
