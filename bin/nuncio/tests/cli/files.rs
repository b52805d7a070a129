//! Files of any size between nodes that are processes, whatever dies on the way.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::FileExt,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use super::{
    processes::{Kept, Net, eventually},
    support::{Run, command},
};

const MIB: u64 = 1 << 20;

/// Two nodes, of which the second takes files.
struct Pair {
    net: Net,
    ids: [String; 2],
}

impl Pair {
    fn new() -> Self {
        let net = Net::create(2, "full");
        let id = |node: usize| {
            let text =
                fs::read_to_string(net.text(&format!("net/node{node}/conf/node.nodeid"))).expect("it was written");
            text.trim().to_owned()
        };
        let ids = [0, 1].map(id);
        let mut config = File::options().append(true).open(net.config(1)).expect("it was written");
        config.write_all(b"\n[files]\ndirectory = \"files\"\n").expect("it is written");
        Self { net, ids }
    }

    fn start(&self, node: usize) -> Kept {
        let run = ["run".to_owned(), "--config".to_owned(), self.net.config(node)];
        self.up(node, command(run))
    }

    fn up(&self, node: usize, mut run: Command) -> Kept {
        let running = Kept::spawn(run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        eventually("the node answers", || (self.net.ask(node, &["health", "--live"]).code == 0).then_some(()));
        running
    }

    /// A file of so many bytes, no part of which is like another.
    fn file(&self, bytes: u64) -> String {
        let path = self.net.text("long.bin");
        let file = File::create(&path).expect("it is made");
        file.set_len(bytes).expect("there is room");
        for place in (0..bytes.saturating_sub(8)).step_by(64 << 10) {
            file.write_all_at(&place.to_be_bytes(), place).expect("there is room");
        }
        path
    }

    fn send(&self, file: &str) -> Vec<String> {
        let arguments = ["send-file", &self.ids[1], file, "--json", "--config", &self.net.config(0)];
        arguments.map(str::to_owned).to_vec()
    }

    fn inbox(&self) -> PathBuf {
        self.net.text("net/node1/files").into()
    }

    /// Bytes that have come of what is on its way.
    fn come(&self) -> u64 {
        let parts = fs::read_dir(self.inbox().join(".nuncio-parts")).into_iter().flatten().flatten();
        parts.filter_map(|part| Some(part.metadata().ok()?.len())).sum()
    }
}

/// The most memory that a process had, in bytes.
fn most_memory(process: &mut Kept) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.child().id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the kernel says it");
    let kib: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kib << 10
}

#[test]
fn a_long_file_goes_on_after_the_receiver_the_sender_and_its_node_were_killed_in_little_memory() {
    const LENGTH: u64 = 320 * MIB;
    let pair = Pair::new();
    let (mut near, mut far) = (pair.start(0), pair.start(1));
    let file = pair.file(LENGTH);
    let quiet = |arguments: Vec<String>| Kept::spawn(command(arguments).stdout(Stdio::null()).stderr(Stdio::null()));
    let mut sender = quiet(pair.send(&file));
    eventually("some of it has come", || (pair.come() > 32 * MIB).then_some(()));
    far.child().kill().expect("it runs");
    drop(far);
    let before = pair.come();
    assert!(before < LENGTH, "it was killed on the way");
    let mut far = pair.start(1);
    eventually("it goes on by itself", || (pair.come() > before + 32 * MIB).then_some(()));
    sender.child().kill().expect("it runs");
    near.child().kill().expect("it runs");
    drop((sender, near));
    let before = pair.come();
    assert!((32 * MIB..LENGTH).contains(&before), "{before}");

    let mut near = pair.start(0);
    let sent = eventually("it is there", || Some(Run::of(&mut command(pair.send(&file)))).filter(|run| run.code == 0));
    let sent = &sent.objects()[0];
    assert!(sent["resumed"].as_u64().is_some_and(|resumed| resumed >= before), "{sent} after {before}");
    assert_eq!((&sent["name"], &sent["size"]), (&"long.bin".into(), &LENGTH.into()));
    let placed = pair.inbox().join(&pair.ids[0]).join("long.bin");
    let same = Command::new("cmp").arg(&file).arg(&placed).status().expect("cmp runs");
    assert!(same.success(), "the same bytes");
    assert_eq!(fs::read_dir(pair.inbox().join(".nuncio-parts")).expect("it is there").count(), 1, "its lock alone");
    for node in [&mut near, &mut far] {
        let most = most_memory(node);
        assert!(most < LENGTH / 2, "{most} bytes");
    }
    let listed = pair.net.ask(1, &["files"]).must_succeed().objects();
    let [file_there] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((&file_there["node_id"], &file_there["state"]), (&pair.ids[0].as_str().into(), &"done".into()));
    assert_eq!((&file_there["name"], &file_there["received"]), (&"long.bin".into(), &LENGTH.into()));
    // Once more: nothing is sent, nothing replaced.
    let again = Run::of(&mut command(pair.send(&file))).must_succeed();
    assert_eq!(again.objects()[0]["resumed"], LENGTH);
    File::options().write(true).open(&file).expect("it is there").write_all_at(b"other", 0).expect("it is written");
    let refused = Run::of(&mut command(pair.send(&file)));
    assert_eq!(refused.error_object()["error"], "refused");
    assert!(refused.stderr.contains("there already"), "{}", refused.stderr);
}

#[test]
fn a_full_disk_is_told_to_the_sender_and_what_came_stays() {
    let pair = Pair::new();
    let _near = pair.start(0);
    // No file of the receiver grows over 2 MiB.
    let program = assert_cmd::cargo::cargo_bin!("nuncio");
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 4096; exec \"$0\" run --config \"$1\""]).arg(program);
    let _far = pair.up(1, {
        limited.arg(pair.net.config(1));
        limited
    });
    let file = pair.file(8 * MIB);
    let refused = eventually("the receiver says it", || {
        let run = Run::of(&mut command(pair.send(&file)));
        (run.error_object()["error"] == "refused").then_some(run)
    });
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("cannot be written: File too large"), "{}", refused.stderr);
    assert!((1..=2 * MIB).contains(&pair.come()));
}

#[test]
fn who_takes_no_files_says_so_and_what_is_no_file_is_not_sent() {
    let pair = Pair::new();
    let (_near, far) = (pair.start(0), pair.start(1));
    let file = pair.file(100);
    let back = ["send-file", &pair.ids[0], &file, "--json", "--config", &pair.net.config(1)];
    let refused = eventually("they are linked", || {
        let run = Run::of(&mut command(back));
        (!run.stderr.contains("fits no known node")).then_some(run)
    });
    assert_eq!(refused.error_object()["error"], "no_handler", "{}", refused.stderr);
    assert!(refused.stderr.contains("[files] directory"), "{}", refused.stderr);
    let odd = pair.net.text("-odd");
    fs::write(&odd, "x").expect("it is written");
    let unnamed = Run::of(&mut command(pair.send(&odd)));
    assert_eq!((unnamed.code, unnamed.error_object()["error"].as_str()), (2, Some("usage")));
    let named = pair.send(&odd).into_iter().chain(["--name".to_owned(), "even".to_owned()]);
    Run::of(&mut command(named)).must_succeed();
    assert_eq!(fs::read(pair.inbox().join(&pair.ids[0]).join("even")).expect("it came"), b"x");
    let directory = Run::of(&mut command(pair.send(&pair.net.text("net"))));
    assert_eq!(directory.error_object()["error"], "file");
    // Nobody there: it is tried as long as one likes.
    drop(far);
    let near = pair.net.config(0);
    eventually("it is gone", || {
        let nodes = Run::of(&mut command(["nodes", "--json", "--config", &near])).must_succeed().objects();
        let is_far = |node: &serde_json::Value| node["node_id"] == *pair.ids[1] && node["reachable"] == true;
        (!nodes.iter().any(is_far)).then_some(())
    });
    let gone = pair.send(&file).into_iter().chain(["--patience".to_owned(), "1s".to_owned()]);
    let gone = Run::of(&mut command(gone));
    assert_eq!(gone.code, 1, "{}", gone.stderr);
    assert!(gone.stderr.contains("run the same command again"), "{}", gone.stderr);
}

/// A node that has all of it and computes for ever.
#[test]
fn a_node_that_never_ends_its_check_is_not_waited_for_without_end() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            std::thread::spawn(move || always_checking(socket));
        }
    });
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("a");
    fs::write(&file, "content").expect("it is written");
    let (file, admin) = (file.to_string_lossy().into_owned(), format!("http://{address}"));
    let began = Instant::now();
    let run =
        Run::of(&mut command(["send-file", "0123456789", &file, "--patience", "1s", "--json", "--admin", &admin]));
    assert_eq!((run.code, run.error_object()["error"].as_str()), (1, Some("timed_out")), "{}", run.stderr);
    assert!(run.stderr.contains("without an end") && run.stderr.contains("--patience"), "{}", run.stderr);
    assert!((1..20).contains(&began.elapsed().as_secs()));
}

fn always_checking(mut socket: TcpStream) {
    let mut buffer = [0; 4096];
    // One request is one read: its head and its short body.
    while matches!(socket.read(&mut buffer), Ok(1..)) {
        let body = r#"{"transfer":1,"received":7,"state":"checking"}"#;
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        if socket.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}
