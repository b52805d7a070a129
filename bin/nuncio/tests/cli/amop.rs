//! An SDK client at a node of another kind: one that says nothing of priorities, as those of FISCO BCOS.

use std::path::Path;

use futures::{SinkExt, StreamExt};
use nuncio_channel_protocol::{
    FrameCodec, FrameKind, HandshakeAnswer, HandshakeRequest, ResultCode, Subscription, heartbeat,
};
use nuncio_pki::tls::{ChannelPaths, channel_server_config};
use nuncio_testkit::TestAuthority;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::Framed;

use super::support::nuncio;

/// Serves one client: its publishes and multicasts are answered with what they say.
async fn serve(acceptor: TlsAcceptor, tcp: TcpStream, priorities: bool) -> Option<()> {
    let mut frames = Framed::new(acceptor.accept(tcp).await.ok()?, FrameCodec::default());
    let mut version = None;
    loop {
        let frame = frames.next().await?.ok()?;
        let answer = match frame.kind {
            FrameKind::Handshake => {
                let protocol = HandshakeRequest::decode(&frame.body).ok()?.negotiate()?;
                version = Some(protocol);
                let body = HandshakeAnswer { node_version: "2.9.1".into(), protocol, priorities }.encode();
                frame.answer(FrameKind::Handshake, ResultCode::OK, body)
            }
            FrameKind::Heartbeat => {
                let body = heartbeat::answer(version?, &frame.body)?;
                frame.answer(FrameKind::Heartbeat, ResultCode::OK, body)
            }
            FrameKind::Subscribe => {
                Subscription::decode(&frame.body, 512).ok()?;
                continue;
            }
            _ => frame.answer(FrameKind::Answer, ResultCode::OK, frame.body.clone()),
        };
        frames.send(answer).await.ok()?;
    }
}

/// A node that says whether it knows priorities, for as long as the runtime lasts.
async fn node(directory: &Path, priorities: bool) -> String {
    let tls = channel_server_config(&ChannelPaths::in_directory(directory)).expect("a node's certificates");
    let acceptor = TlsAcceptor::from(tls.handshake(false).expect("it takes clients").config());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it has one").to_string();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(serve(acceptor.clone(), tcp, priorities));
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_a_priority_to_a_node_that_knows_none_is_told() {
    let (authority, place) = (TestAuthority::new(), tempfile::tempdir().expect("a directory"));
    let (server, sdk) = (place.path().join("node"), place.path().join("sdk"));
    authority.write_node_directory(&server, "node");
    authority.write_sdk_directory(&sdk, false);
    for knows in [true, false] {
        let gateway = node(&server, knows).await;
        for priority in [&["--priority", "high"][..], &[]] {
            for to in [&["--broadcast"][..], &[]] {
                let certs = sdk.to_str().expect("text");
                let fixed = ["amop", "publish", "alarms", "--data", "fire", "--gateway", &gateway, "--certs", certs];
                let arguments: Vec<String> = fixed.iter().chain(priority).chain(to).map(|&text| text.into()).collect();
                let run = tokio::task::spawn_blocking(|| nuncio(arguments)).await.expect("it runs").must_succeed();
                let warned = run.stderr.contains(&format!("warning: {gateway} knows no priorities: "));
                assert_eq!(warned, !knows && !priority.is_empty(), "{}", run.stderr);
            }
        }
    }
}
