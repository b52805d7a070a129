//! What an admitted peer gets.

use std::{
    collections::BTreeSet,
    future::{pending, poll_fn},
    sync::Arc,
    task::Poll,
};

use futures::{AsyncReadExt, AsyncWriteExt, future::join_all};
use libp2p::core::{
    muxing::{StreamMuxerBox, StreamMuxerExt},
    upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade},
};
use nuncio_identity::NodeId;
use nuncio_testkit::authority::TestAuthority;
use nuncio_transport::{SecureChannel, SetupError};
use rustls_pki_types::UnixTime;
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::meeting::{Door, MEDIA, Medium, Meeting, Party, dial, meet, soon};

#[tokio::test]
async fn two_nodes_of_one_network_connect_and_exchange_bytes() {
    let authority = TestAuthority::new();
    let alice = Party::new(authority.node("alice"), authority.policy());
    let bob = Party::new(authority.node("bob"), authority.policy());
    for medium in MEDIA {
        let Meeting { dialer, listener } = meet(&mut alice.transport(medium), bob.transport(medium), medium).await;
        let ((at_alice, to_bob), (at_bob, to_alice)) = (dialer.unwrap(), listener.unwrap());
        assert_eq!(NodeId::try_from(at_alice).unwrap(), bob.node());
        assert_eq!(NodeId::try_from(at_bob).unwrap(), alice.node());
        let heard = soon(async {
            tokio::select! {
                heard = hear(to_alice) => heard.unwrap(),
                error = say(to_bob, b"hello") => panic!("{medium:?}: the speaker's connection ended: {error}"),
            }
        });
        assert_eq!(heard.await, b"hello");
    }
}

#[tokio::test]
async fn admissions_hold_the_peer_before_the_connection_is_handed_out() {
    let authority = TestAuthority::new();
    let alice = Party::new(authority.node("alice"), authority.policy());
    let bob = Party::new(authority.node("bob"), authority.policy());
    assert!(bob.admissions.is_empty());
    let Meeting { dialer, listener } =
        meet(&mut alice.transport(Medium::Memory), bob.transport(Medium::Memory), Medium::Memory).await;
    let _connections = (dialer.unwrap(), listener.unwrap());

    let admission = bob.admissions.get(&alice.node()).expect("the dialer is registered at the listener");
    assert_eq!(admission.certificate, alice.config.identity.load().certificate);
    assert_eq!(admission.chain, alice.config.identity.load().chain);
    assert!(alice.admissions.get(&bob.node()).is_some(), "the listener is registered at the dialer");

    let denying = authority.policy().with_access(BTreeSet::new(), BTreeSet::from([alice.node()]));
    let refused = bob.admissions.refused_by(&denying, UnixTime::now());
    assert_eq!(refused.iter().map(|(node, ..)| *node).collect::<Vec<_>>(), [alice.node()]);
    assert!(bob.admissions.refused_by(&authority.policy(), UnixTime::now()).is_empty());

    bob.admissions.retain(|node, _| *node != alice.node());
    assert!(bob.admissions.get(&alice.node()).is_none());
}

#[tokio::test]
async fn two_nodes_may_dial_each_other_at_once() {
    let authority = TestAuthority::new();
    let alice = Party::new(authority.node("alice"), authority.policy());
    let bob = Party::new(authority.node("bob"), authority.policy());
    for medium in MEDIA {
        let mut at_alice = Door::open(alice.transport(medium), medium).await;
        let mut at_bob = Door::open(bob.transport(medium), medium).await;
        let (mut from_alice, mut from_bob) = (alice.transport(medium), bob.transport(medium));
        let (to_alice, to_bob) = (at_alice.address.clone(), at_bob.address.clone());
        let (first, second, third, fourth) = tokio::join!(
            dial(&mut from_alice, &to_bob),
            dial(&mut from_bob, &to_alice),
            at_alice.outcome(),
            at_bob.outcome()
        );
        let _connections = (first.unwrap(), second.unwrap(), third.unwrap(), fourth.unwrap());
    }
}

#[tokio::test]
async fn many_handshakes_at_once_do_not_disturb_each_other() {
    const DIALERS: usize = 24;
    let authority = TestAuthority::new();
    let hub = Party::new(authority.node("hub"), authority.policy());
    let mut door = Door::open(hub.transport(Medium::Tcp), Medium::Tcp).await;
    let address = &door.address.clone();
    let dialers: Vec<_> =
        (0..DIALERS).map(|n| Party::new(authority.node(&format!("node{n}")), authority.policy())).collect();
    let dialing = join_all(dialers.iter().map(|party| async move {
        let mut transport = party.transport(Medium::Tcp);
        dial(&mut transport, address).await.unwrap()
    }));
    let accepting = async {
        let mut peers = BTreeSet::new();
        let mut connections = Vec::new();
        for _ in 0..DIALERS {
            let (peer, muxer) = door.outcome().await.unwrap();
            peers.insert(NodeId::try_from(peer).unwrap());
            connections.push(muxer);
        }
        peers
    };
    let (_connections, peers) = tokio::join!(dialing, accepting);
    assert_eq!(peers, dialers.iter().map(Party::node).collect());
    assert_eq!(hub.admissions.len(), DIALERS);
}

#[tokio::test]
async fn tls_is_1_3_with_aes_128_x25519_and_ml_kem_our_protocol_and_no_resumption() {
    let authority = TestAuthority::new();
    let alice = Party::new(authority.node("alice"), authority.policy());
    let bob = Party::new(authority.node("bob"), authority.policy());
    let from = SecureChannel::new(alice.config.clone(), alice.admissions.clone()).unwrap();
    let to = SecureChannel::new(bob.config.clone(), bob.admissions.clone()).unwrap();
    for _ in 0..2 {
        let (near, far) = tokio::io::duplex(4096);
        let (dialed, accepted) = soon(async {
            tokio::join!(from.clone().upgrade_outbound(near.compat(), ""), to.clone().upgrade_inbound(far.compat(), ""))
        })
        .await;
        for (_, stream) in [dialed.unwrap(), accepted.unwrap()] {
            let state = stream.get_ref().1;
            assert_eq!(state.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
            let suite = state.negotiated_cipher_suite().unwrap().suite();
            assert_eq!(suite, rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
            let group = state.negotiated_key_exchange_group().unwrap().name();
            assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
            assert_eq!(state.alpn_protocol(), Some(b"nuncio/1".as_slice()));
            assert_eq!(state.handshake_kind(), Some(rustls::HandshakeKind::Full));
            assert_eq!(state.peer_certificates().unwrap().len(), 1 + alice.config.identity.load().chain.len());
        }
    }
}

#[tokio::test]
async fn a_peer_denied_while_it_was_judged_is_not_let_in() {
    let authority = TestAuthority::new();
    let alice = Party::new(authority.node("alice"), authority.policy());
    let bob = Party::new(authority.node("bob"), authority.policy());
    let from = SecureChannel::new(alice.config.clone(), alice.admissions.clone()).unwrap();
    let to = SecureChannel::new(bob.config.clone(), bob.admissions.clone()).unwrap();
    let (near, far) = tokio::io::duplex(4096);
    let mut accepting = to.upgrade_inbound(far.compat(), "");
    // The first poll takes the policy; nothing has arrived yet.
    assert!(poll_fn(|cx| Poll::Ready(accepting.as_mut().poll(cx))).await.is_pending());
    let denying = authority.policy().with_access(BTreeSet::new(), BTreeSet::from([alice.node()]));
    bob.config.policy.store(Arc::new(denying));
    let (_, accepted) = soon(async { tokio::join!(from.upgrade_outbound(near.compat(), ""), accepting) }).await;
    let text = nuncio_transport::describe(&accepted.map(drop).unwrap_err());
    assert!(text.contains("is on the deny list"), "{text}");
    assert!(bob.admissions.is_empty());
}

#[tokio::test]
async fn a_network_name_that_cannot_be_sent_is_refused_at_the_start() {
    let authority = TestAuthority::new();
    for name in ["", "with\nbreak", &"x".repeat(129)] {
        let party = Party::new(authority.node("alice"), authority.policy()).in_network(name);
        let error = SecureChannel::new(party.config, party.admissions).unwrap_err();
        assert!(matches!(error, SetupError::NetworkName { limit: 128, .. }), "{error}");
    }
}

/// Speaks, then keeps the connection until it breaks.
async fn say(mut muxer: StreamMuxerBox, words: &[u8]) -> std::io::Error {
    let mut stream = match poll_fn(|cx| muxer.poll_outbound_unpin(cx)).await {
        Ok(stream) => stream,
        Err(error) => return error,
    };
    let speaking = async {
        stream.write_all(words).await.unwrap();
        stream.close().await.unwrap();
        pending().await
    };
    tokio::select! {
        error = speaking => error,
        error = drive(&mut muxer) => error,
    }
}

async fn hear(mut muxer: StreamMuxerBox) -> std::io::Result<Vec<u8>> {
    let mut stream = poll_fn(|cx| muxer.poll_inbound_unpin(cx)).await?;
    let hearing = async {
        let mut words = Vec::new();
        stream.read_to_end(&mut words).await.map(|_| words)
    };
    tokio::select! {
        heard = hearing => heard,
        error = drive(&mut muxer) => Err(error),
    }
}

async fn drive(muxer: &mut StreamMuxerBox) -> std::io::Error {
    poll_fn(|cx| {
        loop {
            match muxer.poll_unpin(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(error),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}
