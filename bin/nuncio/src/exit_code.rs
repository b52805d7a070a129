//! The exit codes users can rely on.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// The operation failed.
    Failed = 1,
    /// The command line was not understood.
    Usage = 2,
    /// The node cannot be reached.
    Unreachable = 69,
    /// Not ready yet.
    NotReady = 75,
    /// Bad configuration or certificate.
    Configuration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
