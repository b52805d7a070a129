//! What is measured.

use std::time::Duration;

use nuncio_protocol::{MAX_BODY, Priority};

/// One measurement.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) work: Work,
    /// What a comparison calls the work.
    pub(crate) label: Option<String>,
    /// Bytes in a message.
    pub(crate) payload: usize,
    /// Messages under way at once.
    pub(crate) in_flight: usize,
    /// Of a multicast.
    pub(crate) subscribers: usize,
    /// Of a fan-in.
    pub(crate) publishers: usize,
    /// Nodes between the two ends of a request.
    pub(crate) relays: usize,
    /// Of requests.
    pub(crate) priority: Priority,
    /// What else is under way.
    pub(crate) beside: Beside,
    pub(crate) warmup: Duration,
    pub(crate) measure: Duration,
    pub(crate) max_messages: u64,
}

impl Point {
    /// One small message at a time, for two seconds.
    pub(crate) const fn of(work: Work) -> Self {
        Self {
            work,
            label: None,
            payload: 64,
            in_flight: 1,
            subscribers: 1,
            publishers: 1,
            relays: 0,
            priority: Priority::Normal,
            beside: Beside::Idle,
            warmup: Duration::from_millis(500),
            measure: Duration::from_secs(2),
            max_messages: u64::MAX,
        }
    }

    /// What each publisher of a fan-in may have under way: at least one message.
    pub(crate) const fn share(&self) -> usize {
        self.in_flight.div_ceil(self.publishers)
    }

    /// Messages that are under way at once.
    pub(crate) fn under_way(&self) -> usize {
        if self.work == Work::FanIn { self.share() * self.publishers } else { self.in_flight }
    }
}

/// The kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Work {
    /// Node to node, the payload echoed
    Unicast,
    /// One node to many
    Multicast,
    /// SDK client to SDK client over two nodes, with its answer
    Amop,
    /// Node to node one way, a short answer to each message
    Bulk,
    /// Many nodes to one, the payload echoed
    FanIn,
    /// Requests now and then, while much else is under way between the same two nodes
    Fairness,
    /// The same with multicasts, which the other node sends back
    FairnessOfMulticasts,
    /// The same with AMOP unicasts between two SDK clients, what is under way beside by a session of its own
    FairnessOfAmop,
}

/// What is under way beside what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Beside {
    /// Nothing
    Idle,
    /// Requests of 64 KiB, named bulk, as many as are in flight
    Bulk,
    /// A body of 10 MiB after the other
    Body,
    /// Requests of 64 bytes, as many as are in flight
    Flood,
    /// The measured requests themselves, half as many as can be
    Half,
}

impl Beside {
    pub(crate) const ALL: [Self; 5] = [Self::Idle, Self::Bulk, Self::Body, Self::Flood, Self::Half];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Bulk => "bulk",
            Self::Body => "body",
            Self::Flood => "flood",
            Self::Half => "half",
        }
    }

    /// What that is, where so many messages may be under way.
    pub(crate) const fn company(self, in_flight: usize) -> Company {
        match self {
            Self::Bulk => Company { bytes: 64 << 10, count: in_flight, priority: Priority::Bulk },
            Self::Body => Company { bytes: MAX_BODY, count: 1, priority: Priority::Normal },
            Self::Flood => Company { bytes: 64, count: in_flight, priority: Priority::Normal },
            Self::Idle | Self::Half => Company { bytes: 0, count: 0, priority: Priority::Normal },
        }
    }
}

/// Messages that are under way all the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Company {
    /// Of each.
    pub(crate) bytes: usize,
    /// At once.
    pub(crate) count: usize,
    pub(crate) priority: Priority,
}

impl Work {
    /// Whether it is measured beside something else.
    pub(crate) const fn is_fairness(self) -> bool {
        matches!(self, Self::Fairness | Self::FairnessOfMulticasts | Self::FairnessOfAmop)
    }

    /// What is measured when nothing is named: each by itself.
    pub(crate) const ALONE: [Self; 5] = [Self::Unicast, Self::Multicast, Self::Amop, Self::Bulk, Self::FanIn];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unicast => "unicast",
            Self::Multicast => "multicast",
            Self::Amop => "amop",
            Self::Bulk => "bulk",
            Self::FanIn => "fan-in",
            Self::Fairness => "fairness",
            Self::FairnessOfMulticasts => "fairness-of-multicasts",
            Self::FairnessOfAmop => "fairness-of-amop",
        }
    }

    /// `W1`, `W2x3`, `W3`, `W4`, `W6`.
    pub(crate) fn of_label(label: &str) -> Option<Self> {
        match label.get(..2)? {
            "W1" => Some(Self::Unicast),
            "W2" => Some(Self::Multicast),
            "W3" => Some(Self::Amop),
            "W4" => Some(Self::Bulk),
            "W6" => Some(Self::FanIn),
            _ => None,
        }
    }
}
