//! How far the clocks of both sides are apart, as far as that can be seen.

use std::time::Duration;

use jiff::Timestamp;
use nuncio_transport::HandshakeError;
use rustls_pki_types::UnixTime;

use crate::{Check, Facts, Finding, HttpAnswer, Inside, P2pOutcome};

use super::{length, text};

/// Clocks closer than this do no harm, in seconds.
const TOLERATED: u64 = 60;

/// What a refusing node says before its clock.
const CLOCK_OF_REFUSING: &str = "the local clock of the refusing node says ";

/// The other side's clock beside ours, and how it was read.
struct Reading {
    theirs: UnixTime,
    ours: UnixTime,
    how: &'static str,
}

pub(super) fn findings(facts: &Facts) -> Option<Finding> {
    if let Some(reading) = reading(facts) {
        return Some(of_reading(&reading));
    }
    // Without a reading, certificates give a bound: nothing is issued in the future.
    let chain = facts.best_handshake().map(|one| one.chain.as_slice()).unwrap_or_default();
    let begun = chain.iter().map(|one| Duration::from_secs(one.not_before().as_secs())).max()?;
    let behind = begun.checked_sub(Duration::from_secs(facts.now.as_secs())).filter(|behind| !behind.is_zero())?;
    Some(Finding::note(
        Check::Clock,
        format!("this machine's clock may be behind by {} or more", length(behind)),
        format!(
            "measured from the beginning of the other side's certificate, {}, which this clock ({}) has not reached; its \
             clock itself cannot be seen",
            text(UnixTime::since_unix_epoch(begun)),
            text(facts.now)
        ),
        "date -u on both machines; timedatectl set-ntp true",
    ))
}

fn of_reading(reading: &Reading) -> Finding {
    let (theirs, ours) = (reading.theirs.as_secs(), reading.ours.as_secs());
    let apart = theirs.abs_diff(ours);
    let how = format!(
        "measured from {}: there {}, here {}; exact to about 2 s",
        reading.how,
        text(reading.theirs),
        text(reading.ours)
    );
    if apart <= TOLERATED {
        return Finding { why: how, ..Finding::good(Check::Clock, format!("both clocks agree to {apart} s")) };
    }
    let which = if theirs > ours { "ahead of" } else { "behind" };
    Finding::fault(
        Check::Clock,
        format!("the other side's clock is {} {which} this machine's", length(Duration::from_secs(apart))),
        how,
        "date -u on both machines shows which is wrong; timedatectl set-ntp true there, or chronyc makestep",
    )
}

fn reading(facts: &Facts) -> Option<Reading> {
    let of_http = |answer: &HttpAnswer| {
        Some(Reading { theirs: answer.date?, ours: answer.received, how: "the Date of its HTTP answer" })
    };
    if let Some(Inside::Http(answer)) = &facts.inside {
        return of_http(answer);
    }
    if let Some(answer) = &facts.http {
        return of_http(answer);
    }
    let Some(P2pOutcome::Failed(error)) = &facts.p2p else { return None };
    let words = match error {
        HandshakeError::RefusedByPeer { reason, .. } => reason,
        HandshakeError::Refused { answer: Some(reason), .. } => reason,
        _ => return None,
    };
    let clock = words.split_once(CLOCK_OF_REFUSING)?.1.split([' ', ';', ')']).next()?;
    let seconds = u64::try_from(clock.parse::<Timestamp>().ok()?.as_second()).ok()?;
    let theirs = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    Some(Reading { theirs, ours: facts.now, how: "the words of its refusal" })
}
