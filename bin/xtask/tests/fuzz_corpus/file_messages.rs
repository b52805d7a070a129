//! Messages of file transfers.

use nuncio_channel_client::file_message::{Chunk, Hex32, Offer, Receipt, Reply, Seal};

use super::seeds::Seed;
use crate::decoders::FILE_KEY;

const TARGET: &str = "file_message";

pub(super) fn seeds() -> Vec<Seed> {
    let offer = Offer { name: "report.pdf".into(), size: 5, sha256: Hex32([1; 32]), key: Hex32([2; 32]) };
    let accepted = Reply::Accepted { topic: "file/1".into(), key: Hex32([3; 32]), bytes: 2 };
    let refused = Reply::Refused { reason: "it is on its way already".into(), again: true };
    let sealed = |message| Seal::new(FILE_KEY).seal(9, b"", message);
    let chunk = Chunk { offset: 2, data: b"abc" }.encode();
    let mut changed = sealed(chunk.clone());
    changed[10] ^= 1;
    vec![
        (TARGET, "offer", offer.encode()),
        (TARGET, "accepted", accepted.encode()),
        (TARGET, "refused", refused.encode()),
        (TARGET, "receipt", Receipt::Received { bytes: 5 }.encode()),
        (TARGET, "chunk_sealed", sealed(chunk)),
        (TARGET, "receipt_sealed", sealed(Receipt::Complete.encode())),
        (TARGET, "not_unchanged", changed),
        (TARGET, "not_beyond_what_a_number_says", vec![0xff; 20]),
        (TARGET, "not_without_a_key", br#"{"name":"a","size":1,"sha256":"00"}"#.to_vec()),
    ]
}

/// Chunks in clear are any bytes: only a sealed one says that it is one.
pub(super) fn is_read(bytes: &[u8]) -> bool {
    Offer::decode(bytes).is_ok()
        || Reply::decode(bytes).is_ok()
        || Receipt::decode(bytes).is_ok()
        || Seal::new(FILE_KEY).open(b"", bytes).is_ok()
}
