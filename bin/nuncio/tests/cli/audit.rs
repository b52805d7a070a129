//! The audit log and the operators, as users meet them.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Stdio},
};

use serde_json::Value;

use super::{
    processes::{Kept, Net, eventually},
    support::{Run, command, nuncio},
};

/// One node that runs, with what is appended to its configuration.
struct Node {
    net: Net,
    process: Kept,
    port: u16,
}

impl Node {
    fn start(admin: &str) -> Self {
        let net = Net::create(1, "full");
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let text = fs::read_to_string(net.config(0)).expect("a configuration");
        fs::write(net.config(0), format!("{text}\n[admin]\nlisten = \"127.0.0.1:{port}\"\n{admin}"))
            .expect("it is ours");
        let process = Kept::spawn(
            command(["run", "--stop-with-stdin", "--config", &net.config(0)])
                .stdin(Stdio::piped())
                .stderr(Stdio::null()),
        );
        let node = Self { net, process, port };
        eventually("the node answers", || Some(node.ask(&["status"])).filter(|run| run.code == 0));
        node
    }

    fn ask(&self, arguments: &[&str]) -> Run {
        nuncio(arguments.iter().copied().chain(["--json", "--config", &self.net.config(0)]))
    }

    /// The same over TCP.
    fn over_tcp(&self, scheme: &str, arguments: &[&str]) -> Run {
        let address = format!("{scheme}://127.0.0.1:{}", self.port);
        nuncio(arguments.iter().copied().chain(["--json", "--admin", &address]))
    }

    fn token(&self, name: &str, scope: &str) -> String {
        let made = self.ask(&["token", "make", name, "--scope", scope]).must_succeed();
        let path = self.net.text(name);
        fs::write(&path, made.objects()[0]["token"].as_str().expect("a token")).expect("it is written");
        path
    }

    fn stop(mut self) -> Net {
        let child: &mut Child = self.process.child();
        drop(child.stdin.take());
        assert!(eventually("it ends", || child.try_wait().expect("a child of ours")).success());
        self.net
    }
}

fn only_log(net: &Net) -> PathBuf {
    let directory = net.text("net/node0/data/audit");
    let mut files = fs::read_dir(directory).expect("a log").map(|entry| entry.expect("a file").path());
    files.next().expect("a file")
}

#[test]
fn what_operators_do_is_recorded_with_their_names_and_tampering_is_found() {
    let node = Node::start("");
    let full = node.token("alice", "full");
    node.over_tcp("http", &["peers", "add", "127.0.0.1:9", "--token-file", &full]).must_succeed();
    node.ask(&["log-level", "debug"]).must_succeed();
    let verified = node.ask(&["audit", "verify"]).must_succeed();
    assert_eq!(verified.objects()[0]["ok"], true);
    let net = node.stop();
    let ask = |arguments: &[&str]| nuncio(arguments.iter().copied().chain(["--json", "--config", &net.config(0)]));

    let shown = ask(&["audit", "show", "--kind", "operator_acted"]).must_succeed().objects();
    let acts: Vec<_> = shown.iter().map(|act| (&act["actor"]["by"], &act["action"]["act"])).collect();
    assert_eq!(
        acts,
        [(&Value::from("token"), &Value::from("add_peer")), (&"process".into(), &"set_log_filter".into())]
    );
    assert_eq!((&shown[0]["actor"]["name"], &shown[0]["action"]["address"]), (&"alice".into(), &"127.0.0.1:9".into()));
    assert!(shown[1]["actor"]["uid"].is_u64());
    assert!(ask(&["audit", "show", "--until", "2020-01-01T00:00:00Z"]).must_succeed().stdout.is_empty());
    assert_eq!(ask(&["audit", "show", "--last", "1"]).must_succeed().objects()[0]["kind"], "seal");

    let verified = ask(&["audit", "verify"]).must_succeed().objects().remove(0);
    assert_eq!((&verified["stopped"], &verified["unsealed"]), (&true.into(), &0.into()), "{verified}");
    let position = verified["position"].as_str().expect("a position").to_owned();
    let path = only_log(&net);
    let whole = fs::read_to_string(&path).expect("a log");

    fs::write(&path, whole.replace("\"name\":\"alice\"", "\"name\":\"mallory\"")).expect("it is ours");
    let broken = ask(&["audit", "verify"]);
    assert_eq!((broken.code, broken.error_object()["error"].as_str()), (1, Some("broken")), "{}", broken.stderr);
    assert!(broken.stderr.contains(".jsonl:") && broken.stderr.contains("was changed"), "{}", broken.stderr);

    let lines: Vec<_> = whole.lines().collect();
    fs::write(&path, format!("{}\n", lines[..lines.len() - 2].join("\n"))).expect("it is ours");
    ask(&["audit", "verify"]).must_succeed();
    let cut = ask(&["audit", "verify", "--noted", &position]);
    assert!(cut.code == 1 && cut.stderr.contains("its end was cut off"), "{}", cut.stderr);
    let other = ask(&["audit", "verify", "--node", &"ab".repeat(64)]);
    assert_eq!(other.code, 2, "that is no node");
}

#[test]
fn whoever_may_only_look_is_told_the_role_that_is_needed_and_nobody_is_answered_without_proof() {
    let node = Node::start("");
    let nobody = node.over_tcp("http", &["status"]);
    assert_eq!((nobody.code, nobody.error_object()["error"].as_str()), (1, Some("unauthorized")), "{}", nobody.stderr);
    assert!(nobody.stderr.contains("hint: make a token with `nuncio token make"), "{}", nobody.stderr);
    let read = node.token("bob", "read");
    node.over_tcp("http", &["status", "--token-file", &read]).must_succeed();
    let refused = node.over_tcp("http", &["peers", "add", "127.0.0.1:9", "--token-file", &read]);
    assert_eq!(refused.error_object()["error"], "forbidden");
    assert!(refused.stderr.contains("needs the role full"), "{}", refused.stderr);
    assert_eq!(node.ask(&["token", "list"]).must_succeed().objects()[0]["scope"], "read");
    node.ask(&["token", "revoke", "bob"]).must_succeed();
    assert_eq!(node.over_tcp("http", &["status", "--token-file", &read]).code, 1);
    node.stop();
}

#[test]
fn an_operator_shows_a_certificate_over_tls() {
    let node = Node::start("tls = true\n");
    let issue = |name: &str, kind: &str| {
        let (authority, out) = (node.net.text("net/agencies/agencyA"), node.net.text(name));
        let run = nuncio(["cert", "issue", name, "--ca", &authority, "--out", &out, "--kind", kind]);
        run.must_succeed();
        out
    };
    let alice = issue("alice", "operator");
    let status = node.over_tcp("https", &["status", "--operator", &alice]).must_succeed();
    assert!(status.objects()[0]["node_id"].is_string());
    node.over_tcp("https", &["log-level", "debug", "--operator", &alice]).must_succeed();
    let without = node.over_tcp("https", &["status"]);
    assert!(without.code == 2 && without.stderr.contains("--operator DIR"), "{}", without.stderr);
    let net = node.stop();
    let shown = nuncio(["audit", "show", "--kind", "operator_acted", "--json", "--config", &net.config(0)]);
    assert_eq!(shown.must_succeed().objects()[0]["actor"]["name"], "alice");
}

#[test]
fn what_waits_for_the_next_start_is_not_shown_as_in_force() {
    let node = Node::start("");
    let text = fs::read_to_string(node.net.config(0)).expect("a configuration");
    fs::write(node.net.config(0), text.replace("[p2p]\n", "[p2p]\nmax_links = 7\n")).expect("it is ours");
    let keys = eventually("the file is read again", || {
        let keys = node.ask(&["config", "running"]).must_succeed().objects();
        keys.iter().any(|key| key["is_waiting"] == true).then_some(keys)
    });
    let waiting: Vec<_> = keys.iter().filter(|key| key["is_waiting"] == true).collect();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!(
        (&waiting[0]["key"], &waiting[0]["value"], &waiting[0]["waiting"]),
        (&"p2p.max_links".into(), &128.into(), &7.into())
    );
    let shown = node.ask(&["config", "show"]).must_succeed();
    assert!(shown.stderr.contains("not in force yet: p2p.max_links = 7; the running node has 128"), "{}", shown.stderr);
    let status = node.ask(&["status"]).must_succeed().objects().remove(0);
    assert!(
        status["warnings"].to_string().contains("p2p.max_links: 7 in the file takes effect at the next start"),
        "{status}"
    );
    node.stop();
}
