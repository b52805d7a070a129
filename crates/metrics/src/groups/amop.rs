use crate::{CounterBy, Gauge, Histogram, book::metrics, label::labels};

labels! {
    /// To one subscriber or to all.
    PublishKind by ["kind"] {
        /// To one, which answers.
        Unicast = ["unicast"],
        /// To all.
        Multicast = ["multicast"],
    }
}

labels! {
    /// How a publish of an SDK ended. Refused: no subscriber has seen it. Unknown: one may have.
    PublishEnd by ["end", "cause"] {
        /// Result 0.
        Delivered = ["delivered", "ok"],
        /// Result 100.
        NoSubscriber = ["refused", "no_subscriber"],
        /// Result 103.
        OverLimit = ["refused", "over_limit"],
        /// Result -40012.
        Denied = ["refused", "denied"],
        /// It could not be read.
        Malformed = ["refused", "malformed"],
        /// The node, or the session, is about to stop.
        Leaving = ["refused", "leaving"],
        /// Result 102.
        TimedOut = ["unknown", "timed_out"],
        /// Result 104.
        SubscriberGone = ["unknown", "subscriber_gone"],
        /// The publisher's session ended first.
        PublisherGone = ["unknown", "publisher_gone"],
        /// A subscriber's own result.
        Other = ["unknown", "other"],
    }
}

metrics! {
    /// What SDKs publish. Taken = delivered + refused + unknown + in flight.
    #[derive(Default)]
    Amop {
        /// Publishes that this node took from SDKs.
        taken: CounterBy<PublishKind> = "nuncio_amop_taken",
        /// Publishes that ended: delivered, refused (no subscriber has seen it) or unknown (one may have).
        ended: CounterBy<PublishEnd> = "nuncio_amop_ended",
        /// Publishes that have not ended.
        in_flight: Gauge = "nuncio_amop_in_flight",
        /// From a publish to one subscriber to its answer.
        duration: Histogram = "nuncio_amop_duration_seconds",
    }
}
