//! Two nodes in one process: a throwaway authority, real TCP and TLS on loopback, one request and its reply, one
//! broadcast.
//!
//! ```text
//! cargo run -p nuncio-behaviour --example two_nodes
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use libp2p::{PeerId, Swarm, swarm, swarm::SwarmEvent};
use nuncio_audit::Audit;
use nuncio_behaviour::{Behaviour, Certifier, Config, EpochStore, Event, Member};
use nuncio_door::{Door, Limits};
use nuncio_identity::NodeId;
use nuncio_pki::{Identity, SharedPolicy};
use nuncio_testkit::TestAuthority;
use nuncio_transport::Admissions;
use rustls_pki_types::{CertificateDer, UnixTime};

const NETWORK: &str = "example";

/// Judges the chains behind status records as the handshake judges those of peers.
struct PolicyCertifier(SharedPolicy);

impl Certifier for PolicyCertifier {
    fn certify(&self, node: NodeId, chain: &[Bytes]) -> Result<Member, String> {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_ref())).collect();
        let judged = self.0.load().judge(&chain, UnixTime::now()).map_err(|error| error.to_string())?;
        if judged.node_id != Some(node) {
            return Err("it is another node's certificate".into());
        }
        let agency_path = judged.agency_path();
        Ok(Member { name: judged.name, agency: judged.agency, agency_path })
    }
}

fn swarm(identity: Identity, policy: SharedPolicy, epoch: u64) -> Result<Swarm<Behaviour>, Box<dyn Error>> {
    let peer = PeerId::from(identity.key.node_id());
    let chain = identity.chain.iter().map(|der| Bytes::copy_from_slice(der)).collect();
    let config = Config {
        name: identity.certificate.name.clone(),
        agency: identity.certificate.agency.clone(),
        ..Config::new(identity.key.clone(), chain, NETWORK, Arc::new(PolicyCertifier(policy.clone())), epoch)
    };
    let transport = nuncio_transport::Config {
        identity: Arc::new(Arc::new(identity).into()),
        policy,
        network: NETWORK.into(),
        max_body: nuncio_protocol::MAX_BODY as u32,
        handshake_timeout: Duration::from_secs(5),
    };
    let door = Door::new(&Limits::new(256, 16, 128));
    let transport = nuncio_transport::tcp(transport, Admissions::default(), door, Audit::default())?;
    let swarm = swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(60));
    Ok(Swarm::new(transport, Behaviour::new(config), peer, swarm))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let authority = TestAuthority::new();
    let (alice, bob) = (authority.node("alice"), authority.node("bob"));
    let bob_id = bob.key.node_id();
    // Each start needs a higher epoch than the one before; the store sees to it.
    let data = std::env::temp_dir().join("nuncio-two-nodes");
    let epoch = |name| EpochStore::open(&data.join(name)).and_then(|mut store| store.begin());
    let mut alice = swarm(alice, authority.shared_policy(), epoch("alice")?)?;
    let mut bob = swarm(bob, authority.shared_policy(), epoch("bob")?)?;
    bob.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;

    loop {
        tokio::select! {
            event = bob.select_next_some() => match event {
                SwarmEvent::NewListenAddr { address, .. } => alice.behaviour_mut().add_peer(&address.to_string())?,
                SwarmEvent::Behaviour(Event::Request { inbound, source, body, .. }) => {
                    println!("bob is asked {body:?} by {}", source.short());
                    bob.behaviour_mut().respond(inbound, Bytes::from("fine, thanks"));
                }
                SwarmEvent::Behaviour(Event::Multicast { origin, bodies, .. }) => {
                    println!("bob hears {bodies:?} from {}", origin.short());
                    return Ok(());
                }
                _ => {}
            },
            event = alice.select_next_some() => match event {
                SwarmEvent::Behaviour(Event::LinkUp { peer }) => {
                    println!("alice is linked to {}", peer.short());
                    alice.behaviour_mut().request(bob_id, Bytes::from("how are you?"), Duration::from_secs(5));
                }
                SwarmEvent::Behaviour(Event::Completed { outcome, .. }) => println!("alice gets {:?}", outcome?.body),
                // By now bob has told that he takes broadcasts.
                SwarmEvent::Behaviour(Event::NodeChanged { .. } | Event::RoundTrip { .. }) => {
                    alice.behaviour_mut().publish(None, Bytes::from("hello, all"))?;
                }
                _ => {}
            },
        }
    }
}
