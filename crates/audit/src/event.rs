//! What a node judges: one type, from which log, metrics, followers and the audit log are fed.

use nuncio_metrics::Cause;
use serde::Serialize;

use crate::{Act, Actor, NodeIdText, Refused, Text};

/// Declares the events once: the type, its kinds, their names and paces.
macro_rules! events {
    ($( $(#[doc = $doc:literal])+ $name:ident = $text:literal, $pace:ident $({ $( $(#[doc = $field_doc:literal])+ $field:ident: $type:ty, )+ })?; )+) => {
        /// One judgement, or one act of an operator.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Event {
            $( $(#[doc = $doc])+ $name $({ $( $(#[doc = $field_doc])+ $field: $type, )+ })?, )+
        }

        /// What an event is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Kind {
            $( $(#[doc = $doc])+ $name, )+
        }

        impl Event {
            /// What it is about.
            pub const fn kind(&self) -> Kind {
                match self {
                    $( Self::$name { .. } => Kind::$name, )+
                }
            }
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$( Self::$name, )+];

            /// Its name, as the audit log writes it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$name => $text, )+
                }
            }

            /// How many are recorded.
            pub(crate) const fn pace(self) -> Pace {
                match self {
                    $( Self::$name => Pace::$pace, )+
                }
            }
        }
    };
}

/// Who can cause an event, and therefore how many of its kind are recorded; the others are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Anybody who reaches a port.
    Stranger,
    /// Who has a certificate.
    Member,
    /// An operator, or the node itself.
    Operator,
}

events! {
    /// The node starts.
    Started = "started", Operator {
        /// Software version.
        version: Text,
    };
    /// The node stops.
    Stopped = "stopped", Operator;
    /// The file of the rules on access set at run time was broken: not all whom operators had denied need be denied now. Told
    /// at every start, until the copy of the broken file is taken away.
    AccessBroken = "access_broken", Operator {
        /// The copy of the broken file.
        copy: Text,
        /// Nodes denied at run time now.
        denied: usize,
        /// Nodes allowed at run time now.
        allowed: usize,
    };
    /// A node was let in: its link is up.
    NodeAdmitted = "node_admitted", Member {
        /// The node.
        node: NodeIdText,
        /// The name in its certificate.
        name: Text,
        /// The agency in its certificate.
        agency: Text,
        /// Its certificate's serial number, hexadecimal.
        serial: Text,
    };
    /// A node, or what may be one, was refused in the handshake.
    NodeRefused = "node_refused", Stranger {
        /// The door or judge, and the cause as metrics call it.
        refused: Refused,
        /// Whence it came, or where it was dialled.
        address: Text,
        /// The node, where it has proved its key.
        node: Option<NodeIdText>,
        /// Why, with what mends it.
        cause: Text,
    };
    /// A node that was in is so no more: its certificate, a list or its conduct.
    NodeExpelled = "node_expelled", Member {
        /// The door or judge, and the cause as metrics call it.
        refused: Refused,
        /// The node.
        node: NodeIdText,
        /// Why.
        cause: Text,
    };
    /// A node that was expelled may come back.
    NodeReadmitted = "node_readmitted", Member {
        /// The node.
        node: NodeIdText,
    };
    /// A peer broke the rules and is refused for a while.
    NodeBanned = "node_banned", Member {
        /// The door or judge, and the cause as metrics call it.
        refused: Refused,
        /// The node.
        node: NodeIdText,
        /// The name in its certificate.
        name: Text,
        /// For how long.
        seconds: u64,
        /// The rule it broke last.
        cause: Text,
    };
    /// A second host runs with the key of a node.
    DuplicateIdentity = "duplicate_identity", Member {
        /// The node.
        node: NodeIdText,
        /// Whether it is this node's own key.
        own: bool,
        /// The name in its certificate.
        name: Text,
        /// Where the second host was seen.
        address: Text,
        /// In which epoch it runs.
        epoch: u64,
    };
    /// A newer revocation list is in force.
    ListTaken = "list_taken", Member {
        /// Who sent it; nobody, when it comes from a file of this node.
        peer: Option<NodeIdText>,
        /// Its issuer, RFC 4514.
        issuer: Text,
        /// Its number or date.
        edition: Text,
        /// Certificates on it.
        revoked: usize,
    };
    /// A revocation list that was in force found no room any more: what it revokes counts again.
    ListGone = "list_gone", Member {
        /// Its issuer, RFC 4514.
        issuer: Text,
        /// Its number or date.
        edition: Text,
        /// Certificates on it.
        revoked: usize,
    };
    /// A revocation list from the network was refused.
    ListRefused = "list_refused", Member {
        /// The door or judge, and the cause as metrics call it.
        refused: Refused,
        /// Who sent it.
        peer: NodeIdText,
        /// Why.
        cause: Text,
    };
    /// An SDK was let in. Who posts to the web door comes in again with each message, and is told of once in ten minutes.
    SdkAdmitted = "sdk_admitted", Member {
        /// Whence it came.
        address: Text,
        /// The client's number in this run.
        client: u64,
        /// Its certificate's subject, RFC 4514.
        subject: Text,
        /// Its certificate's serial number, hexadecimal.
        serial: Text,
    };
    /// An SDK, or what may be one, was refused.
    SdkRefused = "sdk_refused", Stranger {
        /// The door or judge, and the cause as metrics call it.
        refused: Refused,
        /// Whence it came.
        address: Text,
        /// Why.
        cause: Text,
        /// What mends it, where something does.
        hint: Text,
        /// Whether it is one of those that only open and close, such as health checks.
        noise: bool,
    };
    /// An SDK that was in may stay no longer.
    SdkExpelled = "sdk_expelled", Member {
        /// The door or judge, and the cause as metrics call it.
        refused: Refused,
        /// The client's number in this run.
        client: u64,
        /// Its certificate's subject, RFC 4514.
        subject: Text,
        /// Why.
        cause: Text,
    };
    /// An SDK published to a topic that it may not publish to.
    PublishDenied = "publish_denied", Member {
        /// The door or judge, and the cause as metrics call it.
        refused: Refused,
        /// The client's number in this run.
        client: u64,
        /// Its certificate's subject, RFC 4514.
        subject: Text,
        /// The topic.
        topic: Text,
        /// Why not.
        cause: Text,
    };
    /// An SDK listed topics that it may not subscribe.
    SubscriptionDenied = "subscription_denied", Member {
        /// The door or judge, and the cause as metrics call it.
        refused: Refused,
        /// The client's number in this run.
        client: u64,
        /// Its certificate's subject, RFC 4514.
        subject: Text,
        /// How many.
        topics: usize,
        /// The first of them, each with the reason.
        cause: Text,
    };
    /// A node brought a message to a topic that it may not publish to; it was delivered to nobody here.
    MessageDenied = "message_denied", Member {
        /// The door or judge, and the cause as metrics call it.
        refused: Refused,
        /// The node.
        node: NodeIdText,
        /// The topic.
        topic: Text,
        /// Why not.
        cause: Text,
    };
    /// Messages or calls of an SDK, or messages of a node, were refused, for a quota was used up: told once a minute for each.
    OverQuota = "over_quota", Member {
        /// The door or judge, and the cause as metrics call it.
        refused: Refused,
        /// Whose: the subject of an SDK's certificate, RFC 4514, or `node` and the node's ID.
        subject: Text,
        /// How many since it was told last.
        messages: u64,
    };
    /// A file of another node is whole, has the SHA-256 that was offered, and is in its place.
    FileReceived = "file_received", Member {
        /// Who sent it.
        node: NodeIdText,
        /// Its name, in the sender's directory.
        name: Text,
        /// Its length in bytes.
        bytes: u64,
    };
    /// The configuration was read again and taken over.
    ConfigurationChanged = "configuration_changed", Operator {
        /// Who asked for it.
        actor: Actor,
        /// The keys that differ from what was in force before.
        changes: Vec<Change>,
    };
    /// The configuration was read again and refused; the former one stays in force.
    ConfigurationRefused = "configuration_refused", Operator {
        /// Who asked for it.
        actor: Actor,
        /// Why.
        cause: Text,
    };
    /// Other authorities are trusted from now on.
    AuthoritiesChanged = "authorities_changed", Operator {
        /// Those that were not trusted before: subject and fingerprint.
        added: Vec<Text>,
        /// Those that are trusted no longer.
        removed: Vec<Text>,
    };
    /// Other rights on topics are in force.
    RightsChanged = "rights_changed", Operator {
        /// Who asked for it.
        actor: Actor,
        /// What counts where no rule is about it: `allow` or `deny`.
        default: &'static str,
        /// Rules that allow.
        allow: usize,
        /// Rules that deny.
        deny: usize,
        /// Namespaces.
        namespaces: usize,
        /// Quotas.
        quotas: usize,
    };
    /// This node, as its agency's issuer, renewed the certificate of a node that asked.
    CertificateIssued = "certificate_issued", Operator {
        /// Who asked, and got it.
        node: NodeIdText,
        /// Its subject, RFC 4514.
        subject: Text,
        /// Its serial number, hexadecimal.
        serial: Text,
        /// When it ends, of 1970, in seconds.
        not_after: u64,
    };
    /// This node, as its agency's issuer, refused what a node asked.
    CertificateNotIssued = "certificate_not_issued", Member {
        /// The door or judge, and the cause as metrics call it.
        refused: Refused,
        /// Who asked.
        node: NodeIdText,
        /// Why not.
        cause: Text,
    };
    /// A newcomer got its first certificate, by an invitation.
    NodeEnrolled = "node_enrolled", Operator {
        /// Whence it came.
        address: Text,
        /// The invitation's number.
        invitation: Text,
        /// The node that it is now.
        node: Option<NodeIdText>,
        /// Its subject, RFC 4514.
        subject: Text,
        /// Its serial number, hexadecimal.
        serial: Text,
        /// When it ends, of 1970, in seconds.
        not_after: u64,
    };
    /// Whoever came to the enrolment port got nothing.
    EnrolmentRefused = "enrolment_refused", Stranger {
        /// The door or judge, and the cause as metrics call it.
        refused: Refused,
        /// Whence.
        address: Text,
        /// The number of the invitation that was shown.
        invitation: Text,
        /// Why.
        cause: Text,
    };
    /// This node asked for another certificate and got none that it takes.
    RenewalFailed = "renewal_failed", Operator {
        /// Whom it asked.
        issuer: NodeIdText,
        /// Why.
        cause: Text,
        /// Seconds that the present certificate is still valid.
        left: u64,
    };
    /// The node shows another certificate from now on.
    CertificateRenewed = "certificate_renewed", Operator {
        /// Its subject, RFC 4514.
        subject: Text,
        /// Its serial number, hexadecimal.
        serial: Text,
        /// When it ends, of 1970, in seconds.
        not_after: u64,
    };
    /// The node's key, which a token has, does not sign; the node goes on with what it signed before.
    KeyFailed = "key_failed", Operator {
        /// What the token says.
        cause: Text,
    };
    /// The node's key signs again.
    KeyRecovered = "key_recovered", Operator;
    /// A certificate, an authority or a revocation list comes to its end, or has.
    CertificateEnding = "certificate_ending", Operator {
        /// What it is for: `node`, `agency`, `root`, `revocation_list`, …
        of: &'static str,
        /// Whose, RFC 4514.
        subject: Text,
        /// What ends when, and what mends it.
        warning: Text,
    };
    /// An operator changed something, or tried to.
    OperatorActed = "operator_acted", Operator {
        /// Who.
        actor: Actor,
        /// What.
        action: Act,
        /// What became of it.
        outcome: Outcome,
    };
    /// An operator sent or took messages in the node's name, or tried to.
    OperatorSent = "operator_sent", Operator {
        /// Who.
        actor: Actor,
        /// What.
        action: Act,
        /// What became of it.
        outcome: Outcome,
    };
    /// Somebody was refused by the admin API.
    OperatorRefused = "operator_refused", Stranger {
        /// The door or judge, and the cause as metrics call it.
        refused: Refused,
        /// Whence.
        address: Text,
        /// Who, when that was proved.
        actor: Option<Actor>,
        /// What was asked for.
        action: Act,
        /// Why not.
        cause: Text,
        /// What mends it, where something does.
        hint: Text,
    };
}

impl Event {
    /// Who refused and why, where something was refused.
    pub const fn refused(&self) -> Option<Refused> {
        match self {
            Self::NodeRefused { refused, .. }
            | Self::NodeExpelled { refused, .. }
            | Self::NodeBanned { refused, .. }
            | Self::ListRefused { refused, .. }
            | Self::SdkRefused { refused, .. }
            | Self::SdkExpelled { refused, .. }
            | Self::PublishDenied { refused, .. }
            | Self::SubscriptionDenied { refused, .. }
            | Self::MessageDenied { refused, .. }
            | Self::OverQuota { refused, .. }
            | Self::CertificateNotIssued { refused, .. }
            | Self::EnrolmentRefused { refused, .. }
            | Self::OperatorRefused { refused, .. } => Some(*refused),
            _ => None,
        }
    }

    /// What it counts as one refusal of. Not what tells of many at once, or of the last of several, each of which was counted
    /// where it was judged; nor who was in and may be so no more.
    pub(crate) const fn counts_as(&self) -> Option<Cause> {
        match self {
            Self::NodeRefused { refused, .. }
            | Self::ListRefused { refused, .. }
            | Self::SdkRefused { refused, .. }
            | Self::PublishDenied { refused, .. }
            | Self::CertificateNotIssued { refused, .. }
            | Self::EnrolmentRefused { refused, .. }
            | Self::OperatorRefused { refused, .. } => Some(refused.0),
            _ => None,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One key of the configuration that a reload found changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `section.key`.
    pub key: Text,
    /// Whether it is in force; otherwise at the next start.
    pub active: bool,
}

/// What became of an act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not.
    Failed {
        /// The code, as the API answers it.
        error: Text,
        /// Why.
        cause: Text,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_kind_is_the_one_that_events_are_written_with() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(serde_json::to_value(Event::Stopped).unwrap()["kind"], "stopped");
    }
}
