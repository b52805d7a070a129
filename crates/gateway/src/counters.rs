//! What happened so far, in numbers.

use nuncio_metrics::{Amop, Book, Counter, Gauge, Refusals};

macro_rules! counters {
    ($(#[doc = $doc:literal] $name:ident: $kind:ty,)*) => {
        /// Counts since the start; each only grows, but for `sessions`, `intake_bytes` and `queued_bytes`.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
        #[non_exhaustive]
        pub struct Statistics {
            $(#[doc = $doc] pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            pub(crate) amop: Amop,
            pub(crate) refused: Refusals,
            $(pub(crate) $name: $kind,)*
        }

        impl Counters {
            /// All at zero, and to be read as metrics.
            pub(crate) fn registered(book: &mut Book, amop: Amop, refused: Refusals) -> Self {
                Self {
                    amop,
                    refused,
                    $($name: book.add(
                        concat!("nuncio_gateway_", stringify!($name)),
                        $doc.trim_ascii(),
                        <$kind>::default(),
                    ),)*
                }
            }

            pub(crate) fn read(&self) -> Statistics {
                Statistics { $($name: self.$name.read(),)* }
            }
        }
    };
}

counters! {
    /// Sessions open now.
    sessions: Gauge,
    /// Bytes for which there is room now in frames that are being read.
    intake_bytes: Gauge,
    /// Bytes that wait for all sessions; what many of them get counts once.
    queued_bytes: Gauge,
    /// Sessions opened.
    sessions_opened: Counter,
    /// Connections closed before they were sessions: TLS refused, no place, no hello.
    connections_refused: Counter,
    /// Sessions closed because the client did not take its data in time.
    sessions_not_draining: Counter,
    /// Sessions closed because their places were needed for clients of whom there were fewer.
    sessions_made_room: Counter,
    /// Sessions closed because a frame did not come on while others waited for its room.
    sessions_unfinished: Counter,
    /// Sessions closed because nothing was read for too long.
    sessions_idle: Counter,
    /// Sessions closed because the stream could not be read on, or the versions had nothing in common.
    sessions_malformed: Counter,
    /// Frames received.
    frames_received: Counter,
    /// Frames sent.
    frames_sent: Counter,
    /// Frames of a type unknown or not for a node; ignored.
    frames_ignored: Counter,
    /// Frames whose body could not be read, or held an impossible topic.
    frames_malformed: Counter,
    /// Frames over a size limit, skipped unread.
    frames_oversized: Counter,
    /// JSON-RPC calls answered.
    calls: Counter,
    /// JSON-RPC calls that were too many: of all, or of one certificate.
    calls_refused: Counter,
    /// Publishes to topics that the client may not publish to.
    publishes_denied: Counter,
    /// Publishes over a quota.
    publishes_over_quota: Counter,
    /// Topics that clients listed and may not subscribe, each time they list them.
    topics_denied: Counter,
    /// Topic lists over a budget of bytes, or over a quota; the former ones stay.
    subscriptions_refused: Counter,
    /// Unicasts given back to the core: the client's queue was full.
    deliveries_refused: Counter,
    /// Multicasts dropped: the client's queue was full.
    deliveries_dropped: Counter,
    /// Acknowledgements nobody waited for: late, twice, or another's.
    acknowledgements_dropped: Counter,
    /// Replies nobody waited for: the client had gone, or the publish was answered before.
    replies_dropped: Counter,
    /// Replies whose content was left out, with result 103, because the client's queue was full.
    replies_emptied: Counter,
}
