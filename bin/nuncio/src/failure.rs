//! How a command says that it failed: one line with its causes, then a hint.

use std::{error::Error, fmt, io};

use crate::exit_code::Exit;

/// Why a command failed, ready to be shown.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// A stable name in snake case, for programs.
    pub(crate) code: &'static str,
    /// One line: what failed and why.
    pub(crate) message: String,
    /// What the user can do.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure that exits with `exit`.
    pub(crate) fn new(exit: Exit, code: &'static str, message: impl fmt::Display) -> Self {
        Self { exit, code, message: one_line(&message.to_string()), hint: None }
    }

    /// The operation failed: exit code 1.
    pub(crate) fn operation(code: &'static str, message: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, code, message)
    }

    /// An argument that clap cannot judge: exit code 2.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// Bad configuration or certificate: exit code 78.
    pub(crate) fn configuration(code: &'static str, message: impl fmt::Display) -> Self {
        Self::new(Exit::Configuration, code, message)
    }

    /// A file could not be read or written: exit code 1.
    pub(crate) fn file(action: &str, path: &std::path::Path, error: &io::Error) -> Self {
        let failure = Self::operation("file", format_args!("{action} {}: {error}", path.display()));
        match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                failure.hint("there is a file where a directory is wanted: name another path, or move it away")
            }
            io::ErrorKind::InvalidInput => failure.hint("write what comes out of it into a file, and name that"),
            io::ErrorKind::StorageFull => failure.hint("make room on that file system"),
            _ => failure,
        }
    }

    /// Adds what the user can do.
    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(one_line(&hint.to_string()));
        self
    }

    /// The node ended a stream.
    pub(crate) fn from_stopped_node() -> Self {
        Self::new(Exit::Unreachable, "interrupted", "the node stopped or ended the subscription")
            .hint("see the node's log")
    }

    /// Standard output was closed by its reader: nobody is there to be told.
    pub(crate) fn output_closed() -> Self {
        Self::new(Exit::Done, "output_closed", "standard output was closed")
    }
}

/// The error and its causes on one line; a cause that its parent already quotes is not said twice.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    one_line(&text)
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    #[test]
    fn causes_are_joined_and_never_repeated() {
        let inner = Link { text: "refused", source: None };
        let quoting = Link { text: "dial: refused", source: Some(Box::new(inner)) };
        let outer = Link { text: "no link", source: Some(Box::new(quoting)) };
        assert_eq!(causes(&outer), "no link: dial: refused");
    }

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(Failure::operation("x", "a\n  b\n\n").message, "a · b");
    }
}
