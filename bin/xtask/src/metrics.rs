//! Every metric as one Markdown page, from where they are registered.

use std::fmt::Write;

use nuncio_metrics::{Entry, Labelled};

const HEAD: &str = "\
# Metrics

<!-- Written by `cargo xtask generate` from where they are registered. Do not edit: CI compares it with the code. -->

`GET /metrics` of the admin API, or of the port `[admin] metrics_listen`, tells all of these in OpenMetrics' text format, from one
registry. `testnet/prometheus` and `testnet/grafana` hold alerts and a dashboard that use them; `docker compose --profile
monitoring` runs both beside a testnet.

No label has values that somebody else can invent: they are words of this list, or stand for something that is bounded, as
written beside them. A row that stands for a peer is there as long as its link.

## What they answer

| question | look at |
|---|---|
| Who is slow? | `nuncio_peer_queue_bytes` and `nuncio_peer_round_trip_seconds` by peer; `nuncio_link_queue_duration_seconds`; `nuncio_gossip_slow_peers_total`; `nuncio_gateway_sessions_not_draining_total` |
| What is dropped, and why? | `nuncio_dropped_total`, `nuncio_multicast_lost_total`, `nuncio_listener_missed_total`, `nuncio_gateway_deliveries_dropped_total`, `nuncio_gossip_received_total` by outcome |
| Who is refused, and why? | `nuncio_refused_total` by door and cause; `nuncio_link_refused_total` also by who dialled; `nuncio_peers_banned`, `nuncio_rights_denied_total` |
| Does every request end? | taken = delivered + refused + unknown + in flight, of `nuncio_unicast_…` and of `nuncio_amop_…`; refused means that nobody has seen it, unknown that it may have been seen |
| How long does it take? | `nuncio_unicast_duration_seconds`, `nuncio_amop_duration_seconds`, `nuncio_relay_duration_seconds`, `nuncio_event_loop_lag_seconds` |
| Is the picture of the network fresh? | `nuncio_status_lag_seconds`, `nuncio_status_behind`, `nuncio_nodes_reachable`, `nuncio_nodes_by_hops` |
| When must somebody act? | `nuncio_certificate_days_left` by kind, `nuncio_audit_written` |

## All of them

";

/// The page.
pub(crate) fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| metric | kind | what it tells | labels |\n|---|---|---|---|\n");
    for Entry { name, kind, help, labels } in nuncio_daemon::all_metrics().catalog() {
        let labels: Vec<_> = labels.iter().map(|Labelled { key, values }| format!("`{key}`: {values}")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| `{name}` | {kind} | {help} | {} |", labels.join("; "));
    }
    page
}
