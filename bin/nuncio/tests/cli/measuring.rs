//! `nuncio bench`, with as little as there can be.

use super::support::command;

fn lines(arguments: &[&str]) -> Vec<serde_json::Value> {
    let measured = command(arguments.iter().copied()).output().expect("nuncio runs");
    assert!(measured.status.success(), "{}", String::from_utf8_lossy(&measured.stderr));
    let said = String::from_utf8(measured.stdout).expect("text");
    said.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
}

#[test]
fn what_grows_is_measured_for_nodes_sessions_and_topics() {
    let few = ["--nodes", "2", "--sessions", "2", "--topics", "3", "--rest-ms", "100", "--requests", "100"];
    let said = lines(&[&["bench", "growth"], &few[..]].concat());
    let all: Vec<_> = said.iter().map(|line| (line["of"].as_str().unwrap_or("-"), line["n"].as_u64())).collect();
    assert_eq!(all, [("nodes", Some(2)), ("sessions", Some(2)), ("topics", Some(3))]);
    for (line, fields) in said.iter().zip([
        &["each_kib", "links", "settled_s", "idle_percent", "request_cpu_us"][..],
        &["each_kib", "idle_percent"],
        &["each_kib", "request_cpu_us", "request_p99_us"],
    ]) {
        assert!(fields.iter().all(|field| line[field].is_number()), "{line}");
    }
    assert_eq!(said[0]["links"], 1, "two nodes have one");
    assert!(said[0]["request_cpu_us"].as_f64() > Some(0.0) && said[2]["request_p99_us"].as_f64() > Some(0.0));
}

#[test]
fn messages_of_amop_are_measured_alone_and_beside_others() {
    let short = ["--in-flight", "4", "--warmup-ms", "50", "--measure-ms", "200"];
    let said = lines(&[&["bench", "fairness-of-amop"], &short[..]].concat());
    let all: Vec<_> = said.iter().map(|line| (line["priority"].as_str(), line["beside"].as_str())).collect();
    let expected = ["control", "normal"]
        .map(|priority| ["idle", "bulk", "body", "flood"].map(|beside| (Some(priority), Some(beside))));
    assert_eq!(all, expected.concat());
    for line in said {
        assert!(line["count"].as_u64() > Some(0), "{line}");
        assert_eq!(line["beside_mb_per_s"].is_number(), line["beside"] != "idle", "{line}");
    }
}
