//! A file system that does not answer.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

/// Holds a lease of a file: the kernel lets nobody else open it as long as that is.
const HOLDS: &str = "
import fcntl, os, signal, sys
file = os.open(sys.argv[1], os.O_RDWR)
signal.signal(signal.SIGIO, lambda *_: print('asked', flush=True))
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('held', flush=True)
sys.stdin.read()
";

/// A file that nobody can open until this is dropped, and for less than a minute.
pub(crate) struct Silent {
    holder: Child,
    says: BufReader<ChildStdout>,
}

impl Silent {
    pub(crate) fn make(path: &Path) -> Self {
        let mut python = Command::new("python3");
        let python = python.args(["-c", HOLDS]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = python.spawn().unwrap();
        let says = BufReader::new(holder.stdout.take().unwrap());
        let mut silent = Self { holder, says };
        silent.hear("held");
        silent
    }

    /// Waits until somebody wants to open it.
    pub(crate) fn asked(mut self) -> Self {
        self.hear("asked");
        self
    }

    fn hear(&mut self, word: &str) {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), word);
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.holder.kill().unwrap();
        self.holder.wait().unwrap();
    }
}
