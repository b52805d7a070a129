//! What became of a request, as the header says it.

use std::fmt;

/// The result field of a header: 0 in requests and successes. Codes without a name here are carried as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResultCode(pub i32);

impl ResultCode {
    /// A request; or a subscriber answered; or the multicast was accepted.
    pub const OK: Self = Self(0);
    /// No node knows a subscriber of the topic, or none could be reached.
    pub const NO_SUBSCRIBER: Self = Self(100);
    /// The subscribing client cannot be reached. In SDK documentation only: nodes do not send it.
    pub const CLIENT_UNREACHABLE: Self = Self(101);
    /// Nobody answered in time.
    pub const TIMEOUT: Self = Self(102);
    /// Refused by a rate limit.
    pub const OVER_LIMIT: Self = Self(103);
    /// Subscribers were tried and were gone.
    pub const SUBSCRIBER_GONE: Self = Self(104);

    /// The publisher may not publish to the topic. FISCO BCOS gives this number to an SDK that is not allowed to call
    /// something; in an AMOP answer it is Nuncio's own, and SDKs report it as an error.
    pub const DENIED: Self = Self(-40012);

    /// Whether this is success.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// The code in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::OK => "ok",
            Self::NO_SUBSCRIBER => "no reachable node has a subscriber of the topic",
            Self::CLIENT_UNREACHABLE => "the subscriber cannot be reached",
            Self::TIMEOUT => "no subscriber answered in time",
            Self::OVER_LIMIT => "refused: over the rate limit",
            Self::SUBSCRIBER_GONE => "the subscribers that were tried are gone",
            Self::DENIED => "denied: this certificate may not publish to the topic",
            Self(_) => "refused with an application's own code",
        }
    }
}

impl From<i32> for ResultCode {
    fn from(code: i32) -> Self {
        Self(code)
    }
}

impl From<ResultCode> for i32 {
    fn from(code: ResultCode) -> Self {
        code.0
    }
}

impl fmt::Display for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.words())
    }
}
