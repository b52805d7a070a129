use std::fmt;

use nuncio_gateway::Holder;

/// Longest token, and first frame that shows one, in bytes.
pub(crate) const FIRST_FRAME: usize = 1 << 10;

/// Knows the tokens of clients without certificates.
pub trait Tokens: fmt::Debug + Send + Sync {
    /// Who holds the token that somebody shows.
    ///
    /// # Errors
    /// Why it does not count, in words that a stranger may read.
    fn find(&self, shown: &str) -> Result<Holder, String>;
}
