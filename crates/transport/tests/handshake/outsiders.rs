//! What is no node at all on the p2p port, and what a node reads that dials it.

use futures::{AsyncRead, AsyncWrite};
use libp2p::{
    Transport,
    core::{
        transport::{Boxed, MemoryTransport},
        upgrade::Version,
    },
    identity::Keypair,
    multiaddr::Protocol,
    yamux,
};
use nuncio_testkit::authority::TestAuthority;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::meeting::{Connection, Door, Medium, Meeting, Party, assert_says, dial, meet, soon};

const HTTP_REQUEST: &[u8] =
    b"GET /metrics HTTP/1.1\r\nHost: localhost:30300\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";
const HTTP_ANSWER: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\
    Content-Length: 15\r\n\r\n400 Bad Request";

fn honest() -> Party {
    let authority = TestAuthority::new();
    Party::new(authority.node("honest"), authority.policy())
}

/// A node as libp2p's own TLS makes it.
fn vanilla(medium: Medium, version: Version) -> Boxed<Connection> {
    fn secured<T>(sockets: T, version: Version) -> Boxed<Connection>
    where
        T: Transport + Send + Unpin + 'static,
        T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        T::Error: Send + Sync + 'static,
        T::Dial: Send + 'static,
        T::ListenerUpgrade: Send + 'static,
    {
        let tls = libp2p::tls::Config::new(&Keypair::generate_secp256k1()).unwrap();
        sockets.upgrade(version).authenticate(tls).multiplex(yamux::Config::default()).boxed()
    }
    match medium {
        Medium::Memory => secured(MemoryTransport::default(), version),
        Medium::Tcp => secured(libp2p::tcp::tokio::Transport::default(), version),
    }
}

fn socket_address(door: &Door) -> String {
    let mut parts = door.address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::Ip4(ip)), Some(Protocol::Tcp(port))) => format!("{ip}:{port}"),
        _ => panic!("{} is not TCP", door.address),
    }
}

#[tokio::test]
async fn a_vanilla_libp2p_node_is_refused_in_both_roles() {
    let honest = honest();
    for (medium, version) in [(Medium::Memory, Version::V1), (Medium::Tcp, Version::V1), (Medium::Tcp, Version::V1Lazy)]
    {
        let Meeting { dialer, listener } = meet(&mut honest.transport(medium), vanilla(medium, version), medium).await;
        assert_says(&dialer, &["does not speak this network's protocol", "check that the address and port"], "dialing");
        assert!(listener.is_err());
        let Meeting { dialer, listener } = meet(&mut vanilla(medium, version), honest.transport(medium), medium).await;
        let context = format!("listening, {medium:?} {version:?}");
        assert_says(&listener, &["this network's protocol /nuncio/tls/1", "no nuncio node"], &context);
        assert!(dialer.is_err());
    }
    assert!(honest.admissions.is_empty());
}

#[tokio::test]
async fn http_on_the_p2p_port_is_answered_with_an_end() {
    let honest = honest();
    let mut door = Door::open(honest.transport(Medium::Tcp), Medium::Tcp).await;
    let mut browser = TcpStream::connect(socket_address(&door)).await.unwrap();
    browser.write_all(HTTP_REQUEST).await.unwrap();
    assert_says(&door.outcome().await, &["bytes that are not libp2p, such as HTTP"], "listening");
    let mut heard = Vec::new();
    // A reset is an end as well.
    let _ = soon(browser.read_to_end(&mut heard)).await;
    assert!(honest.admissions.is_empty());
}

#[tokio::test]
async fn dialing_an_http_server_names_the_port() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", server.local_addr().unwrap().port()).parse().unwrap();
    let serving = async {
        let (mut socket, _) = server.accept().await.unwrap();
        let mut request = [0; 64];
        let _ = socket.read(&mut request).await.unwrap();
        socket.write_all(HTTP_ANSWER).await.unwrap();
        let _ = socket.read(&mut request).await;
    };
    let mut transport = honest().transport(Medium::Tcp);
    let (dialed, ()) = soon(async { tokio::join!(dial(&mut transport, &address), serving) }).await;
    assert_says(&dialed, &["bytes that are not libp2p, such as HTTP", "check that the address and port"], "dialing");
}

#[tokio::test]
async fn dialing_something_that_hangs_up_names_the_port() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", server.local_addr().unwrap().port()).parse().unwrap();
    let serving = async { drop(server.accept().await.unwrap()) };
    let mut transport = honest().transport(Medium::Tcp);
    let (dialed, ()) = soon(async { tokio::join!(dial(&mut transport, &address), serving) }).await;
    assert_says(&dialed, &["or hung up", "check that the address and port"], "dialing");
}

#[tokio::test]
async fn a_port_scan_is_told_apart_from_a_node() {
    let mut door = Door::open(honest().transport(Medium::Tcp), Medium::Tcp).await;
    drop(TcpStream::connect(socket_address(&door)).await.unwrap());
    assert_says(&door.outcome().await, &["left without agreeing on", "a port scan"], "listening");
}

#[tokio::test]
async fn nothing_that_is_sent_to_the_port_harms_it() {
    let authority = TestAuthority::new();
    let honest = Party::new(authority.node("honest"), authority.policy());
    let mut door = Door::open(honest.transport(Medium::Tcp), Medium::Tcp).await;
    let greeting = b"\x13/multistream/1.0.0\n\x0e/nuncio/tls/1\n";
    let noise: Vec<u8> = (0..1u32 << 18).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let hello_of_tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    let sdk_frame = [0, 0, 0, 42, 0, 0x13].iter().copied().chain([b'0'; 36]).collect();
    for bytes in [
        noise.clone(),
        hello_of_tls,
        sdk_frame,
        [&greeting[..], &noise].concat(),
        [&greeting[..], &[0x16, 0x03, 0x01, 0xff, 0xff]].concat(),
    ] {
        let mut socket = TcpStream::connect(socket_address(&door)).await.unwrap();
        // It may be cut while it still writes.
        let _ = soon(socket.write_all(&bytes)).await;
        let _ = socket.shutdown().await;
        assert!(door.outcome().await.is_err());
        let mut heard = Vec::new();
        let _ = soon(socket.read_to_end(&mut heard)).await;
    }
    let friend = Party::new(authority.node("friend"), authority.policy());
    let mut dialing = friend.transport(Medium::Tcp);
    let address = door.address.clone();
    let (dialed, accepted) = tokio::join!(dial(&mut dialing, &address), door.outcome());
    dialed.unwrap();
    accepted.unwrap();
}
