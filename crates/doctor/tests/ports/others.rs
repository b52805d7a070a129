//! Ports that are neither a node's nor in TLS, and ports that are not there.

use nuncio_doctor::{Check, Port, Target};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::rig::{BRIEF, PATIENCE, Rig, assert_healthy, examine, fault, fault_of, port, question};

/// Answers whatever comes, then hangs up once the other side does.
async fn answer(mut stream: TcpStream, words: &'static [u8]) {
    let mut question = [0; 512];
    if stream.read(&mut question).await.is_ok_and(|length| length > 0) && stream.write_all(words).await.is_ok() {
        let _ = stream.shutdown().await;
        while stream.read(&mut question).await.is_ok_and(|length| length > 0) {}
    }
}

const HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";

#[tokio::test]
async fn a_plain_http_server_is_named_and_its_clock_read() {
    let address = port(|stream| answer(stream, HTTP)).await;
    let findings = examine(question(address), PATIENCE).await;
    assert!(fault_of(&findings, Check::Port).contains("HTTP in plain text"));
    let clock = fault_of(&findings, Check::Clock);
    assert!(clock.contains("behind") && clock.contains("1994-11-06T08:49:37Z"), "{clock}");
    let meant = examine(question(address).expecting(Port::Plain), PATIENCE).await;
    assert!(meant.iter().any(|one| one.check == Check::Port && one.what.contains("plain text")), "{meant:?}");
}

#[tokio::test]
async fn raw_bytes_are_shown() {
    let address = port(|mut stream: TcpStream| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9\r\n").await;
        while stream.read(&mut [0; 512]).await.is_ok_and(|length| length > 0) {}
    })
    .await;
    let (check, words) = fault(question(address), BRIEF).await;
    assert!(check == Check::Port && words.contains("SSH-2.0-OpenSSH_9"), "{words}");
    assert_healthy(&examine(question(address).expecting(Port::Plain), BRIEF).await);
}

#[tokio::test]
async fn a_port_that_speaks_tlcp_only_is_told_from_one_without_common_ciphers() {
    // What such a server answers: an alert of its own version, whatever the greeting's was.
    let address = port(|stream| answer(stream, &[0x15, 1, 1, 0, 2, 2, 40])).await;
    let (check, words) = fault(question(address).with_credentials(Rig::new().sdk()), PATIENCE).await;
    assert!(check == Check::Port && words.contains("TLCP"), "{words}");
    let address = port(|stream| answer(stream, &[0x15, 3, 3, 0, 2, 2, 40])).await;
    let (check, words) = fault(question(address), PATIENCE).await;
    assert!(check == Check::Tls && words.contains("no curve, cipher"), "{words}");
}

#[tokio::test]
async fn a_libp2p_program_that_is_no_node_is_told() {
    let address = port(|stream| answer(stream, b"\x13/multistream/1.0.0\n\x03na\n")).await;
    let (check, words) = fault(question(address), PATIENCE).await;
    assert!(check == Check::Port && words.contains("libp2p"), "{words}");
}

#[tokio::test]
async fn silence_and_hanging_up_are_told_apart_in_time() {
    let address = port(|mut stream: TcpStream| async move {
        while stream.read(&mut [0; 512]).await.is_ok_and(|length| length > 0) {}
    })
    .await;
    let (check, words) = fault(question(address), BRIEF).await;
    assert!(check == Check::Port && words.contains("says nothing"), "{words}");
    let address = port(|stream| async move { drop(stream) }).await;
    let (check, words) = fault(question(address), PATIENCE).await;
    assert!(check == Check::Port && words.contains("hangs up"), "{words}");
}

#[tokio::test]
async fn what_cannot_be_reached_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (check, words) = fault(question(address), PATIENCE).await;
    assert!(check == Check::Connection && words.contains("refuses"), "{words}");

    // A name that no name server may know, RFC 6761.
    let target: Target = "nosuch.invalid:30300".parse().unwrap();
    let (check, _) = fault(nuncio_doctor::Question::new(target), PATIENCE).await;
    assert_eq!(check, Check::Name);
}
