//! Whether the other side lets in whoever asks.

use nuncio_pki::Role;
use nuncio_plain::argument;
use nuncio_transport::HandshakeError;

use crate::{Check, Credentials, Facts, Finding, Handshake, Inside, Opening, Owner, P2pOutcome, Port};

use super::alert::{Objection, objection};

pub(super) fn findings(facts: &Facts) -> Option<Finding> {
    if facts.opening == Opening::Nuncio {
        return in_p2p(facts);
    }
    let attempt = facts.best_handshake()?;
    let shown = facts.own.is_some();
    match (&attempt.outcome, &facts.inside) {
        (Handshake::Failed(error), _) | (Handshake::Done(_), Some(Inside::Refused(error))) => {
            Some(of_objection(facts, objection(error, attempt.asked, shown)?))
        }
        (Handshake::Done(_), _) if !attempt.asked => Some(Finding::note(
            Check::Admission,
            "it asks nobody for a certificate",
            "so whoever reaches the port gets in; a p2p or channel port always asks",
            "if it is a node's port, switch its check of certificates on (FISCO: [network_security], ssl_verify)",
        )),
        (Handshake::Done(_), Some(Inside::Channel(_) | Inside::FiscoP2p)) => Some(Finding::good(
            Check::Admission,
            if shown { "it lets in who has the certificate shown" } else { "it lets in without a certificate" },
        )),
        (Handshake::Done(_), Some(Inside::Closed)) if shown => Some(turned_away(facts)),
        _ => None,
    }
}

fn of_objection(facts: &Facts, objection: Objection) -> Finding {
    let own = facts.own.as_ref();
    if let Some(finding) = own.filter(|_| objection == Objection::Denied).and_then(|own| of_role(facts, own)) {
        return finding;
    }
    let cert = own.map_or_else(|| "the certificate".to_owned(), |own| own.paths.cert.display().to_string());
    let named = own.map_or_else(|| cert.clone(), |own| argument(&own.paths.cert));
    let issuer = own.and_then(|own| own.chain.first()).map(nuncio_pki::Certificate::issuer).unwrap_or_default();
    let (what, why, fix) = match objection {
        Objection::Missing => (
            "it demands a certificate, and none was shown".to_owned(),
            "it ended the handshake when there was none",
            "give the client ca.crt, its certificate and its key (here: --certs DIR, or --config FILE of a node)"
                .to_owned(),
        ),
        Objection::Untrusted => (
            format!("it refuses {cert}: another authority"),
            "its alert says that the certificate does not lead to an authority that it trusts",
            format!(
                "{cert} was issued by {issuer}: use certificates of that node's network, or add this root to its \
                 ca.crt (compare sha256sum ca.crt on both sides)"
            ),
        ),
        Objection::Expired => (
            format!("it refuses {cert}: expired"),
            "its alert says so; it judges by its own clock",
            format!(
                "nuncio cert inspect {named}; if it has ended, nuncio cert renew {named} --ca DIR, else compare date -u on \
                 both machines: the other clock is wrong"
            ),
        ),
        Objection::Revoked => (
            format!("it refuses {cert}: revoked"),
            "its alert says that a revocation list names the certificate",
            "issue a new key and certificate: nuncio cert issue NAME --ca DIR --out DIR".to_owned(),
        ),
        Objection::Denied => (
            format!("it denies access to {cert}"),
            "its alert says so: a list of allowed or denied nodes",
            "on that node: nuncio access list; nuncio access reset NODEID takes a denial back, nuncio access allow NODEID adds a \
             name to an allow list"
                .to_owned(),
        ),
        Objection::Unproved => (
            format!("it does not take the signature made with the key of {cert}"),
            "its alert says so: it cannot use this kind of key, or key and certificate do not belong together",
            format!("nuncio cert inspect {named}; use the kind of certificate that the port has (secp256k1 or RSA)"),
        ),
    };
    Finding::fault(Check::Admission, what, why, fix)
}

/// A channel port that denies who is no SDK. With a node's own certificate that is as it should be.
fn of_role(facts: &Facts, own: &Credentials) -> Option<Finding> {
    let stated = own.chain.first()?.stated_roles();
    if stated.roles().contains(&Role::Sdk) {
        return None;
    }
    let what = format!("it refuses {}, which has {stated}: channel ports take role sdk only", own.paths.cert.display());
    let why = "its alert says that the certificate is good, and may not come in";
    let fix =
        "look with an SDK's certificate: --certs DIR; nuncio cert issue NAME --ca DIR --out DIR --kind sdk makes one";
    let is_meant = own.owner == Owner::Sdk || facts.expected == Some(Port::Channel);
    Some(if is_meant {
        Finding::fault(Check::Admission, what, why, fix)
    } else {
        Finding::note(Check::Admission, what, why, fix)
    })
}

/// The handshake was done, and the connection closed without an answer.
fn turned_away(facts: &Facts) -> Finding {
    let own = facts.own.as_ref().and_then(|own| own.chain.first());
    let peer = facts.best_handshake().and_then(|one| one.chain.first());
    if let (Some(own), Some(peer)) = (own, peer)
        && own.node_id().is_some()
        && peer.node_id().is_some()
        && own.issuer() != peer.issuer()
    {
        return Finding::fault(
            Check::Admission,
            "it hung up after TLS: the certificate shown is of another agency",
            format!("its certificate was issued by {}, the one shown by {}", peer.issuer(), own.issuer()),
            "use a certificate of the node's agency, connect to a node of your own agency, or set [gateway] \
             same_agency = false on that node (FISCO: channel check_cert_issuer=false)",
        );
    }
    Finding::fault(
        Check::Admission,
        "it hung up after TLS, without an answer",
        "TLS accepted the certificate, then something refused it: an access list, a revocation list, a limit of connections",
        "its log has the reason; on that node look at [gateway] allow and deny in nuncio.toml (FISCO: \
         sdk_allowlist), and at nuncio access list",
    )
}

fn in_p2p(facts: &Facts) -> Option<Finding> {
    let error = match &facts.p2p {
        Some(P2pOutcome::Admitted(_)) => return Some(Finding::good(Check::Admission, "it admits this node")),
        Some(P2pOutcome::Failed(error)) => error,
        None if facts.expected == Some(Port::Channel) => return None,
        None => {
            return Some(Finding::note(
                Check::Admission,
                "whether it admits this node was not tried",
                "that needs a node's certificate that leads to its own ca.crt",
                "--config FILE of a node, or --certs DIR with ca.crt, node.crt and node.key",
            ));
        }
    };
    match error {
        // Said of the peer's certificate already.
        HandshakeError::Refused { answer: None, .. } | HandshakeError::Leaf { .. } => None,
        HandshakeError::Refused { answer: Some(reason), .. } => Some(Finding::fault(
            Check::Admission,
            "it refuses this node as well",
            reason,
            "each side judges by its own ca.crt: compare them (sha256sum ca.crt on both)",
        )),
        HandshakeError::RefusedByPeer { node, reason, .. } => Some(Finding::fault(
            Check::Admission,
            format!("node {} refuses this node", node.short()),
            reason,
            error.hint().unwrap_or_default(),
        )),
        other => Some(Finding::fault(
            Check::Admission,
            "the handshake between the nodes failed",
            other.to_string(),
            other.hint().unwrap_or_default(),
        )),
    }
}
