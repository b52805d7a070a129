//! What a swarm reports, in an operator's words.

use futures::StreamExt;
use libp2p::{
    Multiaddr, Swarm,
    multiaddr::Protocol,
    swarm::{DialError, ListenError, SwarmEvent, dial_opts::DialOpts, dummy},
};
use nuncio_testkit::authority::TestAuthority;
use nuncio_transport::{describe, diagnose};
use tokio::net::TcpListener;

use crate::meeting::{Door, Medium, Party, dial, soon};

fn swarm(party: &Party) -> Swarm<dummy::Behaviour> {
    let config = libp2p::swarm::Config::with_tokio_executor();
    Swarm::new(party.transport(Medium::Tcp), dummy::Behaviour, party.node().into(), config)
}

async fn listen(swarm: &mut Swarm<dummy::Behaviour>) -> Multiaddr {
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = soon(swarm.next()).await.unwrap() {
            return address;
        }
    }
}

async fn dial_error(swarm: &mut Swarm<dummy::Behaviour>) -> DialError {
    loop {
        if let SwarmEvent::OutgoingConnectionError { error, .. } = soon(swarm.next()).await.unwrap() {
            return error;
        }
    }
}

async fn listen_error(swarm: &mut Swarm<dummy::Behaviour>) -> ListenError {
    loop {
        if let SwarmEvent::IncomingConnectionError { error, .. } = soon(swarm.next()).await.unwrap() {
            return error;
        }
    }
}

async fn unused_address() -> Multiaddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port()).parse().unwrap()
}

#[tokio::test]
async fn a_refusal_reads_the_same_through_a_swarm() {
    let authority = TestAuthority::new();
    let judge = Party::new(authority.node("judge"), authority.policy());
    let refused = Party::new(authority.expired_node("late"), authority.policy());
    let (mut listening, mut dialing) = (swarm(&judge), swarm(&refused));
    let address = listen(&mut listening).await;
    dialing.dial(address.clone()).unwrap();
    let (at_dialer, at_judge) = tokio::join!(dial_error(&mut dialing), listen_error(&mut listening));
    let (at_dialer, at_judge) = (describe(&at_dialer), describe(&at_judge));
    let (judge, refused) = (judge.node().short(), refused.node().short());
    assert!(
        at_dialer.starts_with(&format!("{address}: node {judge} refuses this node: certificate of ")),
        "{at_dialer}"
    );
    assert!(at_judge.starts_with(&format!("this node refuses node {refused}: certificate of ")), "{at_judge}");
    for text in [at_dialer, at_judge] {
        assert!(text.contains("CN=late") && text.contains("expired on 2") && text.contains("(hint: "), "{text}");
    }
}

#[tokio::test]
async fn another_node_than_expected() {
    let authority = TestAuthority::new();
    let there = Party::new(authority.node("there"), authority.policy());
    let here = Party::new(authority.node("here"), authority.policy());
    let expected = authority.node("expected").key.node_id();
    let (mut listening, mut dialing) = (swarm(&there), swarm(&here));
    let address = listen(&mut listening).await;
    tokio::spawn(async move { listening.collect::<Vec<_>>().await.len() });
    dialing.dial(DialOpts::peer_id(expected.into()).addresses(vec![address.clone()]).build()).unwrap();
    let found = diagnose(&dial_error(&mut dialing).await);
    let message = format!("{address}: node {} answers there, another node was expected", there.node().short());
    assert_eq!(found.message, message);
    assert!(found.hint.unwrap().contains("remove the peer ID"));
}

#[tokio::test]
async fn this_node_itself() {
    let authority = TestAuthority::new();
    let node = Party::new(authority.node("node"), authority.policy());
    let (mut listening, mut dialing) = (swarm(&node), swarm(&node));
    let address = listen(&mut listening).await;
    dialing.dial(address.clone()).unwrap();
    let (dialed, accepted) = tokio::join!(dial_error(&mut dialing), listen_error(&mut listening));
    assert!(describe(&dialed).starts_with(&format!("{address}: this node itself answers there (hint: ")));
    assert!(describe(&accepted).starts_with("this node connected to itself (hint: "));
}

#[tokio::test]
async fn nothing_listens_there() {
    let authority = TestAuthority::new();
    let node = Party::new(authority.node("node"), authority.policy());
    let mut dialing = swarm(&node);
    let (first, second) = (unused_address().await, unused_address().await);
    dialing.dial(first.clone()).unwrap();
    let text = describe(&dial_error(&mut dialing).await);
    assert!(
        text.starts_with(&format!("{first}: connection refused: nothing listens there (hint: start the node there")),
        "{text}"
    );
    // Two addresses of one peer: both are named.
    let peer = authority.node("peer").key.node_id();
    let options = DialOpts::peer_id(peer.into()).addresses(vec![first.clone(), second.clone()]).build();
    dialing.dial(options).unwrap();
    let text = describe(&dial_error(&mut dialing).await);
    assert!(text.contains(&format!("{first}: connection refused")), "{text}");
    assert!(text.contains(&format!("{second}: connection refused")), "{text}");
}

#[tokio::test]
async fn an_address_of_another_transport() {
    let authority = TestAuthority::new();
    let node = Party::new(authority.node("node"), authority.policy());
    let mut dialing = swarm(&node);
    dialing.dial("/ip4/127.0.0.1/udp/30300".parse::<Multiaddr>().unwrap()).unwrap();
    let text = describe(&dial_error(&mut dialing).await);
    assert!(text.contains("no transport for such an address (hint: write host:port"), "{text}");
}

#[tokio::test]
async fn a_host_name_is_resolved() {
    let authority = TestAuthority::new();
    let there = Party::new(authority.node("there"), authority.policy());
    let here = Party::new(authority.node("here"), authority.policy());
    let mut door = Door::open(there.transport(Medium::Tcp), Medium::Tcp).await;
    let named = door.address.replace(0, |_| Some(Protocol::Dns4("localhost".into()))).unwrap();
    let mut dialing = here.transport(Medium::Tcp);
    let (dialed, accepted) = tokio::join!(dial(&mut dialing, &named), door.outcome());
    dialed.unwrap();
    accepted.unwrap();
}

#[tokio::test]
async fn nothing_listens_where_a_name_leads() {
    let authority = TestAuthority::new();
    let node = Party::new(authority.node("node"), authority.policy());
    let named = unused_address().await.replace(0, |_| Some(Protocol::Dns4("localhost".into()))).unwrap();
    let error = dial(&mut node.transport(Medium::Tcp), &named).await.err().unwrap();
    let text = describe(&error);
    assert!(text.starts_with(&format!("{named}: connection refused: nothing listens there (hint: ")), "{text}");
}

#[tokio::test]
async fn an_address_in_use() {
    let authority = TestAuthority::new();
    let node = Party::new(authority.node("node"), authority.policy());
    let owner = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", owner.local_addr().unwrap().port()).parse().unwrap();
    let error = swarm(&node).listen_on(address).unwrap_err();
    let text = describe(&error);
    assert!(text.starts_with("the address is in use by another process (hint: "), "{text}");
}
