//! Collects facts about a port: each question on a connection of its own, each answer under a deadline.

use std::{net::SocketAddr, time::Duration};

use rustls_pki_types::UnixTime;

use crate::{Credentials, Facts, Handshake, Inside, Offer, Opening, Owner, Port, Target, TlcpAnswer, TlsAttempt};

mod capture;
mod http;
mod inside;
mod p2p;
mod tcp;
mod tlcp;
mod tls;
mod tls_config;

/// What to find out.
#[derive(Debug)]
pub struct Question {
    target: Target,
    expected: Option<Port>,
    own: Option<Credentials>,
    network: String,
}

impl Question {
    /// What this port is and whether it works.
    pub fn new(target: Target) -> Self {
        Self { target, expected: None, own: None, network: "nuncio".into() }
    }

    /// Whether it lets in who has these certificates.
    #[must_use]
    pub fn with_credentials(mut self, own: Credentials) -> Self {
        self.own = Some(own);
        self
    }

    /// What the port is meant to be. Without it, an SDK's certificates mean a channel port.
    #[must_use]
    pub fn expecting(mut self, port: Port) -> Self {
        self.expected = Some(port);
        self
    }

    /// The name of the network that the asking node is in; `nuncio` without this.
    #[must_use]
    pub fn in_network(mut self, network: impl Into<String>) -> Self {
        self.network = network.into();
        self
    }

    fn expected(&self) -> Option<Port> {
        let of_sdk = self.own.as_ref().is_some_and(|own| own.owner == Owner::Sdk);
        self.expected.or(of_sdk.then_some(Port::Channel))
    }
}

/// Looks at a port. Each single answer is waited for at most `patience`; about ten are needed at worst.
pub async fn probe(question: Question, patience: Duration) -> Facts {
    let now = UnixTime::now();
    let expected = question.expected();
    let (resolution, addresses) = tcp::resolve(&question.target, patience).await;
    let (connections, address) = tcp::connect_to_one(&addresses, patience).await;
    let Question { target, own, network, .. } = question;
    let mut facts = Facts {
        target,
        expected,
        own,
        now,
        patience,
        resolution,
        connections,
        opening: Opening::NotAsked,
        p2p: None,
        tls: Vec::new(),
        inside: None,
        tlcp: None,
        http: None,
    };
    if let Some(address) = address {
        ask(&mut facts, address, &network).await;
    }
    facts
}

async fn ask(facts: &mut Facts, address: SocketAddr, network: &str) {
    let (opening, stream) = p2p::open(address, facts.patience).await;
    facts.opening = opening;
    if let Some(stream) = stream {
        let node = facts.own.as_ref().filter(|_| facts.expected != Some(Port::Channel)).and_then(Credentials::node);
        if let Some((identity, policy)) = node {
            facts.p2p = p2p::handshake(stream, identity, policy, network, facts.patience).await;
        }
        return;
    }
    if facts.opening == Opening::OtherLibp2p {
        return;
    }
    ask_tls(facts, address).await;
    let spoken = facts.tls.iter().any(|one| !one.chain.is_empty() || matches!(one.outcome, Handshake::Done(_)));
    if spoken {
        return;
    }
    facts.tlcp = Some(tlcp::ask(address, facts.patience).await);
    if facts.tlcp == Some(TlcpAnswer::NotSpoken) && !facts.tls.iter().any(TlsAttempt::is_tls) {
        facts.http = http::ask_plain(address, &facts.target, facts.patience).await;
    }
}

async fn ask_tls(facts: &mut Facts, address: SocketAddr) {
    for offer in [Offer::Tls12, Offer::Tls13] {
        let (attempt, stream) = tls::handshake(address, offer, facts.own.as_ref(), facts.patience).await;
        let done = stream.is_some();
        let certificates = !attempt.chain.is_empty();
        let silent = attempt.first.is_empty() && matches!(attempt.outcome, Handshake::TimedOut);
        facts.tls.push(attempt);
        if let Some(stream) = stream {
            facts.inside = Some(inside::ask(stream, facts.patience).await);
        }
        if done || certificates || silent {
            break;
        }
    }
    let Some(offer) = facts.best_handshake().filter(|one| matches!(one.outcome, Handshake::Done(_))) else { return };
    let offer = offer.offer;
    if matches!(facts.inside, Some(Inside::Closed | Inside::Silent | Inside::Bytes(_))) {
        let (_, stream) = tls::handshake(address, offer, facts.own.as_ref(), facts.patience).await;
        if let Some(stream) = stream
            && let Some(answer) = http::ask(stream, &facts.target, facts.patience).await
        {
            facts.inside = Some(Inside::Http(answer));
        }
    }
    if offer == Offer::Tls12 {
        let (attempt, _) = tls::handshake(address, Offer::WithoutSecp256k1, facts.own.as_ref(), facts.patience).await;
        facts.tls.push(attempt);
    }
}
