//! The JSON-RPC calls (0x12) that SDKs make of a node before they trust it with messages.
//!
//! A network without a chain answers as a chain of one empty group would: enough for every SDK to start. A chain that
//! embeds the gateway answers the rest, and whatever it wants to answer itself, through [`RpcHandler`].

mod call;
mod kept;
mod pace;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Instant};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_channel_protocol::FrameSeq;
use nuncio_rights::Party;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    config::Version,
    member::Sight,
    node_info::{NodeFacts, NodeInfo},
    tenants::Tenant,
};
pub use call::{Call, Caller, EventFilter, EventFilterFuture, RpcError, RpcFuture, RpcHandler};
use kept::{About, Kept};
use pace::Pace;

/// The answers of one gateway.
pub(crate) struct Rpc {
    version: Version,
    info: Arc<dyn NodeInfo>,
    handler: Option<Arc<dyn RpcHandler>>,
    pace: Option<Pace>,
    kept: Kept,
}

/// The answer to one call.
pub(crate) enum Answer {
    Now(Bytes),
    /// That there are too many.
    OverLimit(Bytes),
    Later {
        /// What the call takes in memory until then.
        bytes: usize,
        future: Pin<Box<dyn Future<Output = Bytes> + Send>>,
    },
}

impl Rpc {
    pub(crate) fn new(
        version: Version,
        info: Arc<dyn NodeInfo>,
        handler: Option<Arc<dyn RpcHandler>>,
        calls_per_second: Option<u32>,
    ) -> Self {
        Self { version, info, handler, pace: calls_per_second.map(Pace::new), kept: Kept::default() }
    }

    /// What answers can make it hold.
    pub(crate) const BOUND: Bound = Kept::BOUND;

    /// Answers a call of somebody who sees this.
    pub(crate) fn answer(
        &self,
        caller: &Caller,
        (tenant, sight): (&Tenant, Sight<'_>),
        seq: FrameSeq,
        body: &[u8],
    ) -> Answer {
        let now = Instant::now();
        let call = match read(body) {
            Ok(Request { id, method, params }) => Call { caller: caller.clone(), seq, id, method, params },
            Err(error) => return Answer::Now(encode(&Value::Null, Err(error))),
        };
        if let Some(pace) = self.pace.as_ref().filter(|pace| !pace.admits(tenant.id, now)) {
            return over_limit(&call.id, format!("this node answers {pace} calls a second, and one certificate half"));
        }
        let later = self.handler.as_ref().and_then(|handler| handler.call(call.clone()));
        match later {
            Some(future) => {
                let bytes = call::memory(&call.params) + call::memory(&call.id);
                Answer::Later { bytes, future: Box::pin(async move { encode(&call.id, future.await) }) }
            }
            None if !tenant.has_calls(now) => {
                over_limit(&call.id, "the node has answered this certificate as many bytes as it may".to_owned())
            }
            None => {
                let answer = match self.built_in(&call.method, tenant, sight) {
                    Ok(result) => of_result(&call.id, &result),
                    Err(error) => encode(&call.id, Err(error)),
                };
                tenant.spend_call(body.len() + answer.len(), now);
                Answer::Now(answer)
            }
        }
    }

    /// The future of an event filter's answer, if the embedding chain takes it.
    pub(crate) fn event_filter(&self, filter: EventFilter) -> Option<EventFilterFuture> {
        self.handler.as_ref()?.event_filter(filter)
    }

    /// Says that a call was over the size limit; its id was not read.
    pub(crate) fn too_large(limit: usize) -> Bytes {
        let message = format!("the call is over the limit of {limit} bytes");
        encode(&Value::Null, Err(RpcError { code: RpcError::INVALID_REQUEST, message }))
    }

    /// The JSON of the result.
    fn built_in(&self, method: &str, tenant: &Tenant, sight: Sight<'_>) -> Result<Bytes, RpcError> {
        let about = match method {
            "getClientVersion" => return Ok(text(&client_version(&self.version))),
            "getGroupList" => return Ok(text(&json!([1]))),
            "getBlockNumber" => return Ok(text(&json!("0x0"))),
            "getNodeIDList" | "getGroupPeers" => About::Ids,
            "getPeers" => About::Peers,
            "getNodeInfo" => About::Own,
            _ => {
                let message = format!("{method:?} is not known here: this node carries messages only and has no chain");
                return Err(RpcError { code: RpcError::METHOD_NOT_FOUND, message });
            }
        };
        let write = || text(&self.said(about, sight));
        Ok(match self.info.state() {
            Some(state) => {
                let viewer = (!sight.is_open()).then_some(tenant.id);
                self.kept.answer((&state, sight.rights), (about, viewer), write)
            }
            None => write(),
        })
    }

    /// What is to be said about the network to somebody who sees this of it.
    fn said(&self, about: About, sight: Sight<'_>) -> Value {
        match about {
            About::Ids => self.node_ids(sight),
            About::Peers => {
                self.info.peers().iter().filter(|peer| is_seen(peer, sight)).map(|peer| node(peer, sight)).collect()
            }
            About::Own => node(&self.info.own(), sight),
        }
    }

    /// The node itself first, as FISCO lists it too.
    fn node_ids(&self, sight: Sight<'_>) -> Value {
        let others = self.info.reachable().into_iter().filter(|node| is_seen(node, sight));
        std::iter::once(self.info.own()).chain(others).map(|node| json!(node.node_id.to_string())).collect()
    }
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rpc").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The JSON of a call.
#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    id: Value,
    method: String,
    #[serde(default)]
    params: Value,
}

fn read(body: &[u8]) -> Result<Request, RpcError> {
    serde_json::from_slice(body).map_err(|error| {
        let code = if error.is_data() { RpcError::INVALID_REQUEST } else { RpcError::PARSE_ERROR };
        RpcError { code, message: format!("not a JSON-RPC call: {error}") }
    })
}

fn encode(id: &Value, result: Result<Value, RpcError>) -> Bytes {
    let answer = match result {
        Ok(result) => json!({ "id": id, "jsonrpc": "2.0", "result": result }),
        Err(error) => json!({ "id": id, "jsonrpc": "2.0", "error": error }),
    };
    format!("{answer}\n").into()
}

/// The same of a result that is JSON already.
fn of_result(id: &Value, result: &[u8]) -> Bytes {
    let before = format!("{{\"id\":{id},\"jsonrpc\":\"2.0\",\"result\":");
    [before.as_bytes(), result, &b"}\n"[..]].concat().into()
}

fn text(value: &Value) -> Bytes {
    value.to_string().into()
}

fn over_limit(id: &Value, why: String) -> Answer {
    let error = RpcError { code: RpcError::OVER_LIMIT, message: format!("over QPS limit: {why}") };
    Answer::OverLimit(encode(id, Err(error)))
}

fn client_version(version: &Version) -> Value {
    json!({
        "Build Time": version.build_time,
        "Build Type": version.build_type,
        "Chain Id": version.chain_id,
        "FISCO-BCOS Version": version.fisco_bcos,
        "Git Branch": version.git_branch,
        "Git Commit Hash": version.git_commit,
        "Supported Version": version.supported,
    })
}

/// The node that serves a client is always seen.
fn is_seen(node: &NodeFacts, sight: Sight<'_>) -> bool {
    sight.has_node(&Party::node(&*node.agency_path, &*node.name, node.node_id.as_bytes()).subject())
}

fn node(facts: &NodeFacts, sight: Sight<'_>) -> Value {
    let topics: Vec<_> = facts.topics.iter().filter(|topic| sight.has(topic)).collect();
    json!({
        "Agency": facts.agency,
        "IPAndPort": facts.address,
        "Node": facts.name,
        "NodeID": facts.node_id.to_string(),
        "Topic": topics,
    })
}
