//! `nuncio bench role`: this test is the harness of a comparison.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{ChildStdout, Stdio},
};

use super::{
    processes::{Kept, eventually},
    support::{command, nuncio},
};

struct Participant {
    process: Kept,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Participant {
    fn start(work: &str, role: &str, index: usize, directory: &str) -> Self {
        let index = index.to_string();
        // All that the harness gives, whether a node needs it or not.
        let own = ["bench", "role", "--system", "nuncio", "--role", role, "--work", work, "--index", &index];
        let load = ["--payload", "64", "--in-flight", "4", "--subs", "2", "--ports", "1,2,3", "--dir", directory];
        let times = ["--warmup-ms", "50", "--measure-ms", "200", "--max-msgs", "5000"];
        let arguments = own.into_iter().chain(load).chain(times);
        let mut process = Kept::spawn(command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()));
        let lines = BufReader::new(process.stdout()).lines();
        Self { process, lines }
    }

    fn hears(&mut self, word: &str) -> String {
        let said = self.lines.by_ref().map(|line| line.expect("text")).find(|line| line.starts_with(word));
        said.unwrap_or_else(|| panic!("it ended before {word}"))
    }

    fn says(&mut self, word: &str) {
        writeln!(self.process.child().stdin.as_mut().expect("a pipe"), "{word}").expect("it reads");
    }

    fn result(&mut self) -> serde_json::Value {
        let line = self.hears("@result ");
        let result: serde_json::Value = serde_json::from_str(&line["@result ".len()..]).expect("an object");
        assert!(result["error"].is_null(), "{result}");
        result
    }

    fn ends_with_its_standard_input(mut self) {
        drop(self.process.child().stdin.take());
        let ended = eventually("it ends", || self.process.child().try_wait().expect("a child of ours"));
        assert!(ended.success());
    }
}

fn measure(work: &str, roles: &[(&str, usize)], receivers: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().display().to_string();
    let ((driving, index), passive) = roles.split_last().expect("who makes the load");
    let mut others = Vec::new();
    for (role, index) in passive {
        let mut other = Participant::start(work, role, *index, &path);
        other.hears("@ready");
        others.push(other);
    }
    let mut driver = Participant::start(work, driving, *index, &path);
    driver.hears("@begin");
    driver.says("@go");
    driver.hears("@end");
    let measured = driver.result();
    assert!(measured["count"].as_u64().is_some_and(|count| count > 0), "{measured}");
    assert!(measured["elapsed_ns"].as_u64().is_some_and(|elapsed| elapsed >= 200_000_000), "{measured}");
    for receiver in others.iter_mut().take(receivers) {
        receiver.says("@stop");
        let received = receiver.result();
        assert_eq!(received["count"], measured["count"], "{received}");
        assert!(received["hist"].as_array().is_some_and(|latencies| !latencies.is_empty()), "{received}");
    }
    if receivers == 0 {
        assert!(measured["hist"].as_array().is_some_and(|latencies| !latencies.is_empty()), "{measured}");
    }
    others.into_iter().chain([driver]).for_each(Participant::ends_with_its_standard_input);
}

#[test]
fn requests_are_measured_at_who_asks() {
    measure("W1", &[("server", 0), ("client", 1)], 0);
}

#[test]
fn multicasts_are_measured_at_each_subscriber_and_none_may_be_missing() {
    measure("W2", &[("sub", 0), ("sub", 1), ("pub", 2)], 2);
}

#[test]
fn amop_unicasts_are_measured_at_the_publishing_sdk() {
    measure("W3", &[("node0", 0), ("node1", 1), ("sub", 2), ("pub", 3)], 0);
}

#[test]
fn bulk_is_measured_at_who_takes_it() {
    measure("W4", &[("server", 0), ("client", 1)], 1);
}

#[test]
fn a_role_that_a_work_does_not_have_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().display().to_string();
    let run = nuncio(["bench", "role", "--role", "node1", "--work", "W1", "--dir", &path]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    let run = nuncio(["bench", "role", "--role", "client", "--work", "W1", "--payload", "3", "--dir", &path]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("--payload"), "{}", run.stderr);
}
