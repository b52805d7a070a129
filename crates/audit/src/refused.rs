use std::fmt;

use nuncio_metrics::Cause;
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// Why somebody or something was refused, in the words of `nuncio_refused_total`: `{"door": "sdk", "cause": "revoked"}`. The
/// sentence for people stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub Cause);

impl From<Cause> for Refused {
    fn from(cause: Cause) -> Self {
        Self(cause)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.door(), self.0.word())
    }
}

impl Serialize for Refused {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut both = serializer.serialize_struct("Refused", 2)?;
        both.serialize_field("door", self.0.door())?;
        both.serialize_field("cause", self.0.word())?;
        both.end()
    }
}
