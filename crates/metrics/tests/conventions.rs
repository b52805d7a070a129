//! Names and labels as Prometheus' conventions want them, and a catalog that tells all there is.

use std::{collections::BTreeSet, time::Duration};

use nuncio_metrics::{DropCause, MessageKind, Metrics, PeerClass, Stream};

/// Words that are no base units; seconds and bytes are.
const NO_UNITS: [&str; 8] = ["_ms", "_us", "_millis", "_minutes", "_kib", "_mib", "_kilobytes", "_percent"];

#[test]
fn every_name_follows_the_conventions_and_none_is_taken_twice() {
    let catalog = Metrics::new().catalog();
    let names: BTreeSet<_> = catalog.iter().map(|entry| &entry.name).collect();
    assert_eq!(names.len(), catalog.len(), "a name is taken twice");
    for entry in &catalog {
        let name = &entry.name;
        assert!(name.starts_with("nuncio_") || name.starts_with("process_"), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert_eq!(entry.kind == "counter", name.ends_with("_total"), "{name}");
        assert!(entry.kind != "histogram" || name.ends_with("_seconds"), "{name}");
        assert!(!NO_UNITS.iter().any(|unit| name.ends_with(unit)), "{name}");
        assert!(entry.help.len() > 9 && !entry.help.ends_with('.'), "{name}: {}", entry.help);
        for label in &entry.labels {
            assert!(!label.values.is_empty(), "{name}: what bounds {}?", label.key);
        }
    }
}

#[test]
fn what_is_read_is_in_the_catalog_and_what_is_in_the_catalog_is_read() {
    let metrics = Metrics::new();
    let text = metrics.encode();
    assert!(text.ends_with("# EOF\n"));
    let told: BTreeSet<String> = metrics.catalog().iter().flat_map(nuncio_metrics::Entry::series).collect();
    let series = |line: &str| line.split(['{', ' ']).next().unwrap().to_owned();
    let read: BTreeSet<String> = text.lines().filter(|line| !line.starts_with('#')).map(series).collect();
    assert!(read.is_subset(&told), "{:?}", read.difference(&told));
    // Tables have no rows before somebody sets them.
    let counted = ["nuncio_unicast_taken_total", "nuncio_link_queue_duration_seconds_bucket", "process_threads"];
    for name in counted {
        assert!(read.contains(name), "{name}");
    }
}

#[test]
fn numbers_are_told_by_their_labels() {
    let metrics = Metrics::new();
    metrics.links.bytes_sent.add((MessageKind::Reply, PeerClass::OtherAgency), 7);
    metrics.links.dropped.increment(DropCause::NoKey);
    metrics.links.queue_time.observe(Stream::Bridge, Duration::from_millis(3));
    metrics.links.peer_queue_bytes.set([(vec!["0a1b".to_owned()], 12.0)]);
    metrics.tables.uptime.set_one(1.5);
    let text = metrics.encode();
    for line in [
        "nuncio_link_bytes_sent_total{kind=\"reply\",peer=\"other_agency\"} 7",
        "nuncio_link_bytes_sent_total{kind=\"reply\",peer=\"own_agency\"} 0",
        "nuncio_dropped_total{cause=\"no_key\"} 1",
        "nuncio_link_queue_duration_seconds_bucket{le=\"0.0025\",stream=\"bridge\"} 0",
        "nuncio_link_queue_duration_seconds_bucket{le=\"0.005\",stream=\"bridge\"} 1",
        "nuncio_link_queue_duration_seconds_bucket{le=\"+Inf\",stream=\"bridge\"} 1",
        "nuncio_link_queue_duration_seconds_count{stream=\"bridge\"} 1",
        "nuncio_peer_queue_bytes{node=\"0a1b\"} 12",
        "nuncio_uptime_seconds 1.5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    metrics.links.peer_queue_bytes.set([]);
    assert!(!metrics.encode().contains("0a1b"), "a row goes with what it tells of");
}
