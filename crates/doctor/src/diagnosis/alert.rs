//! What an alert of the other side means.

use rustls::AlertDescription as Alert;

/// What the other side has against the certificate it was shown, or against its absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Objection {
    /// It does not lead to an authority there.
    Untrusted,
    /// It has ended, by the clock there.
    Expired,
    /// It was taken back.
    Revoked,
    /// There was none.
    Missing,
    /// It may not come in.
    Denied,
    /// The signature with its key does not hold.
    Unproved,
}

/// `None` when the alert is not about a certificate. `asked` and `shown`: for and which certificate there was.
pub(super) fn objection(error: &rustls::Error, asked: bool, shown: bool) -> Option<Objection> {
    let rustls::Error::AlertReceived(alert) = error else { return None };
    Some(match alert {
        Alert::CertificateRequired => Objection::Missing,
        // OpenSSL's word for a missing certificate in TLS 1.2.
        Alert::HandshakeFailure | Alert::BadCertificate | Alert::NoCertificate if asked && !shown => Objection::Missing,
        Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown | Alert::UnsupportedCertificate => {
            Objection::Untrusted
        }
        Alert::CertificateExpired => Objection::Expired,
        Alert::CertificateRevoked => Objection::Revoked,
        Alert::AccessDenied => Objection::Denied,
        Alert::DecryptError if asked && shown => Objection::Unproved,
        _ => return None,
    })
}
