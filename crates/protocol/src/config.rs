use std::{sync::Arc, time::Duration};

use nuncio_rights::Rights;

use crate::amop::PublishLimits;

/// What the core can be tuned by. Defaults are stated with each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Links wanted in all; nodes learnt from status records are dialled until there are so many. 8.
    pub target_degree: usize,
    /// First and longest pause between dials of one address; full jitter between. 250 ms and 15 s.
    pub backoff: (Duration, Duration),
    /// A link that lived so long resets the pause. 30 s.
    pub healthy_after: Duration,
    /// How long the losing one of two connections to a peer is kept to drain. 1 s.
    pub drain: Duration,
    /// How soon the own version is announced again after a change, three times; then after twice as long each time, up to
    /// sixteen times. 2 s.
    pub announce_interval: Duration,
    /// Shortest time between two changes of the own status; changes in between are taken together. 100 ms.
    pub coalesce: Duration,
    /// How long a record of a node that cannot be reached is kept. 10 min.
    pub forget_after: Duration,
    /// How long one first hop may stay silent before a request is tried over another one. 2 s.
    pub hop_timeout: Duration,
    /// The longest time a unicast request may take; longer ones are shortened to it. 60 s.
    pub max_request_timeout: Duration,
    /// Time for one AMOP candidate to acknowledge. 2 s.
    pub amop_candidate_timeout: Duration,
    /// Time for an AMOP unicast in all; Java SDKs give up at 5 s. 4 s.
    pub amop_timeout: Duration,
    /// How much clients may publish in a second; beyond it a publish is answered 103. No limits.
    pub publish_limits: PublishLimits,
    /// What other nodes may do with topics here. Everything.
    pub rights: Arc<Rights>,
    /// Whether multicasts may be pushed to this node. They may; where not, they come by gossip, as to a release that knows nothing
    /// else.
    pub takes_batches: bool,
    /// Whether hops may report on traced requests of this node. They may; where not, as of a release that knows no traces, none
    /// does.
    pub traces: bool,
    /// Whether multicasts of other priorities than the normal one may be pushed to this node. They may; where not, as to a release
    /// that knows none, all that is for it is normal.
    pub takes_priorities: bool,
    /// Sets of numbers for multicasts in one epoch, one for each topic and priority; those of copies for such a release are counted
    /// apart. Then another epoch is due. 67 108 864, of which there are no more.
    pub number_sets: u64,
    /// Most unicast exchanges and most AMOP exchanges in flight, each; further ones are refused. 65 536.
    pub max_exchanges: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            target_degree: 8,
            backoff: (Duration::from_millis(250), Duration::from_secs(15)),
            healthy_after: Duration::from_secs(30),
            drain: Duration::from_secs(1),
            announce_interval: Duration::from_secs(2),
            coalesce: Duration::from_millis(100),
            forget_after: Duration::from_secs(600),
            hop_timeout: Duration::from_secs(2),
            max_request_timeout: Duration::from_secs(60),
            amop_candidate_timeout: Duration::from_secs(2),
            amop_timeout: Duration::from_secs(4),
            publish_limits: PublishLimits::default(),
            rights: Arc::default(),
            takes_batches: true,
            traces: true,
            takes_priorities: true,
            number_sets: 1 << 26,
            max_exchanges: 65_536,
        }
    }
}
