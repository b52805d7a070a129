use std::fmt;

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Check {
    /// The host name.
    Name,
    /// The TCP connection.
    Connection,
    /// What the port speaks.
    Port,
    /// Versions, curves and ciphers of TLS.
    Tls,
    /// The certificates of whoever asks.
    OwnCertificate,
    /// The certificates of the other side.
    PeerCertificate,
    /// Whether the other side lets in whoever asks.
    Admission,
    /// The clocks of both sides.
    Clock,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Good,
    /// Worth knowing; nothing is broken by it now.
    Note,
    /// Something does not work because of it.
    Fault,
}

/// One thing the doctor has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How much it matters.
    pub severity: Severity,
    /// What was found, in one line.
    pub what: String,
    /// How that is known, or what it comes from; may be empty.
    pub why: String,
    /// What mends it, a command where there is one; empty when there is nothing to mend.
    pub fix: String,
}

impl Check {
    /// A stable name in snake case, for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Connection => "connection",
            Self::Port => "port",
            Self::Tls => "tls",
            Self::OwnCertificate => "own_certificate",
            Self::PeerCertificate => "peer_certificate",
            Self::Admission => "admission",
            Self::Clock => "clock",
        }
    }
}

impl Severity {
    /// A stable name in lower case, for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Fault => "fault",
        }
    }
}

impl Finding {
    pub(crate) fn good(check: Check, what: impl Into<String>) -> Self {
        Self { check, severity: Severity::Good, what: what.into(), why: String::new(), fix: String::new() }
    }

    pub(crate) fn note(check: Check, what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, severity: Severity::Note, what: what.into(), why: why.into(), fix: fix.into() }
    }

    pub(crate) fn fault(check: Check, what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, severity: Severity::Fault, what: what.into(), why: why.into(), fix: fix.into() }
    }

    /// What and why in one sentence.
    pub fn detail(&self) -> String {
        if self.why.is_empty() { self.what.clone() } else { format!("{}: {}", self.what, self.why) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.severity.as_str(), self.check.as_str(), self.detail())?;
        if self.fix.is_empty() { Ok(()) } else { write!(f, "; fix: {}", self.fix) }
    }
}
