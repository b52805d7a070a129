//! Nodes as processes: how they start, what they answer, and how they end.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener},
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use super::support::{Run, command, nuncio};

/// Far more than any of it takes.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) struct Net {
    directory: tempfile::TempDir,
}

impl Net {
    pub(super) fn create(nodes: u16, topology: &str) -> Self {
        let net = Self { directory: tempfile::tempdir().expect("a directory") };
        let (nodes_text, port) = (nodes.to_string(), free_base_port(nodes).to_string());
        let arguments = ["--nodes", &nodes_text, "--topology", topology, "--base-port", &port];
        nuncio(["testnet", "create", "--out", &net.text("net")].into_iter().chain(arguments)).must_succeed();
        net
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    pub(super) fn config(&self, node: usize) -> String {
        self.text(&format!("net/node{node}/nuncio.toml"))
    }

    pub(super) fn ask(&self, node: usize, arguments: &[&str]) -> Run {
        nuncio(arguments.iter().copied().chain(["--json", "--config", &self.config(node)]))
    }
}

/// Kills what it holds when a test fails half way.
pub(super) struct Kept(Child);

impl Kept {
    pub(super) fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().expect("the program runs"))
    }

    pub(super) fn stdout(&mut self) -> ChildStdout {
        self.0.stdout.take().expect("a pipe")
    }

    pub(super) const fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub(super) fn stderr(&mut self) -> ChildStderr {
        self.0.stderr.take().expect("a pipe")
    }

    pub(super) fn ended(&mut self) -> ExitStatus {
        let child = &mut self.0;
        eventually("the process ends", || child.try_wait().expect("a child of ours"))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks until there is an answer. Asking takes a while of its own: mostly it runs the program.
pub(super) fn eventually<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(started.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        std::thread::yield_now();
    }
}

/// A port P such that P, P + 1, … and the SDK ports that belong to them are free.
pub(super) fn free_base_port(nodes: u16) -> u16 {
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    eventually("free ports", || {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?.local_addr().ok()?.port();
        let all = (0..nodes)
            .all(|index| port.checked_add(index).is_some_and(|p2p| p2p > 20_100 && free(p2p) && free(p2p - 10_100)));
        all.then_some(port)
    })
}

#[test]
fn a_node_alone_is_alive_but_not_ready_and_stops_with_its_standard_input() {
    let net = Net::create(2, "full");
    let mut node = Kept::spawn(
        command(["run", "--stop-with-stdin", "--config", &net.config(0)]).stdin(Stdio::piped()).stderr(Stdio::null()),
    );
    let status = eventually("the node answers", || Some(net.ask(0, &["status"])).filter(|run| run.code == 0));
    let status = &status.objects()[0];
    for field in ["node_id", "seq", "epoch", "version", "uptime_s", "peers", "nodes", "topics", "ready"] {
        assert!(!status[field].is_null(), "{field} in {status}");
    }
    assert_eq!(status["ready"], false);

    let live = net.ask(0, &["health", "--live"]).must_succeed();
    assert_eq!((&live.objects()[0]["ok"], &live.objects()[0]["checks"][0]["check"]), (&true.into(), &"loop".into()));
    let top = &net.ask(0, &["top"]).must_succeed().objects()[0];
    for field in ["status", "links", "topics", "traffic", "refusals", "lifetimes"] {
        assert!(!top[field].is_null(), "{field} in {top}");
    }
    let once = nuncio(["top", "--once", "--interval", "100ms", "--config", &net.config(0)]).must_succeed();
    assert!(once.stdout.starts_with("node0 of agencyA  not ready"), "{}", once.stdout);
    assert!(once.stdout.contains("\nCERTIFICATES\n") && once.stdout.contains("root"), "{}", once.stdout);

    let health = net.ask(0, &["health", "--wait", "100ms"]);
    assert_eq!(health.code, 75, "{}", health.stderr);
    assert_eq!(health.error_object()["error"], "not_ready");

    drop(node.0.stdin.take());
    assert!(node.ended().success());
    assert_eq!(net.ask(0, &["health"]).code, 69);
}

#[test]
fn whoever_names_a_nodes_directory_is_told_the_file_in_it() {
    let net = Net::create(1, "full");
    let node = net.text("net/node0");
    for arguments in [["status", "--config", &node], ["config", "check", &node], ["run", "--config", &node]] {
        let run = nuncio(arguments);
        run.must_be_one_line_and_a_hint();
        assert_eq!(run.code, 78, "{}", run.stderr);
        assert!(run.stderr.contains(&format!("hint: name the file in it, {node}/nuncio.toml")), "{}", run.stderr);
    }
}

#[test]
fn a_node_that_cannot_start_says_why_in_one_line() {
    let net = Net::create(1, "full");
    std::fs::remove_file(net.text("net/node0/conf/node.key")).expect("it was written");
    let run = nuncio(["--json", "run", "--config", &net.config(0)]);
    assert_eq!(run.code, 78, "{}", run.stderr);
    assert!(run.error_object()["message"].as_str().is_some_and(|message| message.contains("node.key")));
    assert!(run.stderr.contains("hint: "), "{}", run.stderr);
}

#[test]
fn a_line_of_nodes_relays_and_none_outlives_the_program_that_started_it() {
    let net = Net::create(3, "line");
    let mut up = Kept::spawn(
        command(["testnet", "up", &net.text("net"), "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()),
    );
    let stdout = BufReader::new(up.stdout());
    let rows: Vec<serde_json::Value> = stdout
        .lines()
        .take(3)
        .map(|line| serde_json::from_str(&line.expect("text")).expect("each line is an object"))
        .collect();
    assert_eq!(rows.len(), 3, "every node is ready");
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row["name"], format!("node{index}"));
        for field in ["node_id", "p2p", "gateway", "admin", "pid"] {
            assert!(!row[field].is_null(), "{field} in {row}");
        }
    }

    let again = nuncio(["testnet", "up", &net.text("net")]);
    again.must_be_one_line_and_a_hint();
    assert_eq!((again.code, &*again.stdout), (1, ""));
    assert!(again.stderr.contains("node0 runs already: its admin API answers at unix:"), "{}", again.stderr);

    let far = rows[2]["node_id"].as_str().expect("text");
    eventually("node0 knows node2 behind node1", || {
        let nodes = net.ask(0, &["nodes"]).must_succeed().objects();
        nodes.into_iter().find(|node| node["node_id"] == far && node["hops"] == 2)
    });
    let mut listener = Kept::spawn(
        command(["listen", "--reply", "pong", "--count", "1", "--config", &net.config(2)])
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    let reply = eventually("node2 answers", || {
        Some(net.ask(0, &["send", &far[..12], "--data", "ping"])).filter(|run| run.code == 0)
    });
    let reply = &reply.objects()[0];
    assert_eq!((&reply["reply"], &reply["reply_encoding"]), (&"pong".into(), &"utf8".into()), "{reply}");
    assert_eq!(reply["hops"], 2, "{reply}");
    assert!(listener.ended().success());

    // The first that is named as allowed would cut the others off.
    let allow = ["access", "allow", &far[..12]];
    let refused = net.ask(1, &allow);
    assert_eq!((refused.code, refused.objects().len()), (2, 0), "{refused:?}");
    assert!(refused.stderr.contains("2 links") || refused.stderr.contains("1 links"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--cut-others"), "{}", refused.stderr);
    assert!(net.ask(1, &["access", "list"]).must_succeed().objects().is_empty());
    net.ask(1, &["access", "deny", &far[..12]]).must_succeed();
    assert!(net.ask(1, &allow).stderr.contains("nuncio access reset"));
    net.ask(1, &["access", "reset", &far[..12]]).must_succeed();
    // By the whole ID: it was forgotten when it was denied, and may not be known again yet.
    net.ask(1, &["access", "allow", far, "--cut-others"]).must_succeed();
    net.ask(1, &["access", "reset", &far[..12]]).must_succeed();

    let certificates = net.ask(0, &["certs"]).must_succeed().objects();
    assert_eq!(certificates.len(), 3, "{certificates:?}");
    for one in &certificates {
        assert_eq!(one["role"], "node");
        assert!(one["days_left"].as_i64().is_some_and(|days| days > 300), "{one}");
    }

    up.0.kill().expect("it runs");
    for node in 0..3 {
        eventually("the node is gone", || (net.ask(node, &["status"]).code == 69).then_some(()));
    }
}
