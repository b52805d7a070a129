//! Words about a link, and the verdict.

use bytes::{Bytes, BytesMut};
use nuncio_protocol::peering::Parting;
use nuncio_wire::{
    DecodeError,
    unicast::{Frame, decode, decode_frame, encode_frame},
    verdict::{Protocol, Verdict},
};

use super::party::{cut, parties};

#[test]
fn words_about_a_link_carry_nothing_and_are_no_messages() {
    let [a, b] = parties();
    for word in [Frame::Goodbye { parting: Parting::Leaving }, Frame::Hello { epoch: 7 }] {
        let mut head = BytesMut::new();
        let body = encode_frame(word.clone(), b.node, &a.context, &mut head).unwrap();
        let (header, body) = cut(head, &body);
        assert_eq!(decode_frame(header.clone(), body, a.node, &b.context), Ok(word));
        let laden = decode_frame(header.clone(), Bytes::from("x"), a.node, &b.context);
        assert_eq!(laden, Err(DecodeError::TooLarge { what: "body", bytes: 1, limit: 0 }));
        let as_message = decode(header, Bytes::new(), a.node, &b.context);
        assert_eq!(as_message, Err(DecodeError::Field { field: "kind" }));
    }
}

fn verdict(network: &str, features: usize) -> Verdict {
    let longest = |number| format!("{number:0>width$}", width = Protocol::MAX_FEATURE_LENGTH);
    let protocol = Protocol { features: (0..features).map(longest).collect(), ..Protocol::of_this_release() };
    Verdict { network: network.into(), max_body: 10 << 20, refusal: None, protocol }
}

#[test]
fn long_words_of_a_verdict_are_cut() {
    for features in [0, 3, Protocol::MAX_FEATURES] {
        let short = Verdict { refusal: Some("x".repeat(300)), ..verdict(&"n".repeat(512), features) };
        assert_eq!(Verdict::decode(&short.encode()[2..]), Ok(short), "room is kept for words");
        for network in ["test", &"é".repeat(5000)] {
            let bytes = Verdict { refusal: Some("é".repeat(5000)), ..verdict(network, features) }.encode();
            assert!(bytes.len() <= 2 + Verdict::MAX_LENGTH);
            assert_eq!(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])), bytes.len() - 2);
            assert!(Verdict::decode(&bytes[2..]).unwrap().refusal.unwrap().starts_with('é'));
        }
    }
}

#[test]
fn a_verdict_without_versions_is_of_version_1_and_unknown_fields_are_passed_over() {
    let of_version_1 = [b"\x0a\x04test".as_slice(), b"\x10\x07"].concat();
    let read = Verdict::decode(&of_version_1).unwrap();
    assert_eq!((read.protocol.lowest, read.protocol.highest, read.max_body), (1, 1, 7));
    // Field 1000, a string, as a later release may send it.
    let later = [&verdict("test", 1).encode()[2..], b"\xc2\x3e\x03new"].concat();
    assert_eq!(Verdict::decode(&later), Ok(verdict("test", 1)));
}
