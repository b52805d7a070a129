//! What the port speaks, and whether that is what was meant.

use crate::{Check, Facts, Finding, Handshake, Inside, Opening, Port, TlcpAnswer, TlsAttempt};

use super::{length, printable};

/// What a port speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    NuncioP2p,
    OtherLibp2p,
    FiscoP2p,
    /// With its version.
    Channel(String),
    /// TLS, and what is in it stays unknown.
    Tls,
    /// HTTP in TLS, with its status line.
    Https(String),
    Tlcp,
    /// HTTP in plain text, with its status line.
    Http(String),
    /// Something else in plain text, the first of it.
    Plain(String),
    /// It hangs up.
    Closed,
    Silent,
}

/// `None` when there was no connection.
pub(super) fn seen(facts: &Facts) -> Option<Seen> {
    if !facts.is_connected() {
        return None;
    }
    match facts.opening {
        Opening::Nuncio => return Some(Seen::NuncioP2p),
        Opening::OtherLibp2p => return Some(Seen::OtherLibp2p),
        _ => {}
    }
    match &facts.inside {
        Some(Inside::Channel(version)) => return Some(Seen::Channel(version.clone())),
        Some(Inside::FiscoP2p) => return Some(Seen::FiscoP2p),
        Some(Inside::Http(answer)) => return Some(Seen::Https(answer.status.clone())),
        _ => {}
    }
    Some(if facts.tlcp == Some(TlcpAnswer::Spoken) {
        Seen::Tlcp
    } else if facts.tls.iter().any(TlsAttempt::is_tls) {
        Seen::Tls
    } else {
        in_plain_text(facts)
    })
}

fn in_plain_text(facts: &Facts) -> Seen {
    if let Some(answer) = &facts.http {
        return Seen::Http(answer.status.clone());
    }
    let opening = match &facts.opening {
        Opening::Bytes(bytes) => Some(bytes),
        _ => None,
    };
    let first = opening.or_else(|| facts.tls.iter().map(|one| &one.first).find(|first| !first.is_empty()));
    match first {
        Some(bytes) if bytes.starts_with(b"HTTP/") => Seen::Http(printable(bytes)),
        Some(bytes) => Seen::Plain(printable(bytes)),
        None if facts.opening == Opening::Closed || facts.tls.iter().any(hung_up) => Seen::Closed,
        None => Seen::Silent,
    }
}

fn hung_up(attempt: &TlsAttempt) -> bool {
    matches!(attempt.outcome, Handshake::Closed(_))
}

pub(super) fn findings(facts: &Facts) -> Option<Finding> {
    let seen = seen(facts)?;
    Some(match (facts.expected, &seen) {
        (Some(Port::Plain), _) => meant_plain(facts, &seen),
        (_, Seen::Tlcp) => sm_only(),
        (_, Seen::Http(_) | Seen::Plain(_)) => plain_text(facts, &seen),
        (_, Seen::Https(status)) => Finding::fault(
            Check::Port,
            "this is an HTTPS port",
            format!("behind TLS it answers {status:?}"),
            "use the node's p2p port ([p2p] listen) or its channel port ([gateway] listen); both are in its nuncio.toml",
        ),
        (_, Seen::OtherLibp2p) => Finding::fault(
            Check::Port,
            "this is a libp2p program, but no Nuncio node of this version",
            "it speaks multistream-select, but does not know /nuncio/tls/1",
            "check the address and port, and run the same version of nuncio on both sides",
        ),
        (_, Seen::Closed | Seen::Silent) => wordless(facts, &seen),
        (Some(Port::P2p), Seen::Channel(_) | Seen::Tls) => channel_for_p2p(&seen),
        (Some(Port::Channel), Seen::NuncioP2p) => {
            p2p_for_channel("the p2p port of a Nuncio node", "it greets in multistream-select before TLS")
        }
        (Some(Port::Channel), Seen::FiscoP2p) => p2p_for_channel(
            "the p2p port of a FISCO BCOS 2.x node",
            "behind TLS it sends that protocol's topic message",
        ),
        (Some(Port::P2p), Seen::FiscoP2p) => Finding::fault(
            Check::Port,
            "this is the p2p port of a FISCO BCOS 2.x node",
            "behind TLS it sends that protocol's topic message; Nuncio nodes link to Nuncio nodes only",
            "run nuncio with that node's certificates instead (nuncio run --fisco DIR), or name another peer",
        ),
        (_, Seen::NuncioP2p) => Finding::good(Check::Port, "the p2p port of a Nuncio node"),
        (_, Seen::Channel(version)) => {
            Finding::good(Check::Port, format!("a channel port for SDKs, version {version}"))
        }
        (_, Seen::FiscoP2p) => Finding::good(Check::Port, "the p2p port of a FISCO BCOS 2.x node"),
        (_, Seen::Tls) => Finding::note(
            Check::Port,
            "it speaks TLS, but does not show what is behind",
            "a channel port or a FISCO BCOS p2p port shows that only to those it lets in; no p2p port of Nuncio begins so",
            "",
        ),
    })
}

fn channel_for_p2p(seen: &Seen) -> Finding {
    let (what, why) = match seen {
        Seen::Channel(version) => (
            "this is a channel port for SDKs, not a p2p port",
            format!("it answers the channel handshake, version {version}"),
        ),
        _ => (
            "this is not the p2p port of a Nuncio node, but probably a channel port",
            "it speaks TLS at once; a p2p port begins with multistream-select".to_owned(),
        ),
    };
    Finding::fault(
        Check::Port,
        what,
        why,
        "use the port of [p2p] listen in that node's nuncio.toml (30300 and up by custom; 20200 and up are channel \
         ports): nuncio peers add HOST:PORT",
    )
}

fn p2p_for_channel(what: &str, why: &str) -> Finding {
    Finding::fault(
        Check::Port,
        format!("this is {what}, not a channel port for SDKs"),
        why,
        "use the port of [gateway] listen in that node's nuncio.toml (channel_listen_port in FISCO's config.ini), 20200 \
         and up by custom; [gateway] enabled must be true",
    )
}

fn sm_only() -> Finding {
    Finding::fault(
        Check::Port,
        "this port speaks only the Chinese national TLS (TLCP, GM/T 0024: SM2, SM3, SM4)",
        "it answers TLS greetings with nothing usable, and a greeting of version 0x0101 in that version",
        "Nuncio has no SM ciphers: make the network without SM (build_chain.sh without -g), or for SDKs set \
         chain.sm_crypto_channel=false in the node's config.ini and use the certificates in its origin_cert",
    )
}

fn plain_text(facts: &Facts, seen: &Seen) -> Finding {
    let port = facts.target.port;
    let (what, why) = match seen {
        Seen::Http(status) => ("this port speaks HTTP in plain text, not TLS", format!("it answers {status}")),
        Seen::Plain(first) => ("this port speaks plain text, not TLS", format!("it begins with {first}")),
        _ => ("this port speaks no TLS", String::new()),
    };
    Finding::fault(
        Check::Port,
        what,
        why,
        format!(
            "it is not a p2p or channel port (an admin API, FISCO's RPC on 8545, or a proxy that ends TLS?): ss -ltnp \
             'sport = :{port}' on that machine names the program; the right ports are in its nuncio.toml"
        ),
    )
}

fn meant_plain(facts: &Facts, seen: &Seen) -> Finding {
    let tls = match seen {
        Seen::Http(status) => return Finding::good(Check::Port, format!("HTTP in plain text, {status}")),
        Seen::Plain(first) => return Finding::good(Check::Port, format!("plain text, {first}")),
        Seen::Closed | Seen::Silent => return wordless(facts, seen),
        Seen::NuncioP2p => "the p2p port of a Nuncio node",
        Seen::OtherLibp2p => "a libp2p port",
        Seen::FiscoP2p => "the p2p port of a FISCO BCOS node",
        Seen::Channel(_) => "a channel port for SDKs, in TLS",
        Seen::Https(_) => "HTTPS",
        Seen::Tls => "TLS",
        Seen::Tlcp => "TLCP, the Chinese national TLS",
    };
    Finding::fault(
        Check::Port,
        format!("this port was meant to be plain text, and is {tls}"),
        "it answers a TLS greeting or that of a node",
        "write https:// instead of http:// if it is an HTTP server's, else use the port of [admin] listen in nuncio.toml",
    )
}

fn wordless(facts: &Facts, seen: &Seen) -> Finding {
    let port = facts.target.port;
    let (what, why) = match seen {
        Seen::Closed => (
            "the port accepts connections and hangs up at once",
            "neither a node's greeting nor TLS, TLCP or HTTP got an answer: a proxy without a server behind it, a full \
             node, or one that refuses this address"
                .to_owned(),
        ),
        _ => (
            "the port accepts connections and says nothing",
            format!(
                "neither a node's greeting nor TLS, TLCP or HTTP was answered within {}: the program hangs, or a \
                 firewall lets connections through but no data",
                length(facts.patience)
            ),
        ),
    };
    let fix = format!(
        "read the log of the program that has it (ss -ltnp 'sport = :{port}' on that machine) and restart it if it hangs"
    );
    Finding::fault(Check::Port, what, why, fix)
}
