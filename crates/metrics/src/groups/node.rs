use crate::{CounterBy, Gauge, Histogram, book::metrics, label::labels};

labels! {
    /// To whom an application speaks.
    CastKind by ["kind"] {
        /// To those who listen to a topic.
        Multicast = ["multicast"],
        /// To all.
        Broadcast = ["broadcast"],
    }
}

labels! {
    /// What became of a multicast or broadcast.
    PublishResult by ["result"] {
        /// It is on its way.
        Sent = ["sent"],
        /// This node may not publish to the topic.
        Denied = ["denied"],
        /// The links to all who listen are full.
        Busy = ["busy"],
        /// It is too long.
        TooLarge = ["too_large"],
    }
}

metrics! {
    /// What the node's task and its applications do.
    NodeWork {
        /// Multicasts and broadcasts of this node's applications.
        published: CounterBy<(CastKind, PublishResult)> = "nuncio_published",
        /// Multicasts and broadcasts that came for this node's applications.
        heard: CounterBy<CastKind> = "nuncio_heard",
        /// How late the node's task comes to what is due every 100 ms.
        loop_lag: Histogram = "nuncio_event_loop_lag_seconds",
        /// Bytes of commands that the node's task has not taken.
        command_bytes: Gauge = "nuncio_command_queue_bytes",
        /// Bytes of replies that the node's task has not taken.
        reply_bytes: Gauge = "nuncio_reply_queue_bytes",
        /// Bytes of messages that listeners have not taken.
        listener_bytes: Gauge = "nuncio_listener_queue_bytes",
        /// Listeners of applications.
        listeners: Gauge = "nuncio_listeners",
    }
}
