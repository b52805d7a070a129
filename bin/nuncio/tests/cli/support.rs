//! Runs the program and reads what it said.

use std::{ffi::OsStr, process::Command};

/// What one run of the program did.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Run {
    pub(super) fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the program runs");
        Self {
            code: output.status.code().expect("it exits by itself"),
            stdout: String::from_utf8(output.stdout).expect("standard output is text"),
            stderr: String::from_utf8(output.stderr).expect("standard error is text"),
        }
    }

    /// The JSON object that an error is with `--json`: the last line of standard error.
    pub(super) fn error_object(&self) -> serde_json::Value {
        let line = self.stderr.lines().last().expect("there is an error");
        serde_json::from_str(line).unwrap_or_else(|_| panic!("not an object: {line}"))
    }

    /// The JSON objects on standard output.
    pub(super) fn objects(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
    }

    pub(super) fn must_succeed(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    pub(super) fn must_be_one_line_and_a_hint(&self) {
        let lines: Vec<_> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{}", self.stderr);
        assert!(lines[0].starts_with("error: "), "{}", self.stderr);
        assert!(lines[1].starts_with("hint: "), "{}", self.stderr);
    }
}

/// Runs the program in an empty directory, with no node named by the environment.
pub(super) fn nuncio<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Run {
    let directory = tempfile::tempdir().expect("a directory");
    Run::of(command(arguments).current_dir(&directory))
}

pub(super) fn command<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("nuncio"));
    command.args(arguments).env_remove("NUNCIO_ADMIN").env_remove("NUNCIO_TOKEN");
    command
}
