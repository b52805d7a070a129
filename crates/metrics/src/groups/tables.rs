use crate::{book::metrics, table::Table};

metrics! {
    /// What is read from the node's snapshot, its certificates and its audit when somebody asks.
    NodeTables {
        /// Which program runs; always 1.
        build: Table = "nuncio_build_info" (Table::gauges(BUILD)),
        /// 1 when the node does its work.
        ready: Table = "nuncio_ready" (Table::gauges(&[])),
        /// Links to other nodes that are up.
        links: Table = "nuncio_links" (Table::gauges(&[])),
        /// Peers refused for a while for what they did.
        peers_banned: Table = "nuncio_peers_banned" (Table::gauges(&[])),
        /// Nodes known, this one included.
        nodes: Table = "nuncio_nodes" (Table::gauges(&[])),
        /// Nodes to which a path is known.
        nodes_reachable: Table = "nuncio_nodes_reachable" (Table::gauges(&[])),
        /// Reachable nodes by how many links away they are.
        hops: Table = "nuncio_nodes_by_hops" (Table::gauges(&[("hops", "0 to 255, of which few are in use")])),
        /// AMOP topics known in the network.
        topics: Table = "nuncio_topics" (Table::gauges(&[])),
        /// AMOP subscriptions known in the network.
        subscribers: Table = "nuncio_topic_subscribers" (Table::gauges(&[])),
        /// Version of the own status within the epoch.
        status_seq: Table = "nuncio_status_seq" (Table::gauges(&[])),
        /// End of the own certificate, Unix time.
        certificate_expiry: Table = "nuncio_certificate_expiry_seconds" (Table::gauges(&[])),
        /// Time since the node started.
        uptime: Table = "nuncio_uptime_seconds" (Table::gauges(&[])),
        /// Second hosts seen with the key of a node.
        duplicates: Table = "nuncio_duplicate_identities" (Table::counters(&[])),
        /// Messages that listeners missed because they were too slow.
        missed: Table = "nuncio_listener_missed" (Table::counters(&[])),
        /// Multicasts and broadcasts of other nodes that did not come, though their numbers were known.
        lost: Table = "nuncio_multicast_lost" (Table::counters(&[])),
        /// Messages of other nodes to topics that they may not publish to, or this node may not subscribe.
        denied: Table = "nuncio_rights_denied" (Table::counters(&[])),
        /// Messages of other nodes over a quota.
        over_quota: Table = "nuncio_rights_over_quota" (Table::counters(&[])),
        /// Rules that peers have broken, by kind.
        strikes: Table = "nuncio_strikes" (Table::counters(&[("kind", "the rules of the gate; each has a word")])),
        /// What the node judged and operators did, by kind.
        audit_events: Table = "nuncio_audit_events" (Table::counters(&[("kind", "the kinds of events of the audit log")])),
        /// Events that were counted only, for there were too many.
        audit_missed: Table = "nuncio_audit_missed" (Table::counters(&[])),
        /// 0 when the audit log cannot be written.
        audit_written: Table = "nuncio_audit_written" (Table::gauges(&[])),
        /// Days until the first certificate or revocation list ends, by kind.
        days_left: Table = "nuncio_certificate_days_left" (Table::gauges(&[("kind", "what can end: `node`, `sdk`, `agency`, `root`, `list` and the like")])),
        /// Number of the newest revocation list held, by issuer.
        revocation_lists: Table = "nuncio_revocation_list_number" (Table::gauges(&[("issuer", "the series of an authority that this node trusts")])),
    }
}

const BUILD: &[(&str, &str)] = &[("version", "one"), ("commit", "one"), ("date", "one")];
