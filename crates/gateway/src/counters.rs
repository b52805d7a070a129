//! What happened so far, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($(#[doc = $doc:literal] $name:ident,)*) => {
        /// Counts since the start; each only grows, but for `sessions` and `intake_bytes`.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
        #[non_exhaustive]
        pub struct Statistics {
            $(#[doc = $doc] pub $name: u64,)*
        }

        impl Statistics {
            /// Every number that only grows: its name, as `gateway_frames_sent`, what it counts, its value.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                let all = [$((concat!("gateway_", stringify!($name)), $doc.trim_ascii(), self.$name)),*];
                all.into_iter().filter(|(name, _, _)| !NOW.contains(name))
            }
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Statistics {
                Statistics { $($name: self.$name.read(),)* }
            }
        }
    };
}

/// What may become less.
const NOW: [&str; 2] = ["gateway_sessions", "gateway_intake_bytes"];

counters! {
    /// Sessions open now.
    sessions,
    /// Bytes for which there is room now in frames that are being read.
    intake_bytes,
    /// Sessions opened.
    sessions_opened,
    /// Connections closed before they were sessions: TLS refused, no place, no hello.
    connections_refused,
    /// Sessions closed because the client did not take its data in time.
    sessions_not_draining,
    /// Sessions closed because a frame did not come on while others waited for its room.
    sessions_unfinished,
    /// Sessions closed because nothing was read for too long.
    sessions_idle,
    /// Sessions closed because the stream could not be read on, or the versions had nothing in common.
    sessions_malformed,
    /// Frames received.
    frames_received,
    /// Frames sent.
    frames_sent,
    /// Frames of a type unknown or not for a node; ignored.
    frames_ignored,
    /// Frames whose body could not be read, or held an impossible topic.
    frames_malformed,
    /// Frames over a size limit, skipped unread.
    frames_oversized,
    /// Publishes to topics that the client may not publish to.
    publishes_denied,
    /// Publishes over a quota.
    publishes_over_quota,
    /// Topics that clients listed and may not subscribe, each time they list them.
    topics_denied,
    /// Topic lists over a budget of bytes, or over a quota; the former ones stay.
    subscriptions_refused,
    /// Unicasts given back to the core: the client's queue was full.
    deliveries_refused,
    /// Multicasts dropped: the client's queue was full.
    deliveries_dropped,
    /// Acknowledgements nobody waited for: late, twice, or another's.
    acknowledgements_dropped,
    /// Replies nobody waited for: the client had gone, or the publish was answered before.
    replies_dropped,
    /// Replies whose content was left out, with result 103, because the client's queue was full.
    replies_emptied,
}

/// A number that many tasks add to.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn subtract(&self, number: u64) {
        self.0.fetch_sub(number, Ordering::Relaxed);
    }

    pub(crate) fn decrement(&self) {
        self.subtract(1);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
