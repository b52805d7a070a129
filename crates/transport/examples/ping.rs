//! libp2p with a certificate authority: stock ping and stock identify between two members, and a stranger who gets no connection.
//!
//! ```text
//! cargo run -p nuncio-transport --example ping
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{error::Error, sync::Arc, time::Duration};

use futures::StreamExt;
use libp2p::{
    PeerId, Swarm,
    identity::PublicKey,
    ping,
    swarm::{self, NetworkBehaviour, SwarmEvent},
};
use libp2p_identify as identify;
use nuncio_audit::Audit;
use nuncio_door::{Door, Limits};
use nuncio_testkit::TestAuthority;
use nuncio_transport::{Admissions, Config, describe};

/// What libp2p brings, as it is.
#[derive(NetworkBehaviour)]
struct Behaviour {
    ping: ping::Behaviour,
    identify: identify::Behaviour,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (round_trip, software, refusal) = meet().await?;
    println!("alice pings bob: {round_trip:?}; bob runs {software}");
    println!("mallory, of another authority, is told: {refusal}");
    Ok(())
}

/// Two members of a consortium meet, and somebody who is none comes by: how long a ping took, what the other runs, and what
/// the stranger was told.
pub async fn meet() -> Result<(Duration, String, String), Box<dyn Error>> {
    let (consortium, another) = (TestAuthority::new(), TestAuthority::named("another", "agency"));
    let mut bob = swarm(&consortium, "bob")?;
    let (mut alice, mut mallory) = (swarm(&consortium, "alice")?, swarm(&another, "mallory")?);
    bob.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = bob.select_next_some().await {
            break address;
        }
    };
    alice.dial(address.clone())?;
    mallory.dial(address)?;

    let (mut round_trip, mut software, mut refusal) = (None, None, None);
    loop {
        if let (Some(round_trip), Some(software), Some(refusal)) = (round_trip, &software, &refusal) {
            return Ok((round_trip, String::clone(software), String::clone(refusal)));
        }
        tokio::select! {
            event = alice.select_next_some() => match event {
                SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { result: Ok(took), .. })) => round_trip = Some(took),
                SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { info, .. })) => {
                    software = Some(info.agent_version);
                }
                SwarmEvent::OutgoingConnectionError { error, .. } => return Err(describe(&error).into()),
                _ => {}
            },
            event = mallory.select_next_some() => match event {
                SwarmEvent::OutgoingConnectionError { error, .. } => refusal = Some(describe(&error)),
                SwarmEvent::ConnectionEstablished { .. } => return Err("a stranger got in".into()),
                _ => {}
            },
            _ = bob.select_next_some() => {}
        }
    }
}

fn swarm(authority: &TestAuthority, name: &str) -> Result<Swarm<Behaviour>, Box<dyn Error>> {
    let identity = authority.node(name);
    let peer = PeerId::from(identity.key.node_id());
    // A member's peer ID inlines its public key, behind two bytes.
    let public = PublicKey::try_decode_protobuf(&peer.to_bytes()[2..])?;
    let config = Config {
        identity: Arc::new(Arc::new(identity).into()),
        policy: authority.shared_policy(),
        network: "example".into(),
        max_body: 1 << 20,
        handshake_timeout: Duration::from_secs(5),
    };
    let door = Door::new(&Limits::new(256, 16, 128));
    let transport = nuncio_transport::tcp(config, Admissions::default(), door, Audit::default())?;
    let behaviour = Behaviour {
        ping: ping::Behaviour::default(),
        identify: identify::Behaviour::new(
            identify::Config::new("/example/1".into(), public).with_agent_version(format!("example {name}")),
        ),
    };
    let swarm = swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(60));
    Ok(Swarm::new(transport, behaviour, peer, swarm))
}
