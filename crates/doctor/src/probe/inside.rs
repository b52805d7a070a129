//! What is behind TLS: the first frame of a channel client is the question.

use std::{io, time::Duration};

use bytes::BytesMut;
use nuncio_channel_protocol::{Frame, FrameCodec, FrameKind, FrameSeq, HandshakeAnswer, HandshakeRequest};
use rustls_pki_types::UnixTime;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout},
};
use tokio_util::codec::Decoder;

use super::{
    capture::{Ended, read_until},
    http,
};
use crate::Inside;

/// Most bytes read of an answer.
const MAX_ANSWER: usize = 8 << 10;

/// Longest version text that is kept, in characters.
const MAX_VERSION: usize = 40;

pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, patience: Duration) -> Inside {
    let body = HandshakeRequest::new("nuncio doctor").encode();
    let question = Frame::request(FrameKind::Handshake, FrameSeq::from_number(1), body).to_bytes();
    let sent = timeout(patience, async {
        stream.write_all(&question).await?;
        stream.flush().await
    })
    .await;
    // What the other side said before it hung up can still be read.
    drop(sent);
    let understood = |bytes: &[u8]| understand(bytes).is_some();
    let (received, ended) = read_until(&mut stream, MAX_ANSWER, Instant::now() + patience, understood).await;
    understand(&received).unwrap_or_else(|| match ended {
        _ if !received.is_empty() => Inside::Bytes(received.into_iter().take(64).collect()),
        Ended::Closed(Some(error)) => alert(&error).map_or(Inside::Closed, Inside::Refused),
        Ended::Closed(None) => Inside::Closed,
        Ended::StillOpen => Inside::Silent,
    })
}

fn alert(error: &io::Error) -> Option<rustls::Error> {
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    matches!(tls, rustls::Error::AlertReceived(_)).then(|| tls.clone())
}

fn understand(received: &[u8]) -> Option<Inside> {
    if let Some(answer) = http::parse(received, UnixTime::now()) {
        return received.windows(4).any(|window| window == b"\r\n\r\n").then_some(Inside::Http(answer));
    }
    if is_fisco_p2p(received) {
        return Some(Inside::FiscoP2p);
    }
    let frame = FrameCodec::new(MAX_ANSWER).decode(&mut BytesMut::from(received)).ok().flatten()?;
    let version = match frame.kind {
        FrameKind::Handshake => HandshakeAnswer::decode(&frame.body).ok().map(|answer| answer.node_version),
        // Nodes before 2.1 do not know the handshake, but push blocks.
        FrameKind::BlockNotification => Some("an old version".to_owned()),
        _ => None,
    };
    version.map(|version| Inside::Channel(nuncio_plain::short(&version, MAX_VERSION)))
}

/// The frame with which a FISCO BCOS 2.x node greets another: protocol 2 (topics), packet 1 (its seq in decimal digits).
fn is_fisco_p2p(received: &[u8]) -> bool {
    let [a, b, c, d, _, _, 0, 0, 0, 2, 0, 1, _, _, _, _, body @ ..] = received else { return false };
    let length = u32::from_be_bytes([*a, *b, *c, *d]);
    (17..=40).contains(&length) && body.iter().take(length as usize - 16).all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use nuncio_channel_protocol::ProtocolVersion;

    use super::*;

    #[test]
    fn protocols_are_told_apart_by_their_first_frame() {
        let request = Frame::request(FrameKind::Handshake, FrameSeq::from_number(1), bytes::Bytes::new());
        let answer = HandshakeAnswer { node_version: "2.9.1".into(), protocol: ProtocolVersion::V3, priorities: false };
        let frame = request.answer(FrameKind::Handshake, nuncio_channel_protocol::ResultCode::OK, answer.encode());
        let Some(Inside::Channel(version)) = understand(&frame.to_bytes()) else { panic!() };
        assert_eq!(version, "2.9.1");
        let greeting = [0, 0, 0, 17, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 0, 9, b'3'];
        assert!(matches!(understand(&greeting), Some(Inside::FiscoP2p)));
        assert!(matches!(understand(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Some(Inside::Http(_))));
        assert!(understand(b"\x00\x00").is_none() && understand(b"anything else that is long enough").is_none());
    }
}
