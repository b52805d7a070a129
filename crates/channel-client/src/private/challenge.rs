//! What a publisher lets a subscriber sign, and what a subscriber signs.
//!
//! A publisher's challenge is 64 lower-case hexadecimal digits: a random number of 16 bytes, a *mark* of 8, which only says
//! that the number is one of ours, and a *binding* of 8, over the number and the channel that the challenge was put to:
//!
//! ```text
//! mark    = Keccak-256("nuncio private topic challenge v1 mark"    ‖ number)[..8]
//! binding = Keccak-256("nuncio private topic challenge v1 binding" ‖ number ‖ channel)[..8]
//! ```
//!
//! SDKs sign it like any other, since they take letters and digits of any length. Our subscriber sees by the mark that it
//! comes from our publisher, and by the binding whether for this channel: one that was put to another channel and passed on
//! is not signed. Nothing is negotiated, so nothing can be talked down: the mark cannot be taken off, for the publisher
//! accepts a signature over exactly what it drew.

use sha3::{Digest, Keccak256};

const NUMBER: usize = 16;
const TAG: usize = 8;

/// Longest challenge of the Go SDK, in bytes; the Java SDK's has [`JAVA`] hexadecimal digits.
const GO: usize = 17;
const JAVA: usize = 32;

/// What a challenge is to a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Of our publisher, for this channel.
    Bound,
    /// Of our publisher, for another channel: somebody passed it on.
    PassedOn,
    /// In the form of FISCO BCOS's SDKs, which says nothing about where it was put.
    Sdk,
    /// None.
    Unknown,
}

/// A challenge for a channel, never the same again.
pub(super) fn draw(channel: &str) -> String {
    write(rand::random(), channel)
}

impl Challenge {
    /// Judges what came to a channel.
    pub(super) fn judge(bytes: &[u8], channel: &str) -> Self {
        let mut number = [0; NUMBER];
        let is_ours = bytes.len() == 2 * (NUMBER + 2 * TAG)
            && hex::decode_to_slice(&bytes[..2 * NUMBER], &mut number).is_ok()
            && bytes[2 * NUMBER..][..2 * TAG] == *hex::encode(mark(number)).as_bytes();
        match bytes.len() {
            _ if is_ours && bytes == write(number, channel).as_bytes() => Self::Bound,
            _ if is_ours => Self::PassedOn,
            JAVA if bytes.iter().all(u8::is_ascii_hexdigit) => Self::Sdk,
            1..=GO => Self::Sdk,
            _ => Self::Unknown,
        }
    }
}

fn write(number: [u8; NUMBER], channel: &str) -> String {
    hex::encode([&number[..], &mark(number), &binding(number, channel)].concat())
}

fn mark(number: [u8; NUMBER]) -> [u8; TAG] {
    tag(&[b"nuncio private topic challenge v1 mark", &number])
}

fn binding(number: [u8; NUMBER], channel: &str) -> [u8; TAG] {
    tag(&[b"nuncio private topic challenge v1 binding", &number, channel.as_bytes()])
}

fn tag(pieces: &[&[u8]]) -> [u8; TAG] {
    let hash = pieces.iter().fold(Keccak256::new(), |hash, piece| hash.chain_update(piece)).finalize();
    let mut tag = [0; TAG];
    tag.copy_from_slice(&hash[..TAG]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_for_one_channel() {
        let challenge = draw("a");
        assert_eq!(Challenge::judge(challenge.as_bytes(), "a"), Challenge::Bound);
        assert_eq!(Challenge::judge(challenge.as_bytes(), "b"), Challenge::PassedOn);
        assert_ne!(draw("a"), challenge);
    }

    #[test]
    fn a_challenge_of_ours_cannot_be_made_to_look_like_another() {
        let challenge = draw("a");
        for place in 0..challenge.len() {
            let mut changed = challenge.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            let judged = Challenge::judge(&changed, "b");
            assert!(matches!(judged, Challenge::Unknown | Challenge::PassedOn), "{judged:?}");
        }
        assert_eq!(Challenge::judge(challenge.to_uppercase().as_bytes(), "b"), Challenge::Unknown);
    }

    #[test]
    fn challenges_of_sdks_have_their_form_exactly() {
        for challenge in [&b"0123456789abcdef0123456789ABCDEF"[..], &[0xff; 17], b"1"] {
            assert_eq!(Challenge::judge(challenge, "a"), Challenge::Sdk);
        }
        let others =
            [&b""[..], &[0xff; 18], &b"0123456789abcdef0123456789abcdeg"[..], &[b'a'; 33], &[b'a'; 64], &[0; 1 << 20]];
        for challenge in others {
            assert_eq!(Challenge::judge(challenge, "a"), Challenge::Unknown);
        }
    }
}
