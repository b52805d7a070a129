use std::collections::BTreeSet;

use bytes::Bytes;
use nuncio_identity::NodeId;

use crate::{Account, Priority, Topic};

/// A connected client; named by the gateway, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// To whom a client belongs, with all others of the same certificate or token; named by the gateway, never used for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub u64);

/// Who pays for what a client publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Payer {
    /// All clients of a tenant together.
    Tenant(TenantId),
    /// A client of which it is not known whose it is.
    Client(ClientId),
}

impl Payer {
    /// On which account waits what is published.
    pub(super) const fn account(self) -> Account {
        match self {
            Self::Tenant(tenant) => Account::Client(tenant.0),
            Self::Client(_) => Account::Own,
        }
    }

    /// What other nodes are told of it.
    pub(super) const fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Tenant(tenant) => Some(tenant),
            Self::Client(_) => None,
        }
    }
}

/// On which account waits what another node sends for one of its clients.
pub(super) fn account_of(source: NodeId, tenant: Option<TenantId>) -> Account {
    tenant.map_or(Account::Of(source), |tenant| Account::Brought(source, tenant.0))
}

/// One delivery to one client; named by the core, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub u64);

/// One challenge to a subscriber of a private topic; named by the core, never used twice.
///
/// The channel protocol carries it as a node ID of 128 hexadecimal digits, which SDKs hand back as it is. Three quarters
/// are the ID of the subscriber's node; the rest is drawn, so that a late verdict is never taken for one on another
/// challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChallengeId(pub [u8; NodeId::LENGTH]);

/// The 32 opaque bytes by which a client recognises the answer to its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishSeq(pub [u8; 32]);

/// The result of a publish, as the channel protocol's 0x31 carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResultCode(pub i32);

impl ResultCode {
    /// A subscriber answered; or the multicast was accepted.
    pub const OK: Self = Self(0);
    /// Nobody could be reached: no subscriber saw the message.
    pub const NO_SUBSCRIBER: Self = Self(100);
    /// Nobody answered in time; up to as many subscribers as were tried may have seen the message.
    pub const TIMEOUT: Self = Self(102);
    /// Refused by a rate limit.
    pub const OVER_LIMIT: Self = Self(103);
    /// Subscribers were tried and were gone or refused.
    pub const SUBSCRIBER_GONE: Self = Self(104);
    /// The publisher may not publish to the topic: FISCO BCOS's number for an SDK that is not allowed to do something.
    pub const DENIED: Self = Self(-40012);
}

/// Unicast to one subscriber, or multicast to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To one subscriber, which acknowledges.
    Unicast,
    /// To every subscriber, none acknowledges.
    Multicast,
}

/// What clients do, as the gateway tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientInput {
    /// A client is there.
    Connected {
        /// Its name.
        client: ClientId,
        /// To whom it belongs: what that is given, all its clients share. One that belongs to nobody has all for itself, but
        /// what waits for links counts as the node's own.
        tenant: Option<TenantId>,
    },
    /// A client is gone; its subscriptions with it.
    Disconnected {
        /// Its name.
        client: ClientId,
    },
    /// A client says all its topics; they replace what it said before, or are refused whole
    /// ([`ClientOutput::SubscriptionRefused`]).
    Subscribe {
        /// Who.
        client: ClientId,
        /// All its topics; at most 1 MiB of names.
        topics: BTreeSet<Topic>,
    },
    /// A client publishes (0x30 or 0x35).
    Publish {
        /// Who.
        client: ClientId,
        /// By what it recognises the reply.
        seq: PublishSeq,
        /// To one or to all.
        kind: Kind,
        /// How urgent it is: as its gateway lets it be.
        priority: Priority,
        /// Whereto.
        topic: Topic,
        /// The payload behind the topic; at most [`crate::MAX_BODY`].
        data: Bytes,
    },
    /// A client acknowledges a delivery (0x31).
    Acknowledge {
        /// Who.
        client: ClientId,
        /// Which delivery.
        delivery: DeliveryId,
        /// The result it put in its frame.
        code: ResultCode,
        /// The payload of its answer.
        data: Bytes,
    },
    /// A client says what came of a challenge (0x38).
    ProofJudged {
        /// Who.
        client: ClientId,
        /// Which challenge.
        challenge: ChallengeId,
        /// The private topic it was about.
        topic: Topic,
        /// Whether the subscriber proved itself.
        accepted: bool,
    },
    /// The gateway could not hand a delivery over: the client's queue is full, or it is gone.
    DeliveryFailed {
        /// To whom.
        client: ClientId,
        /// Which delivery.
        delivery: DeliveryId,
    },
}

/// What the core wants clients to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientOutput {
    /// Push a message to a subscriber.
    Deliver {
        /// To whom.
        client: ClientId,
        /// On whose account it waits for the client: of the node, or the client here, whose message it is.
        account: Account,
        /// By what its acknowledgement is recognised. Multicasts have one too; nobody waits for it.
        delivery: DeliveryId,
        /// As 0x30 or as 0x35.
        kind: Kind,
        /// How urgent it is: as far as its source may say so.
        priority: Priority,
        /// The topic.
        topic: Topic,
        /// The payload.
        data: Bytes,
    },
    /// Ask a publisher of a private topic to challenge a subscriber (0x37).
    Challenge {
        /// Whom to ask.
        client: ClientId,
        /// What it says its verdict about.
        challenge: ChallengeId,
        /// The private topic.
        topic: Topic,
        /// Where the subscriber takes challenges.
        channel: Topic,
    },
    /// A client's topics take more bytes than they may, so the ones it had before stay. The channel protocol has no frame
    /// for it: it is for the log.
    SubscriptionRefused {
        /// Whose.
        client: ClientId,
        /// What its topics take: the length of each name and 16 bytes beside.
        bytes: usize,
        /// What they may take now: its own share, or what is left of the node's.
        limit: usize,
    },
    /// Answer a publisher (0x31).
    Reply {
        /// To whom.
        client: ClientId,
        /// Its own seq.
        seq: PublishSeq,
        /// The result.
        code: ResultCode,
        /// The topic it published to: a success body is topic-packed.
        topic: Topic,
        /// The subscriber's answer; for an accepted multicast the published payload; else empty.
        data: Bytes,
    },
}

/// Where outputs for clients go; the gateway is one.
pub trait ClientPort: Send + Sync {
    /// Queues an output for its client and returns at once.
    ///
    /// # Errors
    /// Gives a delivery back when the client is gone or its queue is full. A reply for a client that is
    /// gone is dropped.
    #[expect(clippy::result_large_err, reason = "it is given back as it came, and seldom")]
    fn handle_output(&self, output: ClientOutput) -> Result<(), ClientOutput>;
}
