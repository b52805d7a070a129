//! What all parts of a node count.

use std::sync::Arc;

use nuncio_gateway::Clients;
use nuncio_metrics::Metrics;

use crate::Config;

/// Without a gateway there are none, and nothing to tell of them.
pub(crate) fn clients(config: &Config, metrics: &Metrics) -> Arc<Clients> {
    Arc::new(if config.gateway.enabled { Clients::metered(metrics) } else { Clients::new() })
}

/// The metrics of a node that has everything, none of which has run.
pub fn all_metrics() -> Metrics {
    let metrics = Metrics::new();
    drop(Clients::metered(&metrics));
    nuncio_node::describe_metrics(&metrics);
    metrics
}
