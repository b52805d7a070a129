use crate::{AuthorityError, ChainError, DirectoryError, RequestError, authority::JoinRefusal};

/// Why a certificate is not renewed, in words for who asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The node has asked as often as it may.
    #[error("asked too often: a node may ask {per_hour} times an hour")]
    TooOften {
        /// How often it may.
        per_hour: u32,
    },
    /// More nodes have asked within an hour than are counted.
    #[error("too many nodes have asked within an hour; ask later")]
    Crowded,
    /// The request is longer than any can be.
    #[error("a request of {bytes} bytes; {limit} at most")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The request is none, or its key did not sign it.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Who asks has another key than what it shows.
    #[error("{what} is for {found}, and node {asker} asks")]
    OtherKey {
        /// The request or the certificate.
        what: &'static str,
        /// Whose key is in it, first digits.
        found: String,
        /// Who asks, first digits.
        asker: String,
    },
    /// The certificate that is shown does not hold here.
    #[error("the certificate there is does not hold: {0}")]
    Chain(Box<ChainError>),
    /// Another authority issued it.
    #[error("the certificate there is was issued by {issuer}; this is {agency}, with a key of its own")]
    OtherAgency {
        /// Who issued it, RFC 4514.
        issuer: String,
        /// Who was asked, RFC 4514.
        agency: String,
    },
    /// It is not, or not only, a node's.
    #[error("the certificate of {subject} states {stated}; only those of nodes are renewed here")]
    OtherRole {
        /// Whose, RFC 4514.
        subject: String,
        /// What it states.
        stated: String,
    },
    /// Another name is asked for.
    #[error("the request is for {asked}, the certificate there is for {held}: a renewal keeps the name")]
    OtherName {
        /// What is asked for, RFC 4514.
        asked: String,
        /// What there is, RFC 4514.
        held: String,
    },
    /// The request asks for extensions.
    #[error("the request asks for attributes, such as extensions: a renewal keeps those there are")]
    Attributes,
    /// The node is not among those that this agency renews.
    #[error("{name} is not among the nodes that are renewed here ([issuer] only)")]
    NotListed {
        /// Its name.
        name: String,
    },
    /// A certificate of the node's was revoked, this one or another.
    #[error("certificate {serial} of this node was revoked; whoever has its key gets no other")]
    Revoked {
        /// Its serial number, hexadecimal.
        serial: String,
    },
    /// A list says of the node's key that it gets no more: one of its certificates was revoked, by whomever it was issued.
    #[error("the key of node {node} was taken back by a revocation list of this agency; it gets no other certificate")]
    KeyTakenBack {
        /// Which, first digits.
        node: String,
    },
    /// The node has as many certificates that still hold as are noted of one.
    #[error("{held} certificates of this node still hold; no more are issued")]
    TooMany {
        /// How many.
        held: usize,
    },
    /// As many certificates are noted as are noted at all.
    #[error("this agency has {held} certificates that still hold, and notes no more")]
    Full {
        /// How many.
        held: usize,
    },
    /// What would be issued would not be accepted.
    #[error("what would be issued would not hold: {0}")]
    Unsound(Box<ChainError>),
    /// The invitation does not let it in.
    #[error(transparent)]
    Join(#[from] JoinRefusal),
    /// The authority's files, or its token, do not serve.
    #[error("the agency cannot issue now: {0}")]
    Authority(#[from] AuthorityError),
}

impl IssueError {
    /// What who asked is told: nothing of the files here.
    pub fn told(&self) -> String {
        match self {
            Self::Authority(_) => "the agency cannot issue now; the log of its node says why".to_owned(),
            other => other.to_string(),
        }
    }

    pub(super) fn chain(source: ChainError) -> Self {
        Self::Chain(Box::new(source))
    }
}

impl From<DirectoryError> for IssueError {
    fn from(error: DirectoryError) -> Self {
        Self::Authority(error.into())
    }
}
