//! Versions, curves and ciphers.

use rustls::AlertDescription as Alert;

use crate::{Check, Facts, Finding, Handshake, Offer, TlcpAnswer, TlsAttempt};

use super::{alert::objection, length};

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    if facts.tlcp == Some(TlcpAnswer::Spoken) {
        return Vec::new();
    }
    let Some(best) = facts.best_handshake() else { return Vec::new() };
    let mut findings: Vec<Finding> = of_handshake(facts, best).into_iter().collect();
    let done = matches!(best.outcome, Handshake::Done(_));
    let without = facts.tls.iter().find(|one| one.offer == Offer::WithoutSecp256k1);
    if done && without.is_some_and(refused_curve) {
        findings.push(Finding::note(
            Check::Tls,
            "it exchanges keys on the curve secp256k1 only",
            "a handshake without that curve failed; JDK 16 and later, browsers and most TLS libraries lack it",
            "for such clients use RSA certificates (nuncio cert issue NAME --ca DIR --out DIR --kind sdk-rsa) with a \
             gateway that has a channel_cert, or run the SDK on a JDK with secp256k1",
        ));
    }
    findings
}

fn refused_curve(attempt: &TlsAttempt) -> bool {
    use rustls::Error::{AlertReceived, PeerIncompatible};
    matches!(
        &attempt.outcome,
        Handshake::Failed(AlertReceived(Alert::HandshakeFailure | Alert::IllegalParameter) | PeerIncompatible(_))
    )
}

fn of_handshake(facts: &Facts, attempt: &TlsAttempt) -> Option<Finding> {
    let error = match &attempt.outcome {
        Handshake::Done(parameters) => return Some(Finding::good(Check::Tls, parameters)),
        Handshake::Failed(error) => error,
        Handshake::Closed(reason) if attempt.asked => return Some(closed(reason)),
        Handshake::Closed(reason) => {
            return Some(Finding::fault(
                Check::Tls,
                "the port speaks TLS, but hung up in the handshake",
                reason,
                "the log of the program there has the reason",
            ));
        }
        Handshake::TimedOut => {
            return Some(Finding::fault(
                Check::Tls,
                "the TLS handshake made no end",
                format!(
                    "it began, then nothing came within {}: a firewall that swallows large packets, or a hung program",
                    length(facts.patience)
                ),
                "try with a smaller MTU (ip link set dev DEV mtu 1300), and look at the log of the program there",
            ));
        }
    };
    if objection(error, attempt.asked, facts.own.is_some()).is_some() {
        return None;
    }
    Some(of_error(facts, error, attempt))
}

fn closed(reason: &str) -> Finding {
    Finding::fault(
        Check::Admission,
        "the other side hung up when it had seen the certificate shown, or that there was none",
        reason,
        "its log has the reason; it most likely wants a certificate of its own agency: --certs DIR with ca.crt, sdk.crt \
         and sdk.key of its network",
    )
}

fn of_error(facts: &Facts, error: &rustls::Error, attempt: &TlsAttempt) -> Finding {
    use rustls::Error::{AlertReceived, PeerIncompatible};
    let target = &facts.target;
    let offered = "offered were TLS 1.2 and 1.3 with ECDHE on X25519, P-256, P-384 and secp256k1, AES-GCM and ChaCha20";
    match error {
        AlertReceived(Alert::HandshakeFailure | Alert::InsufficientSecurity | Alert::IllegalParameter)
        | PeerIncompatible(_)
            if attempt.chain.is_empty() =>
        {
            Finding::fault(
                Check::Tls,
                "there is no curve, cipher or kind of certificate in common",
                format!("{error}; {offered}"),
                format!(
                    "openssl s_client -connect {target} shows what the server has; it must serve ECDHE with AES-GCM and \
                     a secp256k1 or RSA certificate (a node made with SM ciphers does not)"
                ),
            )
        }
        AlertReceived(Alert::ProtocolVersion) => Finding::fault(
            Check::Tls,
            "there is no version of TLS in common",
            format!("{error}; {offered}"),
            "switch on TLS 1.2 or 1.3 on the server",
        ),
        AlertReceived(alert) => Finding::fault(
            Check::Tls,
            format!("the other side ended the handshake with the alert {alert:?}"),
            "the log of the program there has the reason",
            format!("openssl s_client -connect {target} -msg shows the handshake"),
        ),
        other => Finding::fault(
            Check::Tls,
            "the TLS handshake failed on this side",
            other.to_string(),
            format!("openssl s_client -connect {target} -msg shows the handshake"),
        ),
    }
}
