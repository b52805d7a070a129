//! The main job of the program: four nodes of two agencies as processes, and every flow over real sockets.

use std::process::Command;

/// What the demonstration must show, in order.
const STEPS: [&str; 16] = [
    "certificates",
    "start",
    "links",
    "status_sync",
    "unicast_file",
    "multicast",
    "broadcast",
    "status_change",
    "amop_unicast",
    "amop_no_subscriber",
    "amop_multicast",
    "amop_choice",
    "amop_private",
    "foreign_ca",
    "node_killed",
    "node_restarted",
];

#[test]
fn every_flow_holds_between_four_processes() {
    let output = Command::new(assert_cmd::cargo::cargo_bin!("nuncio"))
        .args(["testnet", "demo", "--nodes", "4", "--json"])
        .output()
        .expect("the program runs");
    let stdout = String::from_utf8(output.stdout).expect("text");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let told: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect();
    for step in &told {
        assert_eq!(step["ok"], true, "{step}\n{stderr}");
        assert!(step["ms"].as_f64().is_some_and(|ms| ms >= 0.0), "{step}");
        assert!(step["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{step}");
    }
    let names: Vec<_> = told.iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(names, STEPS, "{stderr}");
    assert!(output.status.success(), "{stderr}");
}
