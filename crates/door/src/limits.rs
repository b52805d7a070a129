use std::time::Duration;

use nuncio_bounds::Bound;

use crate::{familiar::Familiar, rates::Rates};

/// Connections that the system may hold for a listener until it takes them. Beyond, it drops packets of newcomers, and
/// those have to wait a second or more; systems cut it to a limit of their own, 4,096 commonly.
pub const BACKLOG: u32 = 4096;

/// What a place takes, in bytes.
const PLACE: usize = 512;

/// How much a [`crate::Door`] lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Handshakes of strangers at once.
    pub places: usize,
    /// Of those, from one network, an IPv4 /24 or IPv6 /48.
    pub places_per_network: usize,
    /// Of those, from one source, an IPv4 address or IPv6 /64.
    pub places_per_source: usize,
    /// Handshakes at once, besides, from named sources and from where somebody was admitted lately.
    pub kept_places: usize,
    /// How old the oldest handshake of a source must be to make room for another of the same source: long enough that
    /// an honest one would be done. A younger one stays, and the newcomer is refused; else a source that opens many
    /// connections at once would finish none.
    pub patience: Duration,
    /// Connections per second from one source in the long run.
    pub source_rate: u32,
    /// Connections from one source at once after a quiet time.
    pub source_burst: u32,
    /// Connections per second from all strangers in the long run: what the processor can take.
    pub rate: u32,
    /// Connections from all strangers at once after a quiet time.
    pub burst: u32,
}

impl Limits {
    /// What newcomers can make a door hold, each of whose handshakes takes so many bytes.
    pub fn bounds(&self, handshake: usize) -> [Bound; 3] {
        [
            Bound::of_bytes(
                "handshakes",
                handshake + PLACE,
                "the most crowded source makes room, or the newcomer is refused",
            )
            .per("place at the door", self.most_alive()),
            Rates::BOUND,
            Familiar::BOUND,
        ]
    }

    /// Most connections that have a place, or have lost one and are not gone yet.
    pub(crate) const fn most_alive(&self) -> usize {
        self.places.saturating_add(self.kept_places).saturating_mul(2)
    }

    /// For so many handshakes of strangers at once, and so many connections of one source per second and saved up: half of
    /// the places for one source, three quarters for one network, a quarter more that are kept; 1,024 strangers per
    /// second in all, and twice as many saved up; patience of 1 s.
    pub const fn new(places: usize, source_rate: u32, source_burst: u32) -> Self {
        let places = at_least_one(places);
        Self {
            places,
            places_per_network: at_least_one(places / 4 * 3),
            places_per_source: at_least_one(places / 2),
            kept_places: at_least_one(places / 4),
            patience: Duration::from_secs(1),
            source_rate,
            source_burst,
            rate: 1024,
            burst: 2048,
        }
    }
}

const fn at_least_one(places: usize) -> usize {
    if places == 0 { 1 } else { places }
}
