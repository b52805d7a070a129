//! A node under a supervisor that speaks systemd's protocol.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::Write,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    processes::{Kept, Net},
    support::command,
};

/// Far more than any of it takes.
const LIMIT: Duration = Duration::from_secs(60);

struct Supervisor {
    socket: UnixDatagram,
}

impl Supervisor {
    fn at(path: &str) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(LIMIT)).expect("a limit");
        Self { socket }
    }

    fn hears(&self) -> String {
        let mut told = [0; 512];
        let length = self.socket.recv(&mut told).expect("it is told within the limit");
        String::from_utf8(told[..length].to_vec()).expect("text")
    }

    /// The next that is no sign of life.
    fn hears_of_a_change(&self) -> String {
        loop {
            let told = self.hears();
            if told.trim() != "WATCHDOG=1" {
                return told;
            }
        }
    }
}

#[test]
fn it_says_when_it_is_ready_reloads_stops_and_all_the_while_that_it_lives() {
    let net = Net::create(2, "full");
    let path = net.text("supervisor");
    let supervisor = Supervisor::at(&path);
    let mut node = Kept::spawn(
        command(["run", "--config", &net.config(0)])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "300000")
            .stdin(Stdio::null())
            .stderr(Stdio::null()),
    );
    let pid = Pid::from_child(node.child());
    assert_eq!(supervisor.hears_of_a_change().trim(), "READY=1");
    for _ in 0..3 {
        assert_eq!(supervisor.hears().trim(), "WATCHDOG=1");
    }
    kill_process(pid, Signal::HUP).expect("a child of ours");
    let told = supervisor.hears_of_a_change();
    assert!(told.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{told}");
    assert_eq!(supervisor.hears_of_a_change().trim(), "READY=1");
    kill_process(pid, Signal::TERM).expect("a child of ours");
    assert_eq!(supervisor.hears_of_a_change().trim(), "STOPPING=1");
    assert!(node.ended().success());
}

#[test]
fn a_start_that_waits_is_called_off_by_a_signal_and_reloaded_when_it_is_done() {
    let net = Net::create(2, "full");
    let (path, pipe, key) = (net.text("supervisor"), net.text("passphrase"), net.text("net/node0/conf/node.key"));
    let supervisor = Supervisor::at(&path);
    let run = |program: &str, arguments: &[&str]| {
        assert!(Command::new(program).args(arguments).status().expect("it runs").success(), "{program} {arguments:?}");
    };
    let sealed = net.text("sealed");
    run("openssl", &["pkcs8", "-topk8", "-in", &key, "-out", &sealed, "-passout", "pass:geheim"]);
    fs::set_permissions(&sealed, Permissions::from_mode(0o600)).expect("a file of ours");
    fs::rename(&sealed, &key).expect("a file of ours");
    run("mkfifo", &["-m", "600", &pipe]);
    let start = || {
        let node = Kept::spawn(
            command(["run", "--config", &net.config(0)])
                .env("NOTIFY_SOCKET", &path)
                .env("NUNCIO_KEY_PASSPHRASE_FILE", &pipe)
                // The channel port would ask for it a second time.
                .env("NUNCIO_GATEWAY__ENABLED", "false")
                .stdin(Stdio::null())
                .stderr(Stdio::null()),
        );
        // This waits until the node reads.
        (node, OpenOptions::new().write(true).open(&pipe).expect("a pipe"))
    };

    let (mut node, writer) = start();
    kill_process(Pid::from_child(node.child()), Signal::TERM).expect("a child of ours");
    assert_eq!(supervisor.hears_of_a_change().trim(), "STOPPING=1");
    assert!(node.ended().success());
    drop(writer);

    let (mut node, mut writer) = start();
    let pid = Pid::from_child(node.child());
    kill_process(pid, Signal::USR1).expect("a child of ours");
    kill_process(pid, Signal::HUP).expect("a child of ours");
    // The reload asks for the passphrase again.
    writer.write_all(b"geheim\n").expect("the node reads");
    drop(writer);
    assert_eq!(supervisor.hears_of_a_change().trim(), "READY=1");
    let told = supervisor.hears_of_a_change();
    assert!(told.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{told}");
    kill_process(pid, Signal::TERM).expect("a child of ours");
    assert!(node.ended().success());
}

#[test]
fn a_limit_of_files_ends_no_node() {
    let net = Net::create(2, "full");
    let path = net.text("supervisor");
    let supervisor = Supervisor::at(&path);
    let program = command::<&str>([]).get_program().to_owned();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 1; exec \"$0\" run --config \"$1\""]).arg(program).arg(net.config(0));
    let mut node = Kept::spawn(limited.env("NOTIFY_SOCKET", &path).stdin(Stdio::null()).stderr(Stdio::null()));
    assert_eq!(supervisor.hears_of_a_change().trim(), "READY=1");
    let pid = Pid::from_child(node.child());
    kill_process(pid, Signal::XFSZ).expect("a child of ours");
    kill_process(pid, Signal::POWER).expect("a child of ours");
    assert_eq!(supervisor.hears_of_a_change().trim(), "STOPPING=1");
    assert!(node.ended().success());
}
