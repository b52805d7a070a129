//! What is left when a command is interrupted.

use std::{fs, path::Path, process::Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    processes::{Kept, eventually},
    support::command,
};

#[test]
fn no_private_key_outlives_a_bench_or_a_demo_that_is_interrupted() {
    for (arguments, signal) in [
        (&["bench", "unicast", "--measure-ms", "60000"][..], Signal::INT),
        (&["bench", "unicast", "--measure-ms", "60000"], Signal::TERM),
        (&["testnet", "demo"], Signal::TERM),
        (&["testnet", "demo"], Signal::HUP),
    ] {
        let directory = tempfile::tempdir().unwrap();
        // Whoever runs the tests may ignore SIGHUP, as `nohup` does, and all that is started has that of it.
        let mut with_signals = std::process::Command::new("env");
        with_signals.arg("--default-signal=HUP").arg(command::<&str>([]).get_program()).args(arguments);
        let mut child =
            Kept::spawn(with_signals.env("TMPDIR", directory.path()).stdout(Stdio::null()).stderr(Stdio::null()));
        eventually("it writes a key", || has_key(directory.path()).then_some(()));
        let pid = i32::try_from(child.child().id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
        let status = child.ended();
        assert_eq!(status.code(), Some(1), "{arguments:?}: {status}");
        let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{arguments:?}: {left:?}");
    }
}

#[test]
fn what_was_started_with_nohup_goes_on_when_its_terminal_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let bench = ["bench", "unicast", "--in-flight", "1", "--measure-ms", "500"];
    let mut nohup = std::process::Command::new("nohup");
    nohup.arg(command::<&str>([]).get_program()).args(bench).env("TMPDIR", directory.path());
    let mut child = Kept::spawn(nohup.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    eventually("it writes a key", || has_key(directory.path()).then_some(()));
    let pid = i32::try_from(child.child().id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    let status = child.ended();
    assert!(status.success(), "{status}");
}

fn has_key(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.any(|path| if path.is_dir() { has_key(&path) } else { path.extension().is_some_and(|end| end == "key") })
}
