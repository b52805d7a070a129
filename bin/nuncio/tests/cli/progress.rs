//! Bars on a terminal, and nothing of them elsewhere.

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::support::command;

/// A terminal: what is written to the second is read from the first.
fn terminal() -> (File, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).expect("it is ours");
    unlockpt(&master).expect("it can be opened");
    let side = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("its other side");
    (master.into(), side)
}

fn create(out: &str, place: &tempfile::TempDir) -> Command {
    let mut command = command(["testnet", "create", "--nodes", "3", "--out", out]);
    command.current_dir(place).env("TERM", "xterm").env_remove("NO_COLOR").stdout(Stdio::null());
    command
}

/// What the program writes to a terminal; reading one whose other side is closed is an error on Linux, and the end.
fn on_a_terminal(mut command: Command) -> String {
    let (mut screen, side) = terminal();
    let mut child = command.stderr(side).spawn().expect("the program runs");
    drop(command);
    let mut shown = Vec::new();
    let _ = screen.read_to_end(&mut shown);
    assert!(child.wait().expect("it ends").success());
    String::from_utf8(shown).expect("it is text")
}

#[test]
fn a_bar_says_how_far_it_is_and_goes() {
    let place = tempfile::tempdir().unwrap();
    let shown = on_a_terminal(create("net", &place));
    assert!(shown.contains("of 5") && shown.contains("agencies and nodes"), "{shown:?}");
    let (_, after) = shown.rsplit_once("\u{1b}[2K").expect("the last bar is wiped away");
    assert!(!after.contains("agencies and nodes") && after.contains("start it with"), "{after:?}");
}

#[test]
fn there_is_none_where_nobody_looks() {
    let place = tempfile::tempdir().unwrap();
    let piped = create("piped", &place).stderr(Stdio::piped()).output().unwrap();
    let mut plain = create("plain", &place);
    plain.env("NO_COLOR", "1");
    for shown in [String::from_utf8(piped.stderr).unwrap(), on_a_terminal(plain)] {
        assert!(shown.contains("start it with"), "{shown:?}");
        assert!(!shown.contains('\u{1b}') && !shown.contains("agencies and nodes"), "{shown:?}");
    }
}
