//! TLS servers with curves of their own, and what is behind TLS.

use std::{net::SocketAddr, path::Path, sync::Arc};

use nuncio_doctor::{Check, Port, Severity};
use nuncio_pki::tls::{ChannelPaths, SECP256K1, channel_server_config};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::rig::{PATIENCE, Rig, assert_healthy, examine, fault, port, question};

type Stream = TlsStream<TcpStream>;

/// A port that asks for no certificate and does `serve` with every finished handshake.
async fn server<F: Future<Output = ()> + Send + 'static>(
    directory: &Path,
    group: &'static dyn SupportedKxGroup,
    serve: impl Fn(Stream) -> F + Send + Sync + Copy + 'static,
) -> SocketAddr {
    let acceptor = TlsAcceptor::from(Arc::new(config(directory, group)));
    port(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        }
    })
    .await
}

/// Of the channel port's configuration only the certificate is kept.
fn config(directory: &Path, group: &'static dyn SupportedKxGroup) -> ServerConfig {
    let channel =
        channel_server_config(&ChannelPaths::in_directory(directory)).unwrap().handshake(false).unwrap().config();
    let provider = CryptoProvider { kx_groups: vec![group], ..aws_lc_rs::default_provider() };
    ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS12, &TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&channel.cert_resolver))
}

/// Sends these words as soon as the handshake is done.
async fn say(mut stream: Stream, words: &'static [u8]) {
    if stream.write_all(words).await.is_ok() && stream.flush().await.is_ok() {
        while stream.read(&mut [0; 512]).await.is_ok_and(|length| length > 0) {}
    }
}

const FISCO_GREETING: &[u8] = &[0, 0, 0, 17, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 0, 9, b'3'];

#[tokio::test]
async fn a_fisco_p2p_port_is_told_and_its_only_curve_noted() {
    let rig = Rig::new();
    rig.authority.write_node_directory(&rig.path("node"), "node");
    let address = server(&rig.path("node"), SECP256K1, |stream| say(stream, FISCO_GREETING)).await;
    let (check, words) = fault(question(address).with_credentials(rig.sdk()), PATIENCE).await;
    assert!(check == Check::Port && words.contains("FISCO BCOS 2.x"), "{words}");
    let findings = examine(question(address), PATIENCE).await;
    assert_healthy(&findings);
    let noted = |words: &str| findings.iter().any(|one| one.severity == Severity::Note && one.what.contains(words));
    assert!(noted("secp256k1 only") && noted("asks nobody"), "{findings:?}");
}

#[tokio::test]
async fn a_server_without_a_common_curve_is_told() {
    let rig = Rig::new();
    rig.authority.write_node_directory(&rig.path("node"), "node");
    let group = aws_lc_rs::kx_group::X25519MLKEM768;
    let address = server(&rig.path("node"), group, |stream| say(stream, b"")).await;
    let (check, words) = fault(question(address).with_credentials(rig.sdk()), PATIENCE).await;
    assert!(check == Check::Tls && words.contains("no curve, cipher"), "{words}");
}

#[tokio::test]
async fn https_is_told_from_a_channel_port_and_is_not_plain() {
    const ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let rig = Rig::new();
    rig.authority.write_node_directory(&rig.path("node"), "node");
    let address = server(&rig.path("node"), SECP256K1, |stream| say(stream, ANSWER)).await;
    let (check, words) = fault(question(address).with_credentials(rig.sdk()), PATIENCE).await;
    assert!(check == Check::Port && words.contains("HTTPS"), "{words}");
    let (check, words) = fault(question(address).expecting(Port::Plain), PATIENCE).await;
    assert!(check == Check::Port && words.contains("meant to be plain"), "{words}");
}
