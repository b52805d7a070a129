//! The overlay beside other behaviours of the same swarm, a gossipsub of the application's among them.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use libp2p::{
    PeerId, Swarm,
    gossipsub::{self, IdentTopic, MessageAuthenticity},
    identity::PublicKey,
    ping,
    swarm::{NetworkBehaviour, SwarmEvent},
};
use libp2p_identify as identify;
use nuncio_behaviour::{Behaviour, Event};
use nuncio_identity::NodeId;
use nuncio_testkit::TestAuthority;

use super::network::{DEADLINE, Parts, parts};

const MESSAGES: usize = 20;

/// What a node of either kind saw.
enum Seen {
    Linked,
    Subscribed,
    Application,
    Broadcasts(usize),
}

/// A swarm with all of it, in one order or the other.
trait Application: NetworkBehaviour + Sized {
    fn new(overlay: Behaviour, peer: PeerId, key: PublicKey) -> Self;
    fn overlay(&mut self) -> &mut Behaviour;
    fn gossip(&mut self) -> &mut gossipsub::Behaviour;
    fn seen(event: Self::ToSwarm) -> Option<Seen>;
}

fn own_gossip(peer: PeerId) -> gossipsub::Behaviour {
    gossipsub::Behaviour::new(MessageAuthenticity::Author(peer), permissive()).expect("a gossipsub")
}

fn permissive() -> gossipsub::Config {
    let mut config = gossipsub::ConfigBuilder::default();
    let config = config.validation_mode(gossipsub::ValidationMode::Permissive);
    config.heartbeat_interval(Duration::from_millis(100)).build().expect("within bounds")
}

fn of_overlay(event: &Event) -> Option<Seen> {
    match event {
        Event::LinkUp { .. } => Some(Seen::Linked),
        Event::Multicast { topic: None, bodies, .. } => Some(Seen::Broadcasts(bodies.len())),
        _ => None,
    }
}

const fn of_gossip(event: &gossipsub::Event) -> Option<Seen> {
    match event {
        gossipsub::Event::Subscribed { .. } => Some(Seen::Subscribed),
        gossipsub::Event::Message { .. } => Some(Seen::Application),
        _ => None,
    }
}

macro_rules! application {
    ($name:ident, $event:ident: $($field:ident: $kind:ty),+) => {
        #[derive(NetworkBehaviour)]
        struct $name {
            $($field: $kind,)+
        }

        impl Application for $name {
            fn new(overlay: Behaviour, peer: PeerId, key: PublicKey) -> Self {
                let identify = identify::Behaviour::new(identify::Config::new("/application/1".into(), key));
                Self { overlay, gossip: own_gossip(peer), ping: ping::Behaviour::default(), identify }
            }

            fn overlay(&mut self) -> &mut Behaviour {
                &mut self.overlay
            }

            fn gossip(&mut self) -> &mut gossipsub::Behaviour {
                &mut self.gossip
            }

            fn seen(event: $event) -> Option<Seen> {
                match event {
                    $event::Overlay(event) => of_overlay(&event),
                    $event::Gossip(event) => of_gossip(&event),
                    $event::Ping(_) | $event::Identify(_) => None,
                }
            }
        }
    };
}

application!(OverlayFirst, OverlayFirstEvent:
    overlay: Behaviour, gossip: gossipsub::Behaviour, ping: ping::Behaviour, identify: identify::Behaviour);
application!(OverlayLast, OverlayLastEvent:
    identify: identify::Behaviour, ping: ping::Behaviour, gossip: gossipsub::Behaviour, overlay: Behaviour);

fn node<A: Application>(authority: &TestAuthority, name: &str) -> Swarm<A> {
    let Parts { config, transport, identity, address } = parts(authority, authority.node(name));
    let peer = PeerId::from(identity.key.node_id());
    let key = PublicKey::try_decode_protobuf(&peer.to_bytes()[2..]).expect("a peer ID of ours holds its key");
    let swarm = libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(DEADLINE);
    let mut swarm = Swarm::new(transport, A::new(Behaviour::new(config), peer, key), peer, swarm);
    swarm.listen_on(address.parse().expect("a multiaddr")).expect("a free memory address");
    swarm.behaviour_mut().overlay().set_addresses([address]);
    swarm.behaviour_mut().gossip().subscribe(&IdentTopic::new("prices")).expect("subscribed");
    swarm
}

/// One publishes as many of each as the other then has heard, all within the deadline.
async fn both_are_heard<A: Application>() {
    let authority = TestAuthority::new();
    let (mut one, mut other) = (node::<A>(&authority, "one"), node::<A>(&authority, "other"));
    let address = parts_address(&mut other).await;
    one.behaviour_mut().overlay().add_peer(&address).expect("an address");
    let (mut ready, mut heard) = ((0, 0), (0, 0));
    let all = async {
        loop {
            tokio::select! {
                event = one.select_next_some() => match seen::<A>(event) {
                    Some(Seen::Linked) => ready.0 += 1,
                    Some(Seen::Subscribed) => ready.1 += 1,
                    _ => {}
                },
                event = other.select_next_some() => match seen::<A>(event) {
                    Some(Seen::Application) => heard.0 += 1,
                    Some(Seen::Broadcasts(count)) => heard.1 += count,
                    _ => {}
                },
            }
            if ready.0 > 0 && ready.1 > 0 && has_record(&mut one) {
                ready = (isize::MIN, isize::MIN);
                for number in 0..MESSAGES {
                    let data = Bytes::from(vec![number as u8]);
                    one.behaviour_mut().gossip().publish(IdentTopic::new("prices"), data.clone()).expect("published");
                    one.behaviour_mut().overlay().publish(None, data).expect("published");
                }
            }
            if heard == (MESSAGES, MESSAGES) {
                return;
            }
        }
    };
    let all = tokio::time::timeout(DEADLINE, all).await.is_ok();
    assert!(all, "of {MESSAGES} each, heard of the application's and of the overlay's: {heard:?}");
}

fn seen<A: Application>(event: SwarmEvent<A::ToSwarm>) -> Option<Seen> {
    if let SwarmEvent::Behaviour(event) = event { A::seen(event) } else { None }
}

fn has_record<A: Application>(swarm: &mut Swarm<A>) -> bool {
    let own = NodeId::try_from(*swarm.local_peer_id()).expect("a node");
    swarm.behaviour_mut().overlay().overlay().nodes().iter().any(|node| node.node != own && node.record.is_some())
}

async fn parts_address<A: Application>(swarm: &mut Swarm<A>) -> String {
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return address.to_string();
        }
    }
}

#[tokio::test]
async fn an_applications_gossipsub_behind_the_overlay_is_heard_and_so_is_the_overlay() {
    both_are_heard::<OverlayFirst>().await;
}

#[tokio::test]
async fn an_applications_gossipsub_before_the_overlay_is_heard_and_so_is_the_overlay() {
    both_are_heard::<OverlayLast>().await;
}
