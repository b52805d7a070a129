//! The Chinese national TLS (GM/T 0024, GB/T 38636: TLCP): SM2, SM3, SM4, version 0x0101. Only its greeting is spoken.

use std::{net::SocketAddr, time::Duration};

use tokio::{io::AsyncWriteExt, time::Instant};

use super::{capture::read_until, tcp};
use crate::TlcpAnswer;

/// A ClientHello of version 0x0101, for the suites ECDHE and ECC with SM4 in CBC and GCM. Its random is fixed: no
/// session comes of it.
const GREETING: [u8; 58] = {
    let mut greeting = [0x53; 58];
    let head: [u8; 11] = [0x16, 1, 1, 0, 53, 1, 0, 0, 49, 1, 1];
    let tail: [u8; 15] = [0, 0, 10, 0xe0, 0x53, 0xe0, 0x51, 0xe0, 0x13, 0xe0, 0x11, 0, 0xff, 1, 0];
    let mut index = 0;
    while index < head.len() {
        greeting[index] = head[index];
        index += 1;
    }
    index = 0;
    while index < tail.len() {
        greeting[43 + index] = tail[index];
        index += 1;
    }
    greeting
};

/// The alert protocol_version: servers of other TLS send it under whatever version they were asked with.
const PROTOCOL_VERSION: u8 = 70;

pub(super) async fn ask(address: SocketAddr, patience: Duration) -> TlcpAnswer {
    let Some(mut stream) = tcp::connect(address, patience).await else { return TlcpAnswer::NotSpoken };
    if stream.write_all(&GREETING).await.is_err() {
        return TlcpAnswer::NotSpoken;
    }
    let (received, _) = read_until(&mut stream, 64, Instant::now() + patience, |bytes| bytes.len() >= 7).await;
    judge(&received)
}

fn judge(received: &[u8]) -> TlcpAnswer {
    match received {
        [0x16, 1, 1, ..] => TlcpAnswer::Spoken,
        [0x15, 1, 1, _, _, _, description, ..] if *description != PROTOCOL_VERSION => TlcpAnswer::Spoken,
        _ => TlcpAnswer::NotSpoken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_is_a_whole_record() {
        let record = usize::from(u16::from_be_bytes([GREETING[3], GREETING[4]]));
        let message = usize::from(u16::from_be_bytes([GREETING[7], GREETING[8]]));
        assert_eq!((record + 5, message + 9), (GREETING.len(), GREETING.len()));
        assert_eq!(&GREETING[43..46], &[0, 0, 10], "no session, five suites");
    }

    #[test]
    fn only_answers_of_its_own_version_count() {
        assert_eq!(judge(&[0x16, 1, 1, 0, 74, 2, 0]), TlcpAnswer::Spoken);
        assert_eq!(judge(&[0x15, 1, 1, 0, 2, 2, 40]), TlcpAnswer::Spoken);
        for other in [&[0x15, 1, 1, 0, 2, 2, 70][..], &[0x15, 3, 3, 0, 2, 2, 40], b"HTTP/1.1", b""] {
            assert_eq!(judge(other), TlcpAnswer::NotSpoken, "{other:?}");
        }
    }
}
