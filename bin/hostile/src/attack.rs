//! The attacks, by name. Each is a way to follow the protocol badly that a member's certificate allows.

mod broadcasts;
mod churn;
mod control;
mod forged;
mod gossip_streams;
mod junk;
mod made_up;
mod pulses;
mod queries;
mod relayed;
mod replay;
mod streams;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use clap::ValueEnum;
use nuncio_identity::NodeId;
use nuncio_wire::status::encode_answer;

use crate::{
    link::{Answers, Link, Out},
    member::Member,
    pace::Pace,
};

/// What the attacker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attack {
    /// Announces nodes that do not exist, each under a key of its own.
    MadeUpNodes,
    /// Announces nodes that do not exist under its own signature.
    ForgedAnnouncements,
    /// Broadcasts of 64 bytes, each as it should be.
    Broadcasts,
    /// Broadcasts of a mebibyte, each as it should be, a hundred a second.
    HeavyBroadcasts,
    /// Answers every query for statuses with: nothing, and there is more.
    More,
    /// Queries for all statuses.
    Queries,
    /// Gossip of others, again and again.
    ReplayGossip,
    /// One request to the victim, again and again.
    ReplayRequest,
    /// One multicast to the victim, again and again.
    ReplayMulticast,
    /// One batch of multicasts to the victim, again and again.
    ReplayBatch,
    /// One request to another member, over the victim, again and again.
    RelayedCopies,
    /// Requests to another member, over the victim, that only that can see to be nonsense.
    RelayedNonsense,
    /// Bytes that are no frames, on the streams of the link.
    JunkFrames,
    /// Says on one connection again and again in which epoch it runs.
    Introductions,
    /// Bytes that are no gossip.
    JunkGossip,
    /// Says in the victim's name that its gossip comes.
    ForgedPulses,
    /// Gossip with a sender's name, as other networks have it.
    ForeignGossip,
    /// Bytes that are no query.
    JunkQueries,
    /// Gossip over the limit.
    Oversize,
    /// Requests of nodes that do not exist.
    InventedSources,
    /// Requests of another node under no seal of its.
    ForeignSeals,
    /// Multicasts under no signature of their source.
    ForgedMulticasts,
    /// Statuses under no signature of their node.
    ForgedStatuses,
    /// Two statuses with one version.
    Equivocation,
    /// A new status as often as can be.
    Churn,
    /// Statuses with the addresses of others.
    Bait,
    /// Says that it lives, and reads nothing.
    SilentReader,
    /// Opens streams and says nothing on them.
    Streams,
    /// Grafts, prunes and subscriptions that mean nothing.
    Control,
    /// Is a good member: what the others are measured against.
    Nothing,
}

/// What all links of an attack share.
pub(crate) struct Scene {
    pub(crate) member: Arc<Member>,
    pub(crate) rate: u32,
    pub(crate) bait: Vec<String>,
    /// Messages made before the first link, so that making them takes no time of the victim's machine.
    pub(crate) stock: Vec<Vec<u8>>,
    pub(crate) sent: AtomicU64,
}

impl Attack {
    /// Makes what is sent, so many at the most.
    pub(crate) fn stock(self, member: &Member, rate: u32, count: usize) -> Vec<Vec<u8>> {
        match self {
            Self::MadeUpNodes => made_up::announcements(member, count),
            Self::ForgedAnnouncements => forged::announcements(member, count.min(10_000)),
            Self::Broadcasts => broadcasts::of_64_bytes(member, rate, count),
            Self::ForeignGossip => gossip_streams::foreign(count.min(10_000)),
            _ => Vec::new(),
        }
    }

    /// What it answers whoever asks for its status.
    pub(crate) fn answers(self, scene: &Arc<Scene>) -> Answers {
        let scene = scene.clone();
        Arc::new(move |victim| {
            scene.count(1);
            match self {
                Self::More => encode_answer(&[], &[].into(), &[], true),
                Self::ForgedStatuses => forged::statuses(&scene.member, victim),
                Self::Equivocation => churn::two_of_one_version(&scene.member, victim),
                Self::Bait => honest(&scene.member, victim, &scene.bait),
                _ => honest(&scene.member, victim, &[]),
            }
        })
    }

    /// Goes on until the link ends.
    pub(crate) async fn run(self, link: &Link, scene: &Scene) -> io::Result<()> {
        match self {
            Self::MadeUpNodes | Self::ForgedAnnouncements | Self::Broadcasts | Self::ForeignGossip => {
                scene.flood(&link.gossip, &scene.stock).await
            }
            Self::HeavyBroadcasts => broadcasts::of_a_mebibyte(link, scene).await,
            Self::Queries => queries::ask_for_all(link, scene).await,
            Self::ReplayGossip => replay::gossip(link, scene).await,
            Self::ReplayRequest => replay::request(link, scene).await,
            Self::ReplayMulticast => replay::multicast(link, scene).await,
            Self::ReplayBatch => replay::batch(link, scene).await,
            Self::RelayedCopies => relayed::copies(link, scene).await,
            Self::RelayedNonsense => relayed::nonsense(link, scene).await,
            Self::JunkFrames => junk::frames(link, scene).await,
            Self::Introductions => junk::introductions(link, scene).await,
            Self::JunkGossip => gossip_streams::junk(link, scene).await,
            Self::ForgedPulses => pulses::in_the_victims_name(link, scene).await,
            Self::JunkQueries => queries::junk(link, scene).await,
            Self::Oversize => gossip_streams::oversize(link, scene).await,
            Self::InventedSources => made_up::requests(link, scene).await,
            Self::ForeignSeals => forged::requests(link, scene).await,
            Self::ForgedMulticasts => forged::multicasts(link, scene).await,
            Self::More | Self::ForgedStatuses | Self::Equivocation => churn::announce(link, scene, 10).await,
            Self::Churn => churn::announce(link, scene, scene.rate).await,
            Self::Bait => churn::announce(link, scene, 2).await,
            Self::SilentReader => {
                link.deafen();
                outlast(link).await
            }
            Self::Streams => streams::without_a_word(link, scene).await,
            Self::Control => control::of_no_use(link, scene).await,
            Self::Nothing => outlast(link).await,
        }
    }
}

impl Scene {
    pub(crate) fn count(&self, messages: usize) {
        self.sent.fetch_add(messages as u64, Ordering::Relaxed);
    }

    /// Sends messages in turn, at the attack's rate.
    pub(crate) async fn flood(&self, out: &Out, messages: &[Vec<u8>]) -> io::Result<()> {
        let (mut pace, mut next) = (Pace::per_second(self.rate), messages.iter().cycle());
        loop {
            let due: Vec<&[u8]> = next.by_ref().take(pace.due().await).map(Vec::as_slice).collect();
            out.send(&due.concat()).await?;
            self.count(due.len());
        }
    }
}

fn honest(member: &Member, victim: NodeId, addresses: &[String]) -> Vec<u8> {
    encode_answer(&[member.record(victim, addresses)], &[].into(), &[], false)
}

/// A message with its body, without which it would be another attack.
fn whole(frame: &[u8], body: Option<Bytes>) -> io::Result<Vec<u8>> {
    let body = body.ok_or_else(|| io::Error::other("the key of the one that it is for is not known"))?;
    Ok([frame, &body].concat())
}

async fn outlast(link: &Link) -> io::Result<()> {
    while !link.connection.has_ended() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
