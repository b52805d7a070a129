use crate::{Counter, CounterBy, book::metrics, label::labels};

labels! {
    /// Which of the two gossipsubs.
    Lane by ["lane"] {
        /// Announcements, and bodies up to 64 KiB.
        Short = ["short"],
        /// Longer bodies.
        Long = ["long"],
    }
}

labels! {
    /// What came of a message of gossip.
    GossipOutcome by ["outcome"] {
        /// It is news, and passed on.
        Fresh = ["fresh"],
        /// It came late, or another way before.
        Dropped = ["dropped"],
        /// It breaks a rule.
        Refused = ["refused"],
        /// It is beyond a budget, and was not looked at.
        OverBudget = ["over_budget"],
        /// It says that gossip comes.
        Pulse = ["pulse"],
    }
}

metrics! {
    /// Gossip.
    Gossip {
        /// Messages of gossip that came, by what came of them.
        received: CounterBy<(Lane, GossipOutcome)> = "nuncio_gossip_received",
        /// Messages that this node made and gossipsub took.
        published: CounterBy<Lane> = "nuncio_gossip_published",
        /// Messages that peers brought again though they had brought them before.
        repeated: Counter = "nuncio_gossip_repeated",
        /// Control messages of peers.
        control: Counter = "nuncio_gossip_control",
        /// Heartbeats in which a peer took gossip slower than it came, so that some was dropped.
        slow_peers: Counter = "nuncio_gossip_slow_peers",
        /// Multicasts of this node that did not go by gossip though some subscribers take nothing else: these missed them.
        missed: Counter = "nuncio_gossip_missed",
        /// Links that were made anew because their gossip was dead.
        dead: Counter = "nuncio_gossip_dead_links",
    }
}
