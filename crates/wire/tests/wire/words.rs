//! Words about a link, and the verdict.

use bytes::{Bytes, BytesMut};
use nuncio_protocol::peering::Parting;
use nuncio_wire::{
    DecodeError,
    unicast::{Frame, decode, decode_frame, encode_frame},
    verdict::Verdict,
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

#[test]
fn long_words_of_a_verdict_are_cut() {
    let wordy = Verdict { network: "é".repeat(5000), max_body: 10 << 20, refusal: Some("é".repeat(5000)) };
    let bytes = wordy.encode();
    assert!(bytes.len() <= 2 + Verdict::MAX_LENGTH);
    assert_eq!(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])), bytes.len() - 2);
    let read = Verdict::decode(&bytes[2..]).unwrap();
    assert!(read.network.starts_with('é') && read.refusal.unwrap().starts_with('é'));
}
