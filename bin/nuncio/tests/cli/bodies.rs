//! Where the body of a message comes from.

use std::{
    fs::File,
    io::Write,
    process::{Command, Stdio},
};

use super::support::{Run, command};

/// Refused for its length before a node is looked for: whoever says so has read it.
const TOO_LONG: u64 = (10 << 20) + 1;

fn broadcast(arguments: &[&str]) -> Command {
    command(["--json", "broadcast", "--admin", "unix:/nowhere"].iter().chain(arguments))
}

#[test]
fn what_is_piped_in_is_the_body_with_a_dash_and_without() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("body");
    File::create(&path).unwrap().set_len(TOO_LONG).unwrap();
    for arguments in [&[][..], &["-"], &["--file", "-"]] {
        let run = Run::of(broadcast(arguments).stdin(File::open(&path).unwrap()));
        assert_eq!(run.error_object()["error"], "too_large", "{arguments:?}");

        let mut child = broadcast(arguments).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // The program may have read enough and gone before all is written.
        let _ = pipe.write_all(&vec![0; TOO_LONG as usize]);
        drop(pipe);
        let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
        assert!(said.contains("too_large"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_pipe_that_stays_silent_holds_no_script_up() {
    let mut child = broadcast(&[]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pipe = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(pipe);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the body is empty") && said.contains("unreachable"), "{said}");
}

#[test]
fn a_body_is_named_once() {
    for arguments in [&["-", "--data", "x"][..], &["--file", "x", "-"], &["text"]] {
        let run = Run::of(broadcast(arguments).stdin(Stdio::null()));
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stderr);
    }
}
