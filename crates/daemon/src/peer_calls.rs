//! The JSON-RPC calls by which SDKs of operators manage the node's peers: addPeers, erasePeers and queryPeers, as nodes of
//! FISCO BCOS 2.9 and later answer them.

use std::sync::{Arc, OnceLock, Weak};

use nuncio_admin::{Operator, api::Failure};
use nuncio_audit::{Act, Actor, Event, Outcome};
use nuncio_gateway::rpc::{Call, Caller, RpcError, RpcFuture, RpcHandler};
use nuncio_metrics::{AdminRefusal, Cause};
use serde_json::{Value, json};

use crate::{config::Peer, control::Control};

/// Most addresses in one call, FISCO's `peers_param_limit`.
const MAX_PEERS: usize = 10;

/// Most configured peers in all, FISCO's `max_nodes_limit`.
const MAX_WANTED: usize = 100;

/// Answers the calls once it knows the node's control, which is made after the gateway.
#[derive(Debug, Default)]
pub(crate) struct PeerCalls {
    control: Arc<OnceLock<Weak<Control>>>,
}

/// What a call wants.
#[derive(Debug, Clone, PartialEq)]
enum Wish {
    Add(Vec<Peer>),
    Erase(Vec<Peer>),
    Query,
}

impl PeerCalls {
    /// The calls, and where to put the control.
    pub(crate) fn new() -> (Self, Arc<OnceLock<Weak<Control>>>) {
        let control = Arc::new(OnceLock::new());
        (Self { control: Arc::clone(&control) }, control)
    }
}

impl RpcHandler for PeerCalls {
    fn call(&self, call: Call) -> Option<RpcFuture> {
        let read = match call.method.as_str() {
            "addPeers" => peers_of(&call.params).map(Wish::Add),
            "erasePeers" => peers_of(&call.params).map(Wish::Erase),
            "queryPeers" => Ok(Wish::Query),
            _ => return None,
        };
        let control = self.control.get().and_then(Weak::upgrade);
        Some(Box::pin(async move {
            let control = control.ok_or_else(|| RpcError::new(RpcError::INTERNAL, "the node starts or stops"))?;
            require_operator(&control, &call.caller, &call.method)?;
            do_it(&control, &call.caller, read?).await
        }))
    }
}

fn require_operator(control: &Control, caller: &Caller, method: &str) -> Result<(), RpcError> {
    let state = control.state();
    if state.config.gateway.operators.iter().any(|operator| caller.names.contains(&operator.0)) {
        return Ok(());
    }
    let name = name(caller);
    let action = Act::Call { method: "JSON-RPC".into(), path: method.into() };
    control.audit.record(Event::OperatorRefused {
        refused: Cause::Admin(AdminRefusal::Forbidden).into(),
        address: format!("SDK {name}").into(),
        actor: None,
        action,
        cause: "it is not in [gateway] operators".into(),
        hint: format!("put {name} into [gateway] operators of the node's nuncio.toml").into(),
    });
    let message = format!("{method} is for operators: put {name} into [gateway] operators of the node's nuncio.toml");
    Err(RpcError::new(RpcError::NOT_ALLOWED, message))
}

fn name(caller: &Caller) -> String {
    caller.names.first().map(ToString::to_string).unwrap_or_default()
}

fn record(control: &Control, caller: &Caller, action: Act, outcome: &Result<(), Failure>) {
    let outcome = match outcome {
        Ok(()) => Outcome::Done,
        Err(failure) => Outcome::Failed { error: failure.error.as_str().into(), cause: (&failure.message).into() },
    };
    control.audit.record(Event::OperatorActed { actor: Actor::Sdk { name: name(caller).into() }, action, outcome });
}

/// One address after the other: those before one that is refused stay done, and the answer says which it was.
async fn do_it(control: &Control, caller: &Caller, wish: Wish) -> Result<Value, RpcError> {
    let internal =
        |peer: &Peer, failure: Failure| RpcError::new(RpcError::INTERNAL, format!("{peer}: {}", failure.message));
    match wish {
        Wish::Query => {
            let wanted = control.state().wanted_peers();
            Ok(wanted.iter().map(|peer| json!(peer.as_str())).collect())
        }
        Wish::Add(peers) => {
            let wanted = control.state().wanted_peers();
            let new = peers.iter().filter(|peer| !wanted.contains(peer)).count();
            if wanted.len() + new > MAX_WANTED {
                let message = format!("the node would have more than {MAX_WANTED} peers");
                return Err(RpcError::new(RpcError::INVALID_PARAMS, message));
            }
            for peer in &peers {
                let outcome = control.add_peer(peer.to_string()).await;
                record(control, caller, Act::AddPeer { address: peer.as_str().into() }, &outcome);
                outcome.map_err(|failure| internal(peer, failure))?;
            }
            Ok(success("add", peers.len()))
        }
        Wish::Erase(peers) => {
            for peer in &peers {
                let outcome = control.remove_peer(peer.to_string()).await;
                record(control, caller, Act::RemovePeer { peer: peer.as_str().into() }, &outcome);
                outcome.map_err(|failure| internal(peer, failure))?;
            }
            Ok(success("erase", peers.len()))
        }
    }
}

/// FISCO's form: the code is a text.
fn success(verb: &str, peers: usize) -> Value {
    json!({ "code": "0x0", "message": format!("{verb} {peers} peers successfully") })
}

/// The addresses, written one by one or as one list.
fn peers_of(params: &Value) -> Result<Vec<Peer>, RpcError> {
    let invalid = |message: String| RpcError::new(RpcError::INVALID_PARAMS, message);
    let list = params.as_array().ok_or_else(|| invalid("the parameters are a list of addresses ip:port".into()))?;
    let list = match &list[..] {
        [Value::Array(inner)] => inner,
        _ => list,
    };
    if list.is_empty() || list.len() > MAX_PEERS {
        return Err(invalid(format!("1 to {MAX_PEERS} addresses in a call, not {}", list.len())));
    }
    list.iter()
        .map(|one| {
            let text = one.as_str().ok_or_else(|| invalid(format!("{one} is not an address ip:port")))?;
            text.parse().map_err(|error: crate::config::ValueError| invalid(error.to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_one_by_one_or_as_a_list() {
        let peer: Peer = "127.0.0.1:30300".parse().unwrap();
        for params in [json!(["127.0.0.1:30300"]), json!([["127.0.0.1:30300"]])] {
            assert_eq!(peers_of(&params).unwrap(), std::slice::from_ref(&peer));
        }
        let many = vec!["127.0.0.1:1"; 11];
        for params in [json!(null), json!([]), json!([[]]), json!([1]), json!(["nowhere"]), json!(many)] {
            assert_eq!(peers_of(&params).unwrap_err().code, RpcError::INVALID_PARAMS, "{params}");
        }
    }
}
