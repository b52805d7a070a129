//! Alerts, dashboard and scripts name metrics that there are.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use nuncio_metrics::{Entry, Labelled};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The words in a text that can only be metrics.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_'));
    let prefixes = ["nuncio_", "process_", "libp2p_"];
    words.filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix))).map(str::to_owned).collect()
}

fn catalog() -> Vec<Entry> {
    nuncio_daemon::all_metrics().catalog()
}

/// The expressions of all panels, and of the variables.
fn expressions(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match value.as_str() {
                Some(text) if key == "expr" || key == "query" => vec![text.to_owned()],
                _ => expressions(value),
            })
            .collect(),
        serde_json::Value::Array(items) => items.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

fn dashboard() -> serde_json::Value {
    serde_json::from_str(&read("testnet/grafana/dashboards/nuncio.json")).unwrap()
}

/// The alerts' expressions: everything behind `expr:`, with the lines that go on more deeply.
fn alerts() -> String {
    let text = read("testnet/prometheus/rules.yml");
    text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_metric_that_a_panel_an_alert_or_a_script_names_is_one() {
    let series: BTreeSet<_> = catalog().iter().flat_map(Entry::series).collect();
    let panels = expressions(&dashboard()).join("\n");
    assert!(named(&panels).len() > 40 && named(&alerts()).len() > 15, "they were found");
    for (place, text) in [
        ("the dashboard", panels),
        ("rules.yml", alerts()),
        ("rules.test.yml", read("testnet/prometheus/rules.test.yml")),
        ("watch.py", read("testnet/lab/watch.py")),
    ] {
        let unknown: Vec<_> = named(&text).difference(&series).cloned().collect();
        assert!(unknown.is_empty(), "{place} names {unknown:?}, which no node tells");
    }
}

/// `metric{…}` and `by (…)`: labels that are matched with `="word"`, and whether a metric has them with that word.
#[test]
fn every_word_that_is_asked_for_by_a_label_is_one() {
    let catalog = catalog();
    let text = [expressions(&dashboard()).join("\n"), alerts()].join("\n");
    let mut asked = 0;
    for (place, _) in text.match_indices("=\"") {
        let before = &text[..place];
        let key = &before[before.rfind(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_')).unwrap() + 1..];
        let word = text[place + 2..].split('"').next().unwrap();
        if key == "job" {
            continue;
        }
        asked += 1;
        let metric = before[..before.rfind('{').unwrap()].to_owned();
        let metric = &metric[metric.rfind(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_')).unwrap() + 1..];
        let entry = catalog.iter().find(|entry| entry.name == metric).unwrap_or_else(|| panic!("{metric}"));
        let label = entry.labels.iter().find(|Labelled { key: own, .. }| *own == key);
        let values = &label.unwrap_or_else(|| panic!("{metric} has no label {key}")).values;
        assert!(values.split([',', ';', '–']).any(|one| one.trim() == word), "{metric}: {key} is never {word}");
    }
    assert!(asked >= 3, "they were found");
}
