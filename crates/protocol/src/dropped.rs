/// Messages of peers that went no further since the start, by what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Requests and answers that the gate did not let in.
    pub unicast: u64,
    /// AMOP messages.
    pub amop: u64,
    /// AMOP multicasts.
    pub amop_multicasts: u64,
    /// Batches of multicasts, most of which came another way before.
    pub batches: u64,
    /// Questions for missing multicasts.
    pub wanted: u64,
    /// Whatever waited for its source's record in vain, or found no room to wait.
    pub no_record: u64,
}
