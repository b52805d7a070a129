//! Instants as people read them.

use der::DateTime;
use rustls_pki_types::UnixTime;
use x509_cert::time::Time;

/// The last second that a certificate's four-digit year can say: 9999-12-31T23:59:59Z.
const LAST: u64 = 253_402_300_799;

/// RFC 3339 in UTC, to the second.
pub(crate) fn text(instant: UnixTime) -> String {
    i64::try_from(instant.as_secs())
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| format!("second {} of 1970", instant.as_secs()), |timestamp| timestamp.to_string())
}

pub(crate) fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

pub(crate) fn of(time: Time) -> UnixTime {
    UnixTime::since_unix_epoch(time.to_unix_duration())
}

/// For a certificate's field; what lies beyond the year 9999 is written as its last second.
pub(crate) fn encoded(instant: UnixTime) -> Time {
    let seconds = std::time::Duration::from_secs(instant.as_secs().min(LAST));
    let date = DateTime::from_unix_duration(seconds).unwrap_or(DateTime::INFINITY);
    Time::from(date)
}
