use nuncio_metrics::AdminRefusal;
use nuncio_pki::ChainError;

use crate::api::{ErrorCode, Failure};

/// Why somebody is not answered, and what that is counted as.
pub(super) struct Rejection {
    pub(super) cause: AdminRefusal,
    pub(super) failure: Failure,
}

impl Rejection {
    /// His certificate does not hold here.
    pub(super) fn of_chain(error: &ChainError) -> Self {
        let failure = Failure::new(ErrorCode::Unauthorized, error.to_string()).with_hint(error.hint());
        Self { cause: cause_of(error), failure }
    }

    /// He is of another agency than the node.
    pub(super) const fn of_agency(failure: Failure) -> Self {
        Self { cause: AdminRefusal::OtherAgency, failure }
    }
}

pub(super) fn cause_of(error: &ChainError) -> AdminRefusal {
    AdminRefusal::named(error.fault().name()).unwrap_or(AdminRefusal::Chain)
}

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        let cause = match failure.error {
            ErrorCode::Unauthorized => AdminRefusal::Unauthorized,
            ErrorCode::Forbidden => AdminRefusal::Forbidden,
            ErrorCode::Denied => AdminRefusal::Origin,
            _ => AdminRefusal::Other,
        };
        Self { cause, failure }
    }
}

#[cfg(test)]
mod tests {
    use nuncio_pki::ChainFault;

    use super::*;

    #[test]
    fn each_refusal_is_counted_as_what_it_is() {
        for (error, cause) in [
            (ErrorCode::Unauthorized, AdminRefusal::Unauthorized),
            (ErrorCode::Forbidden, AdminRefusal::Forbidden),
            (ErrorCode::Denied, AdminRefusal::Origin),
            (ErrorCode::Busy, AdminRefusal::Other),
        ] {
            assert_eq!(Rejection::from(Failure::new(error, String::new())).cause, cause, "{error:?}");
        }
        let agency = Rejection::of_agency(Failure::new(ErrorCode::Forbidden, String::new()));
        assert_eq!(agency.cause, AdminRefusal::OtherAgency);
        assert_eq!(Rejection::of_chain(&ChainError::NoCertificate).cause, AdminRefusal::Chain);
        for fault in ChainFault::ALL {
            assert!(AdminRefusal::named(fault.name()).is_some(), "{fault:?}");
        }
    }
}
