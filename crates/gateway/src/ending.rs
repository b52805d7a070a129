use std::{error::Error, io, time::Duration};

use crate::{
    intake::Unfinished,
    member::{CoreGone, End},
};

/// Why the session of a client ended: what can be at every door, or what its own protocol adds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ending<P: Error + 'static> {
    /// It closed the connection.
    #[error("the client left")]
    ClientLeft,
    /// The connection failed.
    #[error("the connection broke: {0}")]
    Broken(#[source] io::Error),
    /// It was silent.
    #[error("nothing was heard of it for {limit:?}")]
    Idle {
        /// How long it may be.
        limit: Duration,
    },
    /// A long message did not come on.
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
    /// It took nothing.
    #[error("it did not take its data for {limit:?}")]
    NotDraining {
        /// How long it may take nothing.
        limit: Duration,
    },
    /// Lists, rights or its token have changed.
    #[error("it is no longer admitted: denied, or its certificate revoked")]
    NoLongerAdmitted,
    /// Its time is over.
    #[error("its certificate has expired")]
    CertificateExpired,
    /// Its seat was needed: its certificate has more than others have.
    #[error("its place was needed for a client of whom there are fewer")]
    MakesRoom,
    /// The node stops.
    #[error("the node stops")]
    Shutdown,
    /// The core is gone.
    #[error(transparent)]
    CoreGone(#[from] CoreGone),
    /// What is wrong in its own protocol.
    #[error(transparent)]
    Own(P),
}

/// What a door's own protocol adds to an [`Ending`].
pub trait Wrong: Error + 'static {
    /// What it is counted as.
    fn end(&self) -> End;

    /// Whether the client did nothing wrong all the same.
    fn is_ordinary(&self) -> bool {
        false
    }

    /// What to look at; empty where there is nothing.
    fn hint(&self) -> &'static str {
        ""
    }
}

impl<P: Wrong> Ending<P> {
    /// Whether the client did nothing wrong.
    pub fn is_ordinary(&self) -> bool {
        match self {
            Self::ClientLeft | Self::Broken(_) | Self::Idle { .. } | Self::Shutdown | Self::CoreGone(_) => true,
            Self::Unfinished(_) | Self::NotDraining { .. } => false,
            Self::NoLongerAdmitted | Self::CertificateExpired | Self::MakesRoom => false,
            Self::Own(wrong) => wrong.is_ordinary(),
        }
    }

    /// What to look at; empty where there is nothing.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::ClientLeft | Self::Broken(_) | Self::Idle { .. } | Self::Shutdown | Self::CoreGone(_) => "",
            Self::NotDraining { .. } => "the client hangs or its line is too slow; it may connect again",
            Self::Unfinished(_) => "the client hangs or its line is too slow for messages of this size",
            Self::NoLongerAdmitted => {
                "see the lists in [gateway] allow and deny, the revocation lists, and `nuncio token list`"
            }
            Self::CertificateExpired => "renew the client's certificate",
            Self::MakesRoom => "all connections are taken: close those that are not needed, or raise max_clients",
            Self::Own(wrong) => wrong.hint(),
        }
    }

    /// Under what the log counts the lines about it.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::ClientLeft => "a client left",
            Self::Broken(_) => "a client's connection broke",
            Self::Idle { .. } => "a client was silent",
            Self::Unfinished(_) => "a client's message did not come on",
            Self::NotDraining { .. } => "a client took nothing",
            Self::NoLongerAdmitted => "a client is admitted no longer",
            Self::CertificateExpired => "a client's certificate has expired",
            Self::MakesRoom => "a client made room",
            Self::Shutdown | Self::CoreGone(_) => "a client was there when the node stopped",
            Self::Own(_) => "a client's protocol cannot go on",
        }
    }

    /// What it is counted as.
    pub fn end(&self) -> End {
        match self {
            Self::ClientLeft | Self::Broken(_) | Self::Shutdown | Self::CoreGone(_) => End::Ordinary,
            Self::NoLongerAdmitted | Self::CertificateExpired => End::Ordinary,
            Self::Unfinished(_) => End::Unfinished,
            Self::Idle { .. } => End::Idle,
            Self::NotDraining { .. } => End::NotDraining,
            Self::MakesRoom => End::MadeRoom,
            Self::Own(wrong) => wrong.end(),
        }
    }
}
