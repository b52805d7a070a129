use std::sync::{Mutex, PoisonError};

use bytes::{Buf, BytesMut};
use prost::{Message as _, decode_length_delimiter};

use crate::meshsub::Rpc;

/// Messages of gossip kept at most.
const KEPT: usize = 64;

/// The gossip that a victim passed on, as it came.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<Vec<u8>>>);

impl Heard {
    /// Takes the whole messages off the front of a buffer.
    pub(crate) fn gossip(&self, buffer: &mut BytesMut) {
        loop {
            let mut rest = &buffer[..];
            let Ok(length) = decode_length_delimiter(&mut rest) else { return };
            let start = buffer.len() - rest.len();
            if rest.len() < length {
                return;
            }
            let whole = buffer.split_to(start + length);
            self.keep(&whole, start);
        }
    }

    fn keep(&self, whole: &[u8], start: usize) {
        let Ok(rpc) = Rpc::decode(&whole[start..]) else { return };
        let is_pulse = |topic: &str| topic == crate::meshsub::PULSE;
        if rpc.publish.is_empty() || rpc.publish.iter().any(|message| is_pulse(&message.topic)) {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(whole.chunk().to_vec());
        }
    }

    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
