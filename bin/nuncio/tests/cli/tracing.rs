//! The way of messages over real processes, and the trace context that applications pass on.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;

use super::{
    processes::{Kept, Net, eventually},
    support::command,
};

const CONTEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A line of nodes, and their IDs.
fn line(nodes: u16) -> (Net, Kept, Vec<String>) {
    let net = Net::create(nodes, "line");
    let up = ["testnet", "up", &net.text("net"), "--json"];
    let mut up = Kept::spawn(command(up).stdout(Stdio::piped()).stderr(Stdio::null()));
    let rows: Vec<_> = BufReader::new(up.stdout()).lines().take(nodes.into()).map(|line| line.expect("text")).collect();
    let id = |row: &String| {
        let row: Value = serde_json::from_str(row).expect("each line is an object");
        row["node_id"].as_str().expect("text").to_owned()
    };
    (net, up, rows.iter().map(id).collect())
}

/// Who reported, and what became of the message there.
fn fates(trace: &Value) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let way = trace["way"].as_array().expect("a list");
    way.iter().map(|step| (text(&step["node_id"]).expect("text"), text(&step["fate"]))).collect()
}

#[test]
fn a_trace_names_every_hop_and_a_program_answers_in_the_context_of_who_asks() {
    let (net, _up, ids) = line(3);
    let some = |fate: &str| Some(fate.to_owned());
    let expected =
        [(ids[0].clone(), some("sent")), (ids[1].clone(), some("sent")), (ids[2].clone(), some("delivered"))];
    let whole = eventually("all report", || {
        Some(net.ask(0, &["trace", &ids[2]])).filter(|run| run.code == 0 && fates(&run.objects()[0]) == expected)
    });
    let trace = &whole.objects()[0];
    assert_eq!((&trace["hops"], &trace["node_id"]), (&2.into(), &ids[2].clone().into()));
    let steps = trace["way"].as_array().expect("a list");
    assert!(steps[1..].iter().all(|step| step["leg_us"].is_i64() && step["signed"].is_string()), "{trace}");

    let unanswered = net.ask(0, &["send", &ids[2], "--data", "x", "--trace"]);
    assert_eq!((unanswered.code, fates(&unanswered.objects()[0])), (1, expected.to_vec()));
    assert_eq!(unanswered.error_object()["error"], "no_handler");

    let listen = ["listen", "--exec", "printf %s \"$TRACEPARENT\"", "--config", &net.config(2)];
    let _listener = Kept::spawn(command(listen).stdout(Stdio::null()).stderr(Stdio::null()));
    let ask = || net.ask(0, &["send", &ids[2], "--data", "x", "--trace", "--traceparent", CONTEXT]);
    let answered = eventually("an answer", || Some(ask()).filter(|run| run.code == 0));
    let object = &answered.objects()[0];
    assert_eq!((object["reply"].as_str(), object["trace"]["traceparent"].as_str()), (Some(CONTEXT), Some(CONTEXT)));
    assert_eq!(fates(&object["trace"]), expected);

    let own = net.ask(0, &["send", &ids[2], "--data", "x"]);
    assert_eq!(own.objects()[0]["reply"], "", "without a context of the sender's there is none");
    let wrong = net.ask(0, &["send", &ids[2], "--data", "x", "--traceparent", "00-x"]);
    assert_eq!(wrong.code, 2);
}
