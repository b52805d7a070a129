//! The numbers an operator's monitoring wants, in Prometheus' text format 0.0.4.

use std::{collections::BTreeMap, fmt::Write};

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use nuncio_audit::Audit;
use nuncio_node::{NodeSnapshot, PeerState, Snapshot};

use super::{
    Context, health,
    network::{self, links},
};
use crate::{Lifetime, operator::Counter};

pub(super) async fn metrics(State(context): State<Context>) -> Response {
    let snapshot = context.node.snapshot();
    let ready = health::readiness(&snapshot, &*context.operator).iter().all(|check| check.ok);
    let mut text = text(&snapshot, ready, &context.operator.counters());
    write_lifetimes(&mut text, &context.operator.lifetimes(), network::now());
    write_audit(&mut text, context.operator.audit(), context.operator.audit_status().failing.is_none());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

fn text(snapshot: &Snapshot, ready: bool, counters: &[Counter]) -> String {
    let mut out = String::new();
    let reachable = snapshot.nodes.iter().filter(|node| node.reachable).count();
    let topics = snapshot.topics();
    let subscribers: u64 = topics.iter().map(|topic| u64::from(topic.subscribers)).sum();
    let banned = snapshot.peers.iter().filter(|peer| peer.state == PeerState::Banned).count();
    let gauges: [(&str, &str, u64); 10] = [
        ("ready", "1 when the node does its work", u64::from(ready)),
        ("links", "Links to other nodes that are up", links(snapshot) as u64),
        ("peers_banned", "Peers refused for a while for what they did", banned as u64),
        ("nodes", "Nodes known, this one included", snapshot.nodes.len() as u64),
        ("nodes_reachable", "Nodes to which a path is known", reachable as u64),
        ("topics", "AMOP topics known in the network", topics.len() as u64),
        ("topic_subscribers", "AMOP subscriptions known in the network", subscribers),
        ("status_seq", "Version of the own status within the epoch", snapshot.seq),
        ("certificate_expiry_seconds", "End of the own certificate, Unix time", snapshot.certificate_not_after),
        ("uptime_seconds", "Time since the node started", snapshot.started.elapsed().as_secs()),
    ];
    for (name, help, value) in gauges {
        write(&mut out, name, help, "gauge", value);
    }
    let help = "Second hosts seen with the key of a node";
    write(&mut out, "duplicate_identities_total", help, "counter", snapshot.duplicate_identities);
    let help = "Messages that listeners missed because they were too slow";
    write(&mut out, "listener_missed_total", help, "counter", snapshot.missed);
    let help = "Multicasts and broadcasts of other nodes that did not come, though their numbers were known";
    write(&mut out, "multicast_lost_total", help, "counter", snapshot.lost);
    let help = "Messages of other nodes to topics that they may not publish to, or this node may not subscribe";
    write(&mut out, "rights_denied_total", help, "counter", snapshot.denied);
    let help = "Messages of other nodes over a quota";
    write(&mut out, "rights_over_quota_total", help, "counter", snapshot.over_quota);
    for Counter { name, help, value } in counters {
        write(&mut out, &format!("{name}_total"), help, "counter", *value);
    }
    write_strikes(&mut out, snapshot);
    write_revocations(&mut out, snapshot);
    out
}

fn write(out: &mut String, name: &str, help: &str, kind: &str, value: u64) {
    // Writing to a string cannot fail.
    let _ = write!(out, "# HELP nuncio_{name} {help}\n# TYPE nuncio_{name} {kind}\nnuncio_{name} {value}\n");
}

/// The rules that peers have broken, by kind.
fn write_strikes(out: &mut String, snapshot: &Snapshot) {
    let _ = out.write_str(
        "# HELP nuncio_strikes_total Rules that peers have broken, by kind\n# TYPE nuncio_strikes_total counter\n",
    );
    for (kind, count) in &snapshot.strikes {
        let _ = writeln!(out, "nuncio_strikes_total{{kind=\"{kind}\"}} {count}");
    }
}

/// What was judged and done, by kind, and whether the audit log holds it.
fn write_audit(out: &mut String, audit: &Audit, is_written: bool) {
    let _ = out.write_str(
        "# HELP nuncio_audit_events_total What the node judged and operators did, by kind\n\
         # TYPE nuncio_audit_events_total counter\n",
    );
    for (kind, count) in audit.counts() {
        let _ = writeln!(out, "nuncio_audit_events_total{{kind=\"{kind}\"}} {count}");
    }
    write(
        out,
        "audit_missed_total",
        "Events that were counted only, for there were too many",
        "counter",
        audit.missed(),
    );
    write(out, "audit_written", "0 when the audit log cannot be written", "gauge", u64::from(is_written));
}

/// The fewest days that anything of a kind is valid, which is when somebody has to act.
fn write_lifetimes(out: &mut String, lifetimes: &[Lifetime], now: u64) {
    let mut left: BTreeMap<&str, i64> = BTreeMap::new();
    for lifetime in lifetimes {
        let days = lifetime.days_left(now);
        left.entry(lifetime.kind).and_modify(|fewest| *fewest = days.min(*fewest)).or_insert(days);
    }
    let _ = out.write_str(
        "# HELP nuncio_certificate_days_left Days until the first certificate or revocation list ends, by kind\n\
         # TYPE nuncio_certificate_days_left gauge\n",
    );
    for (kind, days) in left {
        let _ = writeln!(out, "nuncio_certificate_days_left{{kind=\"{kind}\"}} {days}");
    }
}

/// The newest list of each issuer that this node holds, by the issuer's series.
fn write_revocations(out: &mut String, snapshot: &Snapshot) {
    let own = snapshot.nodes.iter().find(|node| node.node_id == snapshot.node_id);
    let numbers = own.map(NodeSnapshot::revocations).into_iter().flatten();
    let _ = out.write_str(
        "# HELP nuncio_revocation_list_number Number of the newest revocation list held, by issuer\n\
         # TYPE nuncio_revocation_list_number gauge\n",
    );
    for (series, number) in numbers {
        let _ = writeln!(out, "nuncio_revocation_list_number{{issuer=\"{series}\"}} {number}");
    }
}
