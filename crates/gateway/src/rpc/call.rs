use std::{future::Future, mem, pin::Pin};

use bytes::Bytes;
use nuncio_channel_protocol::FrameSeq;
use nuncio_protocol::amop::ClientId;
use serde::Serialize;
use serde_json::Value;

use crate::ClientName;

/// What a chain that embeds the gateway answers itself: calls that the gateway does not know, or not well enough, and
/// event filters. What it has to tell clients later goes through [`crate::Clients`].
pub trait RpcHandler: Send + Sync + 'static {
    /// Takes a call, or leaves it (`None`) to the built-in methods.
    ///
    /// Called on the session's task, so it returns at once; the work is in the future, which runs on a task of its own and
    /// holds a place in the session's window until it ends.
    fn call(&self, call: Call) -> Option<RpcFuture>;

    /// Takes an event filter that a client registers or removes, or leaves it (`None`): then the client is told that this
    /// is not a chain node. Runs as a call does.
    fn event_filter(&self, filter: EventFilter) -> Option<EventFilterFuture> {
        let _ = filter;
        None
    }
}

/// An answer in the making.
pub type RpcFuture = Pin<Box<dyn Future<Output = Result<Value, RpcError>> + Send>>;

/// The JSON that answers an event filter, in the making.
pub type EventFilterFuture = Pin<Box<dyn Future<Output = Value> + Send>>;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its session.
    pub client: ClientId,
    /// Every name by which a list can name it.
    pub names: Vec<ClientName>,
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Who.
    pub caller: Caller,
    /// The frame's seq; a transaction's receipt is pushed under it, see [`crate::Clients::push_receipt`].
    pub seq: FrameSeq,
    /// Echoed in the answer.
    pub id: Value,
    /// The method's name.
    pub method: String,
    /// Its parameters: an array, or null when there are none.
    pub params: Value,
}

/// An event filter (0x15 or 0x16).
#[derive(Debug, Clone, PartialEq)]
pub struct EventFilter {
    /// Who wants it.
    pub caller: Caller,
    /// Whether it is registered (0x15) or removed (0x16).
    pub registers: bool,
    /// The JSON of the request, as the client sent it.
    pub request: Bytes,
}

/// The error object of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct RpcError {
    /// As JSON-RPC 2.0 numbers them; the application's own otherwise.
    pub code: i64,
    /// In words.
    pub message: String,
}

impl RpcError {
    /// The method does not exist.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters are not those of the method.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The call could not be done.
    pub const INTERNAL: i64 = -32603;
    /// Not a call.
    pub const INVALID_REQUEST: i64 = -32600;
    /// Not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// FISCO BCOS's "over QPS limit".
    pub const OVER_LIMIT: i64 = -40011;
    /// FISCO BCOS's "the SDK is not allowed".
    pub const NOT_ALLOWED: i64 = -40012;

    /// An error with its words.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// What a value takes in memory, in bytes, about: many times its text when that is a list of small numbers.
pub(super) fn memory(value: &Value) -> usize {
    let within = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.capacity(),
        Value::Array(list) => {
            let unused = list.capacity() - list.len();
            unused * mem::size_of::<Value>() + list.iter().map(memory).sum::<usize>()
        }
        Value::Object(map) => map.iter().map(|(name, value)| 2 * name.capacity() + memory(value)).sum(),
    };
    mem::size_of::<Value>() + within
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_small_numbers_counts_as_what_it_takes_and_a_text_as_its_length() {
        let numbers = format!("[{}0]", "0,".repeat(9_999));
        let numbers: Value = serde_json::from_str(&numbers).unwrap();
        assert!(memory(&numbers) >= 10_000 * mem::size_of::<Value>());
        let text = Value::String("x".repeat(20_000));
        assert!((20_000..21_000).contains(&memory(&text)));
    }
}
