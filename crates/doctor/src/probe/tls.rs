use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls_pki_types::ServerName;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    capture::{Capture, First, read_until},
    tcp,
    tls_config::Witness,
};
use crate::{Credentials, Handshake, Offer, TlsAttempt};

/// One handshake on a connection of its own; the stream when it is done.
pub(super) async fn handshake(
    address: SocketAddr,
    offer: Offer,
    own: Option<&Credentials>,
    patience: Duration,
) -> (TlsAttempt, Option<TlsStream<Capture<TcpStream>>>) {
    let witness = Witness::new(own, offer);
    let (outcome, stream, first) = attempt(address, offer, &witness, patience).await;
    let seen = witness.seen();
    let first = first.bytes();
    (TlsAttempt { offer, outcome, chain: seen.chain, asked: seen.asked, proved: seen.proved, first }, stream)
}

async fn attempt(
    address: SocketAddr,
    offer: Offer,
    witness: &Arc<Witness>,
    patience: Duration,
) -> (Handshake, Option<TlsStream<Capture<TcpStream>>>, First) {
    let config = match witness.config(offer) {
        Ok(config) => config,
        Err(error) => return (Handshake::Failed(error), None, First::default()),
    };
    let Some(stream) = tcp::connect(address, patience).await else {
        return (Handshake::Closed("no further connection could be made".into()), None, First::default());
    };
    let (stream, first) = Capture::new(stream);
    // An address as name: none is sent, as nodes send none.
    let connecting = TlsConnector::from(Arc::new(config)).connect(ServerName::from(address.ip()), stream);
    match timeout(patience, connecting.into_fallible()).await {
        Ok(Ok(stream)) => (Handshake::Done(parameters(&stream)), Some(stream), first),
        Ok(Err((error, mut stream))) => match failure(&error) {
            Handshake::Closed(reason) => {
                (last_words(&mut stream, patience).await.unwrap_or(Handshake::Closed(reason)), None, first)
            }
            failed => (failed, None, first),
        },
        Err(_) => (Handshake::TimedOut, None, first),
    }
}

/// The alert that came while a write failed, if there was one.
async fn last_words(stream: &mut Capture<TcpStream>, patience: Duration) -> Option<Handshake> {
    let (words, _) = read_until(stream, 64, Instant::now() + patience, |bytes| bytes.len() >= ALERT_LENGTH).await;
    match words[..] {
        [0x15, 3, _, 0, 2, _, alert, ..] => Some(Handshake::Failed(rustls::Error::AlertReceived(alert.into()))),
        _ => None,
    }
}

/// An alert's record in the clear, in bytes.
const ALERT_LENGTH: usize = 7;

fn parameters(stream: &TlsStream<Capture<TcpStream>>) -> String {
    let connection = stream.get_ref().1;
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS 1.2",
    };
    let group = connection.negotiated_key_exchange_group().map(|group| match group.name() {
        nuncio_pki::tls::SECP256K1_GROUP => "secp256k1".to_owned(),
        name => format!("{name:?}"),
    });
    let suite = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
    [Some(version.to_owned()), group, suite].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn failure(error: &io::Error) -> Handshake {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => Handshake::Failed(tls.clone()),
        None => Handshake::Closed(error.to_string()),
    }
}
