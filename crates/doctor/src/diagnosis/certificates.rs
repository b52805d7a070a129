//! The certificates of both sides.

use std::time::Duration;

use nuncio_pki::{Anchors, Certificate, ChainError, Leaf, Stated};
use nuncio_plain::argument;
use nuncio_transport::HandshakeError;
use rustls_pki_types::UnixTime;

use crate::{Check, Credentials, Facts, Finding, P2pOutcome};

use super::{length, text};

/// How long before its end a certificate is worth a note.
const SOON: Duration = Duration::from_secs(14 * 86_400);

pub(super) fn of_own(facts: &Facts) -> Vec<Finding> {
    let Some(own) = &facts.own else { return Vec::new() };
    let (cert, named) = (own.paths.cert.display(), argument(&own.paths.cert));
    let faults = own.anchors.faults(&own.chain, facts.now, own.purpose());
    if let Some(finding) = of_role(own).filter(|_| faults.is_empty()) {
        return vec![finding];
    }
    if faults.is_empty() {
        return vec![good(Check::OwnCertificate, "the certificate shown", &own.chain, facts.now, &renewal(own))];
    }
    let explain = |fault| {
        let (what, why) =
            words(&fault, &format!("the certificate shown ({cert})"), &own.paths.ca.display().to_string());
        let fix = match fault {
            ChainError::Expired { .. } => renewal(own),
            ChainError::NotYetValid { .. } => format!(
                "date -u: set this machine's clock right (chronyc makestep); if it is right, issue the certificate anew \
                 (nuncio cert inspect {named})"
            ),
            ChainError::UnknownIssuer { .. } | ChainError::WrongIssuerKey { .. } => format!(
                "{cert} must hold the certificate and its agency's, and {} the root above both: nuncio cert inspect {named}",
                own.paths.ca.display()
            ),
            other => other.hint(),
        };
        Finding::fault(Check::OwnCertificate, what, why, fix)
    };
    faults.into_iter().map(explain).collect()
}

/// Files of one role under the names of another.
fn of_role(own: &Credentials) -> Option<Finding> {
    let (role, stated) = (own.owner.role(), own.chain.first()?.stated_roles());
    if own.paths.roles.admits(role, stated) {
        return None;
    }
    let cert = own.paths.cert.display();
    let what = format!("the certificate shown ({cert}) has {stated}, and its file is named as one of role {role}");
    let fix = format!(
        "nuncio cert issue NAME --ca DIR --out DIR --kind {role}; if no certificate of this network tells nodes from SDKs: \
         [identity] roles = \"any\" in nuncio.toml of each node"
    );
    let why = "each port takes one role: p2p ports nodes, channel ports SDKs";
    Some(match stated {
        Stated::Nothing => Finding::note(Check::OwnCertificate, what, why, fix),
        _ => Finding::fault(Check::OwnCertificate, what, why, fix),
    })
}

pub(super) fn of_peer(facts: &Facts) -> Vec<Finding> {
    if let Some(outcome) = &facts.p2p {
        return in_p2p(outcome).into_iter().collect();
    }
    let Some(attempt) = facts.best_handshake().filter(|one| !one.chain.is_empty()) else { return Vec::new() };
    let mut findings = Vec::new();
    if attempt.proved == Some(false) {
        findings.push(Finding::fault(
            Check::PeerCertificate,
            "the other side does not hold the key of the certificate it shows",
            "its signature in the handshake does not hold: key and certificate do not belong together, or somebody is \
             in between",
            "put the matching pair of key and certificate on that side (nuncio cert inspect FILE)",
        ));
    }
    let faults = match &facts.own {
        Some(own) => own.anchors.faults(&attempt.chain, facts.now, Leaf::Server),
        // Whom to trust is not known; time can be judged all the same.
        None => {
            let faults = Anchors::new(Vec::new()).faults(&attempt.chain, facts.now, Leaf::Server);
            faults.into_iter().filter(is_about_time).collect()
        }
    };
    if faults.is_empty() && findings.is_empty() {
        findings.push(match &facts.own {
            Some(_) => {
                good(Check::PeerCertificate, "the other side's certificate", &attempt.chain, facts.now, RENEW_THERE)
            }
            None => unjudged(&attempt.chain[0]),
        });
    }
    findings.extend(faults.iter().map(|fault| of_peer_fault(fault, facts.own.as_ref())));
    findings
}

/// Whether another clock could make it go away.
const fn is_about_time(fault: &ChainError) -> bool {
    matches!(fault, ChainError::Expired { .. } | ChainError::NotYetValid { .. })
}

const RENEW_THERE: &str = "on the other side: nuncio cert renew FILE --ca DIR, for the same key";

/// The transport says it in words of its own.
fn in_p2p(outcome: &P2pOutcome) -> Option<Finding> {
    match outcome {
        P2pOutcome::Admitted(node) => {
            Some(Finding::good(Check::PeerCertificate, format!("node {} is admitted by this side", node.short())))
        }
        P2pOutcome::Failed(error @ HandshakeError::Refused { refusal, .. }) => {
            let node = error.node().map_or_else(|| "the peer".to_owned(), |node| format!("node {}", node.short()));
            let what = format!("{node} is refused by this side");
            Some(Finding::fault(Check::PeerCertificate, what, refusal.to_string(), refusal.hint()))
        }
        P2pOutcome::Failed(error @ HandshakeError::Leaf { .. }) => Some(Finding::fault(
            Check::PeerCertificate,
            "the other side does not prove who it is",
            error.to_string(),
            error.hint().unwrap_or_default(),
        )),
        P2pOutcome::Failed(_) => None,
    }
}

fn of_peer_fault(fault: &ChainError, own: Option<&Credentials>) -> Finding {
    let ca = own.map_or_else(|| "ca.crt".to_owned(), |own| own.paths.ca.display().to_string());
    let (what, why) = words(fault, "the other side's certificate", &ca);
    let fix = match fault {
        ChainError::Expired { .. } => {
            format!("{RENEW_THERE}; if it should still be valid, compare date -u on both machines")
        }
        ChainError::NotYetValid { .. } => {
            "compare date -u on both machines and set the wrong clock right (chronyc makestep); if both are right, the \
             certificate begins too late: issue it anew"
                .to_owned()
        }
        ChainError::UnknownIssuer { .. } => format!(
            "if it is the right node, both sides need the ca.crt of one network (sha256sum {ca} on both), and its \
             node.crt must hold the agency's certificate too; RSA certificates have a root per agency"
        ),
        ChainError::WrongIssuerKey { .. } => format!(
            "compare the ca.crt of both sides (sha256sum {ca}): two authorities share one name, as networks made twice \
             with the same names do; copy the right one"
        ),
        ChainError::Unacceptable { .. } | ChainError::NotAnAuthority { .. } => {
            format!("on the other side: {}", fault.hint())
        }
        _ => {
            "nuncio cert inspect node.crt on the other side, then nuncio cert issue NAME --ca DIR --out DIR".to_owned()
        }
    };
    Finding::fault(Check::PeerCertificate, what, why, fix)
}

/// What a fault is and where it comes from.
fn words(fault: &ChainError, whose: &str, ca: &str) -> (String, String) {
    match fault {
        ChainError::UnknownIssuer { who, issuer } => (
            format!("{whose} is of another authority: it does not lead to {ca}"),
            format!("that of {who} leads to {issuer}, which is neither there nor in the chain"),
        ),
        ChainError::WrongIssuerKey { who, issuer } => (
            format!("{whose} is of another authority that has the same name as ours"),
            format!("that of {who} leads to {issuer}, but not to the key of {issuer} in {ca}"),
        ),
        ChainError::Expired { who, not_after } => {
            (format!("{whose} has expired"), format!("{who} ended on {} by this machine's clock", text(*not_after)))
        }
        ChainError::NotYetValid { who, not_before } => (
            format!("{whose} is not valid yet"),
            format!("{who} begins on {} by this machine's clock", text(*not_before)),
        ),
        ChainError::NotAnAuthority { .. } => (format!("{whose} was issued by what may not issue"), fault.to_string()),
        other => (format!("{whose} is refused"), other.to_string()),
    }
}

fn good(check: Check, whose: &str, chain: &[Certificate], now: UnixTime, renew: &str) -> Finding {
    let Some(end) = chain.iter().min_by_key(|one| one.not_after().as_secs()) else {
        return Finding::good(check, format!("{whose} is there"));
    };
    let left = Duration::from_secs(end.not_after().as_secs().saturating_sub(now.as_secs()));
    let subject = chain[0].subject();
    if left < SOON {
        let what = format!("{whose} ends in {}", length(left));
        return Finding::note(check, what, format!("{} ends on {}", end.subject(), text(end.not_after())), renew);
    }
    Finding::good(check, format!("{whose} is good: {subject}, until {}", text(end.not_after())))
}

fn unjudged(leaf: &Certificate) -> Finding {
    Finding::note(
        Check::PeerCertificate,
        format!("the other side is {}, issued by {}", leaf.subject(), leaf.issuer()),
        "whether to trust that cannot be said without a ca.crt",
        "--certs DIR, or --config FILE of a node",
    )
}

fn renewal(own: &Credentials) -> String {
    format!("nuncio cert renew {} --ca DIR", argument(&own.paths.cert))
}
