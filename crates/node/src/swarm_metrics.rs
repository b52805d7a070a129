//! What libp2p counts of its swarm, in the node's registry. Gossipsub's own metrics are left out: they take locks for every
//! message and have a row for each topic; what operators ask of gossip is counted by the behaviour.

use libp2p::swarm::SwarmEvent;
use libp2p_metrics::Recorder;
use nuncio_metrics::{Entry, Labelled, Metrics};

/// Counts the swarm's events.
pub(crate) struct SwarmMetrics(libp2p_metrics::Metrics);

/// Kind, name, help, labels.
type Told = (&'static str, &'static str, &'static str, &'static [&'static str]);

const TOLD: &[Told] = &[
    ("counter", "connections_incoming_total", "Connections that came", &["protocols"]),
    ("counter", "connections_incoming_error_total", "Connections that came and failed", &["protocols", "error"]),
    ("counter", "connections_established_total", "Connections that were made", &["role", "protocols"]),
    ("histogram", "connections_establishment_duration", "Seconds until a connection was made", &["role", "protocols"]),
    ("histogram", "connections_duration_seconds", "How long a connection lasted", &["role", "protocols", "cause"]),
    ("counter", "new_listen_addr_total", "Addresses that the node began to listen at", &["protocols"]),
    ("counter", "expired_listen_addr_total", "Addresses that it listens at no more", &["protocols"]),
    ("counter", "external_addr_candidates_total", "Addresses that others may reach it at", &["protocols"]),
    ("counter", "external_addr_confirmed_total", "Those that were confirmed", &["protocols"]),
    ("counter", "external_addr_expired_total", "Those that hold no more", &["protocols"]),
    ("counter", "listener_closed_total", "Listeners that closed", &["protocols"]),
    ("counter", "listener_error_total", "Errors of listeners", &[]),
    ("counter", "dial_attempt_total", "Dials", &[]),
    ("counter", "outgoing_connection_error_total", "Dials that failed", &["peer", "error"]),
];

/// Tells of the metrics of libp2p's swarm, for the catalog of all; a running node does that itself.
pub fn describe(metrics: &Metrics) {
    drop(SwarmMetrics::registered(metrics));
}

impl SwarmMetrics {
    /// In this registry, once.
    pub(crate) fn registered(metrics: &Metrics) -> Self {
        metrics.extend(|book| {
            for (kind, name, help, labels) in TOLD {
                let labels = labels.iter().map(|key| Labelled { key, values: "libp2p's words".to_owned() }).collect();
                book.note(Entry { name: format!("libp2p_swarm_{name}"), kind, help, labels });
            }
            Self(libp2p_metrics::Metrics::new(book.registry()))
        })
    }

    pub(crate) fn record<E>(&self, event: &SwarmEvent<E>) {
        self.0.record(event);
    }
}
