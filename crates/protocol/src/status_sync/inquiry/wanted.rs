use std::time::{Duration, Instant};

use nuncio_identity::NodeId;

use super::PATIENCE;
use crate::status_sync::Version;

/// The first pause before a peer is asked once more for a version that it has not got yet itself: its announcement
/// overtook the record. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Askings for one version of a node that is known, of one peer after the other; after that, the next announcement asks.
const MAX_ASKINGS: u8 = 6;

/// How many of them go to the same peer: one that announced the version without its record may wait for it in vain.
const ASKINGS_EACH: u8 = 2;

/// A peer passes an announcement of a node on when it holds the node's record, so the first asking brings it. The second
/// is for a record that was lost in between; then it was none.
const STRANGER_PAUSE: Duration = Duration::from_secs(1);
const STRANGER_ASKINGS: u8 = 2;

/// Peers that are asked for one node at a time, if those asked before say nothing.
const ASKED_AT_ONCE: usize = 3;

/// A node whose newer version is wanted.
///
/// Bound: one offer for each link.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) offers: Vec<Offer>,
    /// The peer that is asked, and until when no second one is.
    pub(super) left_to: Option<(NodeId, Instant)>,
    /// It changes too often: nobody is asked before.
    pub(super) not_before: Option<Instant>,
    /// No further peer is asked before: some that were have nothing, and are not remembered.
    pub(super) further_from: Option<Instant>,
    /// When there may be something to ask.
    pub(super) wakes: Option<Instant>,
}

/// A version that a peer should have.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) peer: NodeId,
    pub(super) version: Version,
    /// Nothing was known of the node.
    pub(super) is_stranger: bool,
    pub(super) duty: Duty,
    /// When the peer may be asked; once it may, since when.
    pub(super) from: Instant,
    /// How often it was asked and had not got it yet itself.
    pub(super) misses: u8,
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    /// Among what its peer may be asked for.
    Ready,
    /// In the open query of its peer.
    Asked,
}

/// Whether a peer has to show what it announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// The announcement is its node's word; the peer may not have the record yet.
    None,
    /// The node is the peer itself, or nothing but the peer's record can prove that there is such a node.
    Show,
}

/// What follows when a peer was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// No miss.
    GotIt,
    AskAgain,
    /// It was asked twice: it may never have it.
    AskElsewhere,
    GiveUp,
    /// It cannot show what it announced.
    Lie,
}

impl Wanted {
    pub(super) fn offer(&self, peer: &NodeId) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.peer == *peer)
    }

    pub(super) fn offer_mut(&mut self, peer: &NodeId) -> Option<&mut Offer> {
        self.offers.iter_mut().find(|offer| offer.peer == *peer)
    }

    /// The version that a single peer has announced; not of a node that nothing is known of, see [`Self::patience_ends`].
    pub(super) fn only_of_one(&self) -> Option<Version> {
        match &self.offers[..] {
            [offer] if !offer.is_stranger => Some(offer.version),
            _ => None,
        }
    }

    /// Until when those who have it in hand are waited for before another one is asked, too. For a node that nothing is known
    /// of, nobody is: whoever invents nodes and says nothing would have all others asked for them.
    pub(super) fn patience_ends(&self) -> Option<Instant> {
        let is_in_hand = |offer: &Offer| offer.state != State::Waiting && !offer.is_stranger;
        let all_are = self.offers.len() < ASKED_AT_ONCE && self.offers.iter().all(is_in_hand);
        let latest = self.offers.iter().map(|offer| offer.from + PATIENCE).max().filter(|_| all_are)?;
        Some(self.further_from.map_or(latest, |from| latest.max(from)))
    }

    /// Until when nobody may be asked.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        let left = self.left_to.map(|(_, until)| until);
        left.max(self.not_before).filter(|until| *until > now)
    }
}

impl Offer {
    pub(super) const fn new(peer: NodeId, version: Version, now: Instant) -> Self {
        let (is_stranger, duty) = (false, Duty::None);
        Self { peer, version, is_stranger, duty, from: now, misses: 0, state: State::Waiting }
    }

    /// The peer was asked and had nothing.
    pub(super) fn missed(&mut self, now: Instant) -> Miss {
        self.misses += 1;
        let (pause, most) = if self.is_stranger {
            (STRANGER_PAUSE, STRANGER_ASKINGS)
        } else {
            (FIRST_PAUSE * 2u32.pow(u32::from(self.misses - 1)), MAX_ASKINGS)
        };
        if self.misses < most {
            self.from = now + pause;
            let may_be_others = self.duty == Duty::None && self.misses.is_multiple_of(ASKINGS_EACH);
            return if may_be_others { Miss::AskElsewhere } else { Miss::AskAgain };
        }
        if self.duty == Duty::Show { Miss::Lie } else { Miss::GiveUp }
    }
}
