//! From facts to findings. Nothing here waits, opens or reads a clock.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::UnixTime;

use crate::{Check, Facts, Finding, Port, Severity};

mod admission;
mod alert;
mod certificates;
mod clock;
mod port;
mod reach;
#[cfg(test)]
mod tests;
mod tls;

/// Says what the facts mean, in the order in which a connection is made: from the host name to the clocks. Nothing is
/// wrong when no finding is a [`Severity::Fault`].
pub fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut findings = certificates::of_own(facts);
    findings.extend(reach::findings(facts));
    findings.extend(port::findings(facts));
    // Where TLS is the fault, its details are none of their own.
    if facts.expected != Some(Port::Plain) {
        findings.extend(tls::findings(facts));
        findings.extend(certificates::of_peer(facts));
        findings.extend(admission::findings(facts));
    }
    findings.extend(clock::findings(facts));
    // A wrong port explains what a right one would be asked for.
    let wrong_port = findings.iter().any(|one| one.check == Check::Port && one.severity == Severity::Fault);
    findings.retain(|one| !(wrong_port && one.check == Check::Admission && one.severity == Severity::Note));
    findings.sort_by_key(|one| order(one.check));
    findings
}

const fn order(check: Check) -> u8 {
    match check {
        Check::OwnCertificate => 0,
        Check::Name => 1,
        Check::Connection => 2,
        Check::Port => 3,
        Check::Tls => 4,
        Check::PeerCertificate => 5,
        Check::Admission => 6,
        Check::Clock => 7,
    }
}

/// RFC 3339 in UTC, to the second.
fn text(instant: UnixTime) -> String {
    i64::try_from(instant.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| format!("second {} of 1970", instant.as_secs()), |instant| instant.to_string())
}

/// A length of time in the unit that reads best.
fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{:.1} ms", duration.as_secs_f64() * 1e3),
        1..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Foreign bytes as one short harmless line.
fn printable(bytes: &[u8]) -> String {
    format!("{:?}", nuncio_plain::bytes(bytes, 32))
}
