//! The first steps of a Nuncio node: agreeing on the protocol in plain text, then TLS with admission and the verdict.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use nuncio_pki::{Identity, Policy};
use nuncio_transport::{Admissions, Config, HandshakeError, Role, SecureChannel, Stage};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::{capture::Capture, tcp};
use crate::{Opening, P2pOutcome};

/// multistream-select: a length, then a line.
const HEADER: &[u8] = b"\x13/multistream/1.0.0\n";

/// Longest that anything but a node is waited for: whatever does not know these bytes may never answer.
const LONGEST_WAIT: Duration = Duration::from_millis(1500);

/// Says what a node says first. The stream is returned when the other side agrees.
pub(super) async fn open(address: SocketAddr, patience: Duration) -> (Opening, Option<TcpStream>) {
    let Some(mut stream) = tcp::connect(address, patience).await else { return (Opening::Closed, None) };
    let deadline = Instant::now() + patience.min(LONGEST_WAIT);
    let proposal = proposal();
    if stream.write_all(&[HEADER, &proposal].concat()).await.is_err() {
        return (Opening::Closed, None);
    }
    let (mut captured, first) = Capture::new(&mut stream);
    let header = answers(&mut captured, HEADER, deadline).await;
    let opening = match header {
        Ok(true) => match answers(&mut captured, &proposal, deadline).await {
            Ok(true) => Opening::Nuncio,
            _ => Opening::OtherLibp2p,
        },
        _ if !first.bytes().is_empty() => Opening::Bytes(first.bytes()),
        Err(Silence) => Opening::Silent,
        Ok(false) => Opening::Closed,
    };
    let agreed = (opening == Opening::Nuncio).then_some(stream);
    (opening, agreed)
}

/// Does what a node does when it dials. `None` when this machine cannot even begin.
pub(super) async fn handshake(
    stream: TcpStream,
    identity: &Identity,
    policy: &Policy,
    network: &str,
    patience: Duration,
) -> Option<P2pOutcome> {
    let config = Config {
        identity: Arc::new(ArcSwap::from_pointee(identity.clone())),
        policy: Arc::new(ArcSwap::from_pointee(policy.clone())),
        network: network.to_owned(),
        max_body: u32::try_from(nuncio_protocol::MAX_BODY).ok()?,
        handshake_timeout: patience,
    };
    let channel = SecureChannel::new(config, Admissions::default()).ok()?;
    // The channel minds the time itself; this is for what it does after its deadline.
    let upgrade = timeout(patience * 2, channel.connect(stream.compat())).await;
    Some(match upgrade {
        Ok(Ok((peer, _))) => P2pOutcome::Admitted(peer),
        Ok(Err(error)) => P2pOutcome::Failed(error),
        Err(_) => {
            let error = HandshakeError::TimedOut { role: Role::Dialer, stage: Stage::Verdict, after: patience * 2 };
            P2pOutcome::Failed(error)
        }
    })
}

fn proposal() -> Vec<u8> {
    let line = format!("{}\n", nuncio_transport::PROTOCOL);
    // A line this short has its length in one byte.
    [&[u8::try_from(line.len()).unwrap_or_default()], line.as_bytes()].concat()
}

/// Nothing came in time.
struct Silence;

/// Whether exactly these bytes come next; false also when the other side hangs up. No byte more is read.
async fn answers(stream: &mut Capture<&mut TcpStream>, expected: &[u8], deadline: Instant) -> Result<bool, Silence> {
    let mut received = 0;
    let mut next = [0; 32];
    while received < expected.len() {
        let wanted = &mut next[..expected.len() - received];
        match timeout_at(deadline, stream.read(wanted)).await {
            Err(_) => return Err(Silence),
            Ok(Ok(0) | Err(_)) => return Ok(false),
            Ok(Ok(length)) if wanted[..length] == expected[received..received + length] => received += length,
            Ok(Ok(_)) => return Ok(false),
        }
    }
    Ok(true)
}
