//! What is measured: one thing that a node does over and over, each ready to be done once more.

mod codec;
mod routing;
mod step;

/// Does it once.
pub(crate) type Turn = Box<dyn FnMut()>;

/// One piece of work.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    /// Its name, a path of two parts: what kind, and what.
    pub(crate) name: &'static str,
    /// Turns that are far more work than the chance in making ready: keys are drawn there.
    #[allow(dead_code, reason = "where time is taken, criterion finds it out")]
    pub(crate) turns: u64,
    /// Makes all ready.
    pub(crate) ready: fn() -> Turn,
}

impl Work {
    const fn new(name: &'static str, turns: u64, ready: fn() -> Turn) -> Self {
        Self { name, turns, ready }
    }
}

/// All of it.
pub(crate) fn all() -> Vec<Work> {
    [codec::WORK, step::WORK, routing::WORK].concat()
}
