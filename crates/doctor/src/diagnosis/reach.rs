//! Whether there is a way to the port at all.

use crate::{Check, Connection, ConnectionOutcome, Facts, Finding, Resolution};

use super::length;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = of_name(facts).into_iter().collect();
    let open = facts.is_connected();
    for connection in &facts.connections {
        findings.push(of_connection(facts, connection, open));
    }
    findings
}

fn of_name(facts: &Facts) -> Option<Finding> {
    let host = &facts.target.host;
    Some(match &facts.resolution {
        Resolution::Literal => return None,
        Resolution::Addresses(addresses) => {
            let shown: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
            Finding::good(Check::Name, format!("{host} is {}", shown.join(", ")))
        }
        Resolution::Failed(reason) => Finding::fault(
            Check::Name,
            format!("the host name {host} does not resolve"),
            reason,
            format!("getent hosts {host}; check its spelling, /etc/hosts and /etc/resolv.conf, or use the address"),
        ),
        Resolution::TimedOut => Finding::fault(
            Check::Name,
            format!("no name server says what {host} is"),
            format!("no answer within {}", length(facts.patience)),
            format!("check the name servers in /etc/resolv.conf (getent hosts {host}), or use the address"),
        ),
    })
}

/// A closed address beside an open one is only worth knowing.
fn of_connection(facts: &Facts, connection: &Connection, another_is_open: bool) -> Finding {
    let Connection { address, outcome } = connection;
    let say = if another_is_open { Finding::note } else { Finding::fault };
    let (host, port) = (address.ip(), address.port());
    match outcome {
        ConnectionOutcome::Open(after) => {
            Finding::good(Check::Connection, format!("{address} accepts connections, after {}", length(*after)))
        }
        ConnectionOutcome::Refused => say(
            Check::Connection,
            format!("{address} refuses the connection"),
            "the machine answers, but nothing listens on this port there".to_owned(),
            format!(
                "start the node; on that machine ss -ltn 'sport = :{port}' shows whether it listens, and on which \
                 address: [p2p] listen and [gateway] listen in nuncio.toml must not be 127.0.0.1 for others to connect"
            ),
        ),
        ConnectionOutcome::TimedOut => say(
            Check::Connection,
            format!("{address} does not answer"),
            format!(
                "nothing came back within {}, not even a refusal: a firewall drops the packets, or the machine is down",
                length(facts.patience)
            ),
            format!(
                "ping {host}; then open TCP port {port} in the firewall of that machine (ufw allow {port}/tcp) and in \
                 the security group of its cloud"
            ),
        ),
        ConnectionOutcome::NoRoute(reason) => say(
            Check::Connection,
            format!("there is no way to {address}"),
            format!("{reason}: a router or firewall says so, or this machine is not in that network"),
            format!("ip route get {host}; check the address and the firewalls between"),
        ),
        ConnectionOutcome::Other(reason) => say(
            Check::Connection,
            format!("{address} cannot be connected to"),
            reason.clone(),
            format!("ip route get {host}"),
        ),
    }
}
