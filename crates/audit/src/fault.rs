/// Where a chain is broken, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {fault}")]
pub struct Break {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It is no entry.
    #[error("it is no entry of an audit log: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// It has no end.
    #[error("it has no end: the writer was stopped in the middle, or the file was cut")]
    Torn,
    /// Its number is not the next.
    #[error(
        "it has number {found}, and {expected} comes next: {}",
        if found > expected { "lines before it are missing" } else { "it stands in another place than it was written" }
    )]
    Number {
        /// The number that comes next.
        expected: u64,
        /// Its number.
        found: u64,
    },
    /// What stands before it is not what stood there when it was written.
    #[error("what was written before it was changed: line {before} has another hash than the one here")]
    Changed {
        /// The line before.
        before: String,
    },
    /// A file begins with something else than a file begins with.
    #[error("a file begins with an entry `opened`, not `{found}`")]
    NotOpened {
        /// What it begins with.
        found: String,
    },
    /// It is another node's.
    #[error("it is the log of node {found}, not of {expected}")]
    OtherNode {
        /// Whose it should be.
        expected: String,
        /// Whose it is.
        found: String,
    },
    /// The signature is not the node's over this.
    #[error("its signature is not node {node}'s over what stands there")]
    Signature {
        /// The node, first digits.
        node: String,
    },
    /// Older lines are not there, and no entry says that their file was removed.
    #[error("the {missing} lines before it are missing, and no entry says that their files were removed for age")]
    BeginningMissing {
        /// How many.
        missing: u64,
    },
    /// A line that was known is not there as it was.
    #[error("line {seq} is not as it was noted: {found}")]
    NotAsNoted {
        /// The number of the line.
        seq: u64,
        /// What is there.
        found: String,
    },
}
