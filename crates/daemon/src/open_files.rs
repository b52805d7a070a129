//! Every link and every SDK is an open file; the system limits them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a node needs besides links and SDKs: listeners, log, handshakes, admin connections.
const BESIDES: u64 = 256;

/// Fewest with which a node is of use.
const LEAST: u64 = 256;

/// The limit of open files is too low to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process may open {limit} files, and a node needs at least {LEAST}")]
pub struct TooFewFiles {
    /// The limit.
    pub limit: u64,
}

/// Raises the soft limit as far as this node can use it and may; a lower one is told, one that is far too low refused.
pub(crate) fn prepare(connections: u64) -> Result<(), TooFewFiles> {
    let needed = connections + BESIDES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(soft) = current.filter(|soft| *soft < needed) else { return Ok(()) };
    let target = maximum.map_or(needed, |hard| hard.min(needed));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(target), maximum }).is_ok();
    let limit = if raised { target } else { soft };
    if limit < LEAST {
        return Err(TooFewFiles { limit });
    }
    if limit < needed {
        tracing::warn!(
            limit,
            needed,
            "fewer open files than the configured links and SDKs may need; raise `ulimit -n`"
        );
    }
    Ok(())
}
