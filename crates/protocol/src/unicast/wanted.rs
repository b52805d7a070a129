use bytes::Bytes;

use super::Content;
use crate::{MAX_BODY, MAX_SERVICE_BODY};

/// What a request says, and to whom at its target.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// To the application.
    Application(Bytes),
    /// To the node itself.
    Service(Bytes),
}

impl Wanted {
    pub(super) const fn body(&self) -> &Bytes {
        match self {
            Self::Application(body) | Self::Service(body) => body,
        }
    }

    pub(super) const fn limit(&self) -> usize {
        match self {
            Self::Application(_) => MAX_BODY,
            Self::Service(_) => MAX_SERVICE_BODY,
        }
    }
}

impl From<Wanted> for Content {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Application(body) => Self::Request { body },
            Wanted::Service(body) => Self::ServiceRequest { body },
        }
    }
}
