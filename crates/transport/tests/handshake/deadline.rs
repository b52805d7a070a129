//! The deadline is absolute and holds for whoever is slow, alone.

use std::time::Duration;

use libp2p::{core::upgrade::InboundConnectionUpgrade, multiaddr::Protocol};
use nuncio_testkit::authority::TestAuthority;
use nuncio_transport::{Admissions, HandshakeError, Role, SecureChannel, Stage};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::meeting::{Door, Medium, Party, assert_says, dial, soon};

#[tokio::test]
async fn the_slow_are_cut_at_the_deadline_while_others_connect() {
    const DEADLINE: Duration = Duration::from_secs(3);
    let authority = TestAuthority::new();
    let node = Party::new(authority.node("node"), authority.policy()).with_deadline(DEADLINE);
    let mut door = Door::open(node.transport(Medium::Tcp), Medium::Tcp).await;
    let address = door.address.clone();
    let port = address.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None }).unwrap();

    let started = Instant::now();
    let mut slow = Vec::new();
    for said in [&b""[..], b"\x13", b"\x13/multistream/1.0.0\n", b"\x13/multistream/1.0.0\n\x0e/nuncio/tls/1\n\x16\x03"]
    {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        socket.write_all(said).await.unwrap();
        slow.push(socket);
    }
    // One goes on for ever, byte by byte, in a message of 127 bytes.
    let (mut reader, mut writer) = TcpStream::connect(("127.0.0.1", port)).await.unwrap().into_split();
    let trickle = tokio::spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        writer.write_all(b"\x7f").await.unwrap();
        while writer.write_all(b"x").await.is_ok() {
            pace.tick().await;
        }
    });

    let friend = Party::new(authority.node("friend"), authority.policy());
    let mut dialing = friend.transport(Medium::Tcp);
    let (dialed, accepted) = tokio::join!(dial(&mut dialing, &address), door.outcome());
    dialed.unwrap();
    accepted.unwrap();
    assert!(started.elapsed() < DEADLINE, "the honest node waited for the slow ones");

    for _ in 0..=slow.len() {
        let outcome = door.outcome().await;
        // Once TLS has begun, its own end may come in the same millisecond as that of the whole, and names the stage.
        assert_says(&outcome, &[" within ", "hint: "], "listening");
    }
    assert!(started.elapsed() >= DEADLINE, "cut before the deadline");
    for mut socket in slow {
        // The end comes, whatever was answered before.
        let _ = soon(socket.read_to_end(&mut Vec::new())).await;
    }
    let _ = soon(reader.read_to_end(&mut Vec::new())).await;
    soon(trickle).await.unwrap();
}

#[tokio::test]
async fn a_dialer_does_not_wait_longer_for_a_silent_listener() {
    let authority = TestAuthority::new();
    let node = Party::new(authority.node("node"), authority.policy()).with_deadline(Duration::from_millis(300));
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", silent.local_addr().unwrap().port()).parse().unwrap();
    let accepting = async {
        let (mut socket, _) = silent.accept().await.unwrap();
        let _ = socket.read_to_end(&mut Vec::new()).await;
    };
    let mut transport = node.transport(Medium::Tcp);
    let (dialed, ()) = soon(async { tokio::join!(dial(&mut transport, &address), accepting) }).await;
    assert_says(&dialed, &["no finished handshake within the deadline", "hint: ", "firewall"], "dialing");
}

#[tokio::test]
async fn the_upgrade_has_the_deadline_also_without_the_transport() {
    let authority = TestAuthority::new();
    let deadline = Duration::from_millis(100);
    let node = Party::new(authority.node("node"), authority.policy()).with_deadline(deadline);
    let channel = SecureChannel::new(node.config, Admissions::default()).unwrap();
    let (_silent, socket) = tokio::io::duplex(64);
    let error = soon(channel.upgrade_inbound(socket.compat(), "")).await.map(drop).unwrap_err();
    let HandshakeError::TimedOut { role, stage, after } = &error else { panic!("{error:?}") };
    assert_eq!((*role, *stage, *after), (Role::Listener, Stage::Tls, deadline));
    assert_eq!(error.to_string(), "the peer did not answer in the TLS handshake within 100ms");
}
