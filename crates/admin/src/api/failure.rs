use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an operation that failed is answered with, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The kind of failure, for programs.
    pub error: ErrorCode,
    /// One line with its causes, for people.
    pub message: String,
    /// What the operator can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without hint.
    pub fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self { error, message: message.into(), hint: None }
    }

    /// The same failure with a hint.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// A node ID prefix fits several nodes.
    Ambiguous,
    /// The request makes no sense: an address, topic, node ID, filter or body that cannot be read.
    BadRequest,
    /// A queue is full, or too many operations are under way; try again.
    Busy,
    /// The target's access list refuses this node.
    Denied,
    /// Who asks may look only.
    Forbidden,
    /// Something broke that should not have.
    Internal,
    /// This path does not know this method.
    MethodNotAllowed,
    /// No application at the target takes requests.
    NoHandler,
    /// No path to the node; its application did not see the request.
    NoRoute,
    /// There is nothing under this path, or no such peer or node.
    NotFound,
    /// The node is not ready yet.
    NotReady,
    /// Refused by the target for another reason.
    Refused,
    /// The node is stopping.
    Stopped,
    /// No answer in time; the application may have seen the request.
    TimedOut,
    /// The body is over the network's limit.
    TooLarge,
    /// Who asks has not proved who he is.
    Unauthorized,
    /// A code this version does not know.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// The code as JSON writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ambiguous => "ambiguous",
            Self::BadRequest => "bad_request",
            Self::Busy => "busy",
            Self::Denied => "denied",
            Self::Forbidden => "forbidden",
            Self::Internal => "internal",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NoHandler => "no_handler",
            Self::NoRoute => "no_route",
            Self::NotFound => "not_found",
            Self::NotReady => "not_ready",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
            Self::TimedOut => "timed_out",
            Self::TooLarge => "too_large",
            Self::Unauthorized => "unauthorized",
            Self::Unknown => "unknown",
        }
    }

    /// The HTTP status it is sent with.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::BadRequest | Self::Ambiguous => 400,
            Self::Unauthorized => 401,
            Self::Denied | Self::Forbidden | Self::Refused => 403,
            Self::NotFound | Self::NoRoute => 404,
            Self::MethodNotAllowed => 405,
            Self::NoHandler => 409,
            Self::TooLarge => 413,
            Self::Internal | Self::Unknown => 500,
            Self::Busy | Self::NotReady | Self::Stopped => 503,
            Self::TimedOut => 504,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
