use crate::{CounterBy, Gauge, Histogram, book::metrics, label::labels};

labels! {
    /// Who is asked.
    CallKind by ["kind"] {
        /// An application at the target.
        Application = ["application"],
        /// The target itself.
        Service = ["service"],
    }
}

labels! {
    /// How a request of this node ended. Delivered: answered. Refused: nobody has seen it. Unknown: it may have been seen.
    UnicastEnd by ["end", "cause"] {
        /// With a reply.
        Delivered = ["delivered", "reply"],
        /// There was no way.
        NoRoute = ["refused", "no_route"],
        /// A queue was full.
        Busy = ["refused", "busy"],
        /// No application took it.
        NoHandler = ["refused", "no_handler"],
        /// The target denies this node.
        Denied = ["refused", "denied"],
        /// It is too long.
        TooLarge = ["refused", "too_large"],
        /// No answer in time.
        TimedOut = ["unknown", "timed_out"],
        /// The target, or this node, has restarted.
        Restarted = ["unknown", "restarted"],
        /// The application gave no answer.
        Unanswered = ["unknown", "unanswered"],
        /// The target was denied meanwhile.
        Expelled = ["unknown", "expelled"],
        /// A cause that this release does not name.
        Other = ["unknown", "other"],
    }
}

labels! {
    /// What became of a request of another node.
    Served by ["answer"] {
        /// An application replied.
        Reply = ["reply"],
        /// An application had it and did not answer.
        Unanswered = ["unanswered"],
        /// Nobody listens for requests, or the source is not admitted.
        NoHandler = ["no_handler"],
        /// Everybody who listens is behind.
        Busy = ["busy"],
    }
}

metrics! {
    /// Requests of this node, and to it. Of the former: taken = delivered + refused + unknown + in flight.
    UnicastCalls {
        /// Requests that this node took from its applications.
        taken: CounterBy<CallKind> = "nuncio_unicast_taken",
        /// Requests of this node that ended: delivered, refused (nobody has seen it) or unknown (it may have been seen).
        ended: CounterBy<UnicastEnd> = "nuncio_unicast_ended",
        /// Requests of this node that have not ended.
        in_flight: Gauge = "nuncio_unicast_in_flight",
        /// From a request to its reply.
        duration: Histogram = "nuncio_unicast_duration_seconds",
        /// Requests of other nodes, and of this one to itself, by what became of them here.
        served: CounterBy<Served> = "nuncio_requests_served",
    }
}
