//! From libp2p's nested errors to one line an operator can act on.
//!
//! The cause is deep: `DialError::Transport` has no source but a list, boxed transports wrap errors in `io::Error`
//! (whose source skips what it holds), the DNS layer has a list again.

use std::{error::Error, fmt, io};

use libp2p::{
    Multiaddr,
    core::{
        transport::{TransportError, timeout::TransportTimeoutError},
        upgrade::{NegotiationError, ProtocolError},
    },
    dns,
    swarm::{ConnectionDenied, DialError, ListenError},
};
use nuncio_identity::NodeId;

use crate::error::{HandshakeError, Role};

/// What went wrong with a connection, and what can be done about it. As text: `message (hint: …)`, one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What went wrong: one line, at most 1024 characters, without control characters.
    pub message: String,
    /// What the operator of this node can do.
    pub hint: Option<String>,
}

/// The typed reason inside any error of a connection, if securing it was what failed.
pub fn handshake_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a HandshakeError> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Finds the cause in an error of dialling, of an incoming connection, or of a transport.
pub fn diagnose(error: &(dyn Error + 'static)) -> Diagnosis {
    let found = if let Some(error) = error.downcast_ref::<DialError>() {
        of_dial(error)
    } else if let Some(error) = error.downcast_ref::<ListenError>() {
        of_listen(error)
    } else {
        of_causes(error, None)
    };
    Diagnosis {
        message: nuncio_plain::short(&found.message, MAX_MESSAGE),
        hint: found.hint.map(|hint| nuncio_plain::short(&hint, MAX_MESSAGE)),
    }
}

/// [`diagnose`] as text.
pub fn describe(error: &(dyn Error + 'static)) -> String {
    diagnose(error).to_string()
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " (hint: {hint})"))
    }
}

/// Longest message, in characters.
const MAX_MESSAGE: usize = 1024;

/// Most causes followed in one chain, and most errors of a list looked at.
const MAX_CAUSES: usize = 32;

/// Most errors of a list that are shown.
const MAX_SHOWN: usize = 4;

const CHECK_ADDRESS: &str = "check that the address and port are the p2p port of a nuncio node; SDKs have another port";

fn diagnosis(message: impl Into<String>, hint: &str) -> Diagnosis {
    Diagnosis { message: message.into(), hint: Some(hint.to_owned()) }
}

fn of_dial(error: &DialError) -> Diagnosis {
    match error {
        DialError::Transport(attempts) => joined(attempts.iter().map(|(address, error)| {
            let found = of_causes(error, Some(Role::Dialer));
            Diagnosis { message: format!("{}: {}", without_peer(address), found.message), hint: found.hint }
        })),
        DialError::WrongPeerId { obtained, address } => {
            let found = NodeId::try_from(*obtained)
                .map_or_else(|_| format!("peer {obtained}"), |node| format!("node {}", node.short()));
            diagnosis(
                format!("{}: {found} answers there, another node was expected", without_peer(address)),
                "if the node behind the address was replaced, remove the peer ID from the configured address",
            )
        }
        DialError::LocalPeerId { address } => diagnosis(
            format!("{}: this node itself answers there", without_peer(address)),
            "remove this node's own address from its peers; if it is another machine, it has a copy of node.key",
        ),
        DialError::NoAddresses => diagnosis("no address is known for the peer", "add one: nuncio peers add HOST:PORT"),
        DialError::Denied { cause } => of_denied(cause),
        other => Diagnosis { message: other.to_string(), hint: None },
    }
}

fn of_listen(error: &ListenError) -> Diagnosis {
    match error {
        ListenError::Transport(error) => of_causes(error, Some(Role::Listener)),
        ListenError::LocalPeerId { .. } => diagnosis(
            "this node connected to itself",
            "remove this node's own address from its peers; if it was another machine, it has a copy of node.key",
        ),
        ListenError::Denied { cause } => of_denied(cause),
        other => Diagnosis { message: other.to_string(), hint: None },
    }
}

fn of_denied(cause: &ConnectionDenied) -> Diagnosis {
    let reason = causes(cause).last().map_or_else(String::new, ToString::to_string);
    Diagnosis { message: format!("this node takes no such connection now: {reason}"), hint: None }
}

fn of_causes(error: &(dyn Error + 'static), role: Option<Role>) -> Diagnosis {
    let mut last = error;
    for cause in causes(error) {
        if let Some(found) = of_cause(cause, role) {
            return found;
        }
        last = cause;
    }
    Diagnosis { message: last.to_string(), hint: None }
}

fn of_cause(cause: &(dyn Error + 'static), role: Option<Role>) -> Option<Diagnosis> {
    if let Some(error) = cause.downcast_ref::<HandshakeError>() {
        return Some(Diagnosis { message: error.to_string(), hint: error.hint() });
    }
    if let Some(error) = cause.downcast_ref::<NegotiationError>() {
        return Some(of_negotiation(error, role));
    }
    if let Some(TransportTimeoutError::Timeout) = cause.downcast_ref::<TransportTimeoutError<io::Error>>() {
        return Some(timed_out(role));
    }
    if let Some(error) = cause.downcast_ref::<dns::Error<io::Error>>() {
        return of_name(error, role);
    }
    if let Some(TransportError::MultiaddrNotSupported(address)) = cause.downcast_ref::<TransportError<io::Error>>() {
        return Some(unsupported(address));
    }
    cause.downcast_ref::<io::Error>().and_then(of_socket)
}

fn of_negotiation(error: &NegotiationError, role: Option<Role>) -> Diagnosis {
    let lost = match error {
        NegotiationError::ProtocolError(ProtocolError::IoError(error)) => !matches!(
            error.kind(),
            // What does not decode also comes as an error of the stream.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other
        ),
        _ => false,
    };
    match (error, role) {
        // Also what a closed connection looks like before anything was agreed on.
        (NegotiationError::Failed, Some(Role::Listener)) => diagnosis(
            "the other side left without agreeing on this network's protocol /nuncio/tls/1",
            "a port scan, a health check, or a libp2p program that is no nuncio node of this version",
        ),
        (NegotiationError::Failed, _) => {
            diagnosis("the other side does not speak this network's protocol /nuncio/tls/1, or hung up", CHECK_ADDRESS)
        }
        (_, Some(Role::Listener)) if lost => diagnosis(
            format!("the connection was lost before the other side said what it speaks: {error}"),
            "a port scan, a health check, or a node that was stopped while dialing",
        ),
        (_, _) if lost => diagnosis(
            format!("the connection was lost before the other side said what it speaks: {error}"),
            CHECK_ADDRESS,
        ),
        (_, Some(Role::Listener)) => diagnosis(
            "the other side sent bytes that are not libp2p, such as HTTP or plain TLS",
            "something other than a nuncio node connects to the p2p port; SDKs and browsers have other ports",
        ),
        (_, _) => {
            diagnosis("the other side answered with bytes that are not libp2p, such as HTTP or TLS", CHECK_ADDRESS)
        }
    }
}

fn of_name(error: &dns::Error<io::Error>, role: Option<Role>) -> Option<Diagnosis> {
    match error {
        // Followed by its source.
        dns::Error::Transport(_) => None,
        dns::Error::Dial(errors) => Some(joined(errors.iter().map(|error| {
            of_name(error, role).unwrap_or_else(|| match error {
                dns::Error::Transport(error) => of_causes(error, role),
                other => Diagnosis { message: other.to_string(), hint: None },
            })
        }))),
        dns::Error::ResolveError(error) => Some(diagnosis(
            format!("the host name has no address: {error}"),
            "check the name with getent hosts NAME; without a name server in /etc/resolv.conf only /etc/hosts is read",
        )),
        dns::Error::TooManyLookups => {
            Some(diagnosis("the host name leads through too many DNS records", "write an address instead of the name"))
        }
        dns::Error::MultiaddrNotSupported(address) => Some(unsupported(address)),
    }
}

fn of_socket(error: &io::Error) -> Option<Diagnosis> {
    let found = match error.kind() {
        io::ErrorKind::ConnectionRefused => diagnosis(
            "connection refused: nothing listens there",
            "start the node there, or check its port: [p2p] listen in its nuncio.toml",
        ),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            diagnosis(format!("no route to it: {error}"), "check the address, the network and any firewall between")
        }
        io::ErrorKind::AddrInUse => {
            diagnosis("the address is in use by another process", "stop it, or choose another port in nuncio.toml")
        }
        io::ErrorKind::AddrNotAvailable => diagnosis(
            "this machine does not have that address, or no free port for it",
            "listen on an address of this machine, or on 0.0.0.0",
        ),
        io::ErrorKind::PermissionDenied => {
            diagnosis("the system does not allow it", "ports under 1024 and some addresses need privileges")
        }
        _ => return None,
    };
    Some(found)
}

fn timed_out(role: Option<Role>) -> Diagnosis {
    match role {
        Some(Role::Listener) => diagnosis(
            "the other side connected but did not finish the handshake within the deadline",
            "it is overloaded or far away, or something that is no nuncio node connects to this port",
        ),
        _ => diagnosis(
            "no finished handshake within the deadline",
            "the machine is down, a firewall drops the packets, or something else owns the port",
        ),
    }
}

fn unsupported(address: &Multiaddr) -> Diagnosis {
    diagnosis(
        format!("{}: no transport for such an address", without_peer(address)),
        "write host:port, ip:port, [ipv6]:port, /ip4/…/tcp/… or /dns/…/tcp/…",
    )
}

/// Several errors as one: each message once, the first hint.
fn joined(errors: impl Iterator<Item = Diagnosis>) -> Diagnosis {
    let mut messages: Vec<String> = Vec::new();
    let mut hint = None;
    for found in errors.take(MAX_CAUSES) {
        hint = hint.or(found.hint);
        if !messages.contains(&found.message) {
            messages.push(found.message);
        }
    }
    let more = messages.len().saturating_sub(MAX_SHOWN);
    messages.truncate(MAX_SHOWN);
    let mut message = messages.join("; ");
    if more > 0 {
        message.push_str(&format!("; and {more} more"));
    }
    Diagnosis { message, hint }
}

/// The address without `/p2p/…`, which is 60 characters that say nothing here.
fn without_peer(address: &Multiaddr) -> Multiaddr {
    address.iter().filter(|part| !matches!(part, libp2p::multiaddr::Protocol::P2p(_))).collect()
}

/// The error and what caused it, deeper and deeper.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| beneath(*error)).take(MAX_CAUSES)
}

fn beneath<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(DialError::Transport(attempts)) = error.downcast_ref::<DialError>() {
        return attempts.last().map(|(_, error)| error as _);
    }
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => Some(held),
        None => error.source(),
    }
}
