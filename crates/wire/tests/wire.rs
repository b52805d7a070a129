//! What is encoded is read back as it was, at a neighbour and behind a relay; a relay reads nothing and changes nothing.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod wire {
    mod batches;
    mod gossip;
    mod pages;
    mod party;
    mod priorities;
    mod properties;
    mod relay_changes_nothing;
    mod relay_reads_nothing;
    mod status_sync;
    mod traces;
    mod values;
    mod words;
}
