use crate::{Counter, CounterBy, Gauge, Histogram, book::metrics, label::labels, table::Table};

labels! {
    /// What becomes of a report on a traced request.
    TraceReport by ["report"] {
        /// It was sent to the source of a request that came by here.
        Sent = ["sent"],
        /// It is on a request of this node, and its signature holds.
        Taken = ["taken"],
        /// It is of no open trace, of a hop that has reported already, or not signed by it.
        Refused = ["refused"],
    }
}

labels! {
    /// What a node became.
    Reachability by ["to"] {
        /// There is a way to it.
        Reachable = ["reachable"],
        /// There is none.
        Unreachable = ["unreachable"],
    }
}

metrics! {
    /// What the core knows.
    Core {
        /// From the first announcement of a known node's newer status until its record was applied.
        status_lag: Histogram = "nuncio_status_lag_seconds",
        /// Nodes whose newer status is announced and not here.
        status_behind: Gauge = "nuncio_status_behind",
        /// Records of other nodes that were applied.
        records: Counter = "nuncio_status_records_applied",
        /// Announcements of this node's own status.
        announced: Counter = "nuncio_status_announced",
        /// How often the ways to all nodes were computed.
        route_searches: Counter = "nuncio_route_searches",
        /// Nodes to which a way was found or lost.
        reachability: CounterBy<Reachability> = "nuncio_reachability_changes",
        /// Reports of hops on traced requests.
        trace_reports: CounterBy<TraceReport> = "nuncio_trace_reports",
        /// Bytes that the core holds of what others can make it hold.
        held_bytes: Table = "nuncio_core_held_bytes" (Table::gauges(HELD)),
        /// Entries that it holds.
        held_entries: Table = "nuncio_core_held_entries" (Table::gauges(HELD)),
    }
}

const HELD: &[(&str, &str)] = &[("what", "the core's names of what it holds; some ten, see [Bounds](bounds.md)")];
