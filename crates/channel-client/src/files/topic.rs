//! Topics that are made for one transfer.

const BEGINNING: &str = "file/";

pub(super) fn draw() -> String {
    format!("{BEGINNING}{}", hex::encode(rand::random::<[u8; 16]>()))
}

/// A sender sends nowhere else, whatever a receiver says: others' subscribers are not to be written to through it.
pub(super) fn is_one(topic: &str) -> bool {
    let number = topic.strip_prefix(BEGINNING).unwrap_or_default();
    number.len() == 32 && number.bytes().all(|digit| digit.is_ascii_hexdigit())
}
