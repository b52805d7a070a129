use std::{collections::VecDeque, io};

use super::Scene;
use crate::{link::Link, pace::Pace};

/// Streams held at once: with those of the link fewer than a connection may have.
const HELD: usize = 48;

/// Opens streams, says nothing on them, and gives up the oldest for the next.
pub(super) async fn without_a_word(link: &Link, scene: &Scene) -> io::Result<()> {
    let (mut pace, mut held) = (Pace::per_second(scene.rate), VecDeque::new());
    loop {
        for _ in 0..pace.due().await {
            if held.len() >= HELD {
                held.pop_front();
            }
            held.push_back(link.connection.open_raw().await?);
            scene.count(1);
        }
    }
}
