//! Who and what is refused at every door, and why, in one metric.

use std::fmt;

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

use super::{Direction, FileRefusal, LinkRefusal};
use crate::{Book, CounterBy, Described, Label, Labelled, label::labels};

labels! {
    /// Which rule of the gate a peer broke.
    GateRefusal by ["cause"] {
        /// Bytes that are no message.
        Malformed = ["malformed"],
        /// A signature or seal does not hold.
        Forged = ["forged"],
        /// A message of a node whose certificate it cannot show.
        Uncertified = ["uncertified"],
        /// A message for nobody.
        Misdirected = ["misdirected"],
        /// The same again and again.
        Replayed = ["replayed"],
        /// More than its budget.
        Overspent = ["overspent"],
        /// A record that it does not have.
        EmptyPromise = ["empty-promise"],
        /// More changes than a node may make.
        Restless = ["restless"],
        /// Two statuses with one version.
        Equivocation = ["equivocation"],
        /// Two messages with one number.
        Renumbered = ["renumbered"],
    }
}

labels! {
    /// Why an SDK or a web client got no session.
    SdkRefusal by ["cause"] {
        /// Too many connections, of all or of one address.
        Full = ["full"],
        /// It knocked too often.
        Door = ["door"],
        /// It made no end of its handshake.
        Slow = ["slow"],
        /// It hung up.
        HungUp = ["hung_up"],
        /// It speaks something else.
        NotTls = ["not_tls"],
        /// TLS failed.
        Tls = ["tls"],
        /// Its certificate ended.
        Expired = ["expired"],
        /// Its certificate counts from later on.
        NotYetValid = ["not_yet_valid"],
        /// It is revoked.
        Revoked = ["revoked"],
        /// No current revocation list of its issuer is here.
        NoCurrentList = ["no_current_list"],
        /// The access lists say no.
        Access = ["access"],
        /// Its certificate is for something else.
        Role = ["role"],
        /// Nobody here knows the issuer.
        UnknownIssuer = ["unknown_issuer"],
        /// Anything else that is wrong with its chain.
        Chain = ["chain"],
        /// It is of another agency.
        OtherAgency = ["other_agency"],
        /// It has shown neither a certificate nor a token that counts.
        NoToken = ["no_token"],
        /// A page of an origin that is not named sends it.
        Origin = ["origin"],
        /// Its certificate, or its agency, has all its sessions.
        OverQuota = ["over_quota"],
    }
}

labels! {
    /// Why somebody was not answered by the admin API.
    AdminRefusal by ["cause"] {
        /// He knocked too often, or too many strangers stand there.
        Door = ["door"],
        /// TLS failed.
        Tls = ["tls"],
        /// His certificate ended.
        Expired = ["expired"],
        /// His certificate counts from later on.
        NotYetValid = ["not_yet_valid"],
        /// It is revoked.
        Revoked = ["revoked"],
        /// No current revocation list of its issuer is here.
        NoCurrentList = ["no_current_list"],
        /// The access list says no.
        Access = ["access"],
        /// His certificate is for something else.
        Role = ["role"],
        /// Nobody here knows the issuer.
        UnknownIssuer = ["unknown_issuer"],
        /// Anything else that is wrong with the chain.
        Chain = ["chain"],
        /// He has not proved who he is.
        Unauthorized = ["unauthorized"],
        /// He may look only.
        Forbidden = ["forbidden"],
        /// He is of another agency.
        OtherAgency = ["other_agency"],
        /// A web page of another origin sends him.
        Origin = ["origin"],
        /// Anything else.
        Other = ["other"],
    }
}

labels! {
    /// Why a newcomer got no certificate.
    EnrolmentRefusal by ["cause"] {
        /// He knocked too often, or too many stand there.
        Door = ["door"],
        /// There is no such invitation.
        Unknown = ["unknown"],
        /// Its time is over.
        Ended = ["ended"],
        /// Somebody has come by it.
        Used = ["used"],
        /// It is for another node.
        OtherName = ["other_name"],
        /// The access list says no.
        Access = ["access"],
        /// The desk issues nothing of the kind, or not now.
        Issuer = ["issuer"],
    }
}

labels! {
    /// Why the issuer of this node's agency renewed no certificate.
    IssuerRefusal by ["cause"] {
        /// The node has asked too often, or too many ask.
        TooOften = ["too_often"],
        /// It is no request, or its key has not signed it.
        Request = ["request"],
        /// Request, certificate and who asks are not of one key.
        Key = ["key"],
        /// It asks for another name, or for more than a name.
        Other = ["other"],
        /// The certificate there is does not hold.
        Chain = ["chain"],
        /// It is of another agency.
        OtherAgency = ["other_agency"],
        /// It is for something else than a node.
        Role = ["role"],
        /// The rules do not name the node.
        Access = ["access"],
        /// Of the node's certificates one was revoked, or its key was.
        Revoked = ["revoked"],
        /// So many hold that no more are noted.
        Full = ["full"],
        /// The agency issues nothing now.
        Issuer = ["issuer"],
    }
}

labels! {
    /// Why a revocation list from the network was not taken.
    ListRefusal by ["cause"] {
        /// Bytes that are no list, or a part of one.
        Malformed = ["malformed"],
        /// Nobody who is trusted here has signed it, or lets its signer.
        Signer = ["signer"],
        /// There are too many, or they are too long.
        Full = ["full"],
    }
}

labels! {
    /// What somebody may not do with a topic, and what says so.
    RightsRefusal by ["cause"] {
        /// Publish: no rule allows it.
        PublishDefault = ["publish_default"],
        /// Publish: a rule denies it.
        PublishRule = ["publish_rule"],
        /// Publish: the topic is in a namespace that he is not in.
        PublishNamespace = ["publish_namespace"],
        /// Subscribe: no rule allows it.
        SubscribeDefault = ["subscribe_default"],
        /// Subscribe: a rule denies it.
        SubscribeRule = ["subscribe_rule"],
        /// Subscribe: the topic is in a namespace that he is not in.
        SubscribeNamespace = ["subscribe_namespace"],
        /// A message that another node brought.
        Message = ["message"],
    }
}

labels! {
    /// What was beyond a quota.
    QuotaRefusal by ["cause"] {
        /// A publish of a client.
        Publish = ["publish"],
        /// A client's list of topics.
        Topics = ["topics"],
        /// A client's JSON-RPC call.
        Calls = ["calls"],
        /// A message that another node brought.
        Message = ["message"],
    }
}

/// A door, and why it refuses: log, metrics, events and the audit log all say it by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// A connection did not become a link.
    P2p(Direction, LinkRefusal),
    /// A peer broke a rule of the gate.
    Gate(GateRefusal),
    /// A connection at the channel port did not become a session.
    Sdk(SdkRefusal),
    /// The same at the web door.
    Web(SdkRefusal),
    /// Somebody is not answered by the admin API.
    Admin(AdminRefusal),
    /// A newcomer gets no certificate.
    Enrolment(EnrolmentRefusal),
    /// A node's certificate is not renewed here.
    Issuer(IssuerRefusal),
    /// A revocation list is not taken.
    Lists(ListRefusal),
    /// Something may not be done with a topic.
    Rights(RightsRefusal),
    /// Something is beyond a quota.
    Quota(QuotaRefusal),
    /// A file, or a piece of one, is not taken.
    Files(FileRefusal),
}

impl Cause {
    /// The door or judge, as metrics call it.
    pub const fn door(self) -> &'static str {
        match self {
            Self::P2p(..) => "p2p",
            Self::Gate(_) => "gate",
            Self::Sdk(_) => "sdk",
            Self::Web(_) => "web",
            Self::Admin(_) => "admin",
            Self::Enrolment(_) => "enrolment",
            Self::Issuer(_) => "issuer",
            Self::Lists(_) => "lists",
            Self::Rights(_) => "rights",
            Self::Quota(_) => "quota",
            Self::Files(_) => "files",
        }
    }

    /// The cause, as metrics call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::P2p(_, cause) => word(cause),
            Self::Gate(cause) => word(cause),
            Self::Sdk(cause) | Self::Web(cause) => word(cause),
            Self::Admin(cause) => word(cause),
            Self::Enrolment(cause) => word(cause),
            Self::Issuer(cause) => word(cause),
            Self::Lists(cause) => word(cause),
            Self::Rights(cause) => word(cause),
            Self::Quota(cause) => word(cause),
            Self::Files(cause) => word(cause),
        }
    }
}

fn word(of: impl Label) -> &'static str {
    of.pairs().pop().map_or("", |(_, word)| word)
}

/// Every refusal, by the door and its own causes.
#[derive(Debug, Clone, Default)]
pub struct Refusals {
    /// Connections that did not become links: those of [`Links::refused`](super::Links::refused).
    pub p2p: CounterBy<(Direction, LinkRefusal)>,
    /// Rules of the gate that peers broke.
    pub gate: CounterBy<GateRefusal>,
    /// Connections at the channel port that did not become sessions.
    pub sdk: CounterBy<SdkRefusal>,
    /// The same at the web door.
    pub web: CounterBy<SdkRefusal>,
    /// Who was not answered by the admin API.
    pub admin: CounterBy<AdminRefusal>,
    /// Newcomers who got no certificate.
    pub enrolment: CounterBy<EnrolmentRefusal>,
    /// Nodes whose certificate was not renewed here.
    pub issuer: CounterBy<IssuerRefusal>,
    /// Revocation lists from the network that were not taken.
    pub lists: CounterBy<ListRefusal>,
    /// What may not be done with topics.
    pub rights: CounterBy<RightsRefusal>,
    /// What was beyond a quota.
    pub quota: CounterBy<QuotaRefusal>,
    /// Files of other nodes, and pieces of them.
    pub files: CounterBy<FileRefusal>,
}

impl Refusals {
    /// In a book; links that are refused are counted already.
    pub(crate) fn registered(book: &mut Book, links: &CounterBy<(Direction, LinkRefusal)>) -> Self {
        let all = Self { p2p: links.clone(), ..Self::default() };
        book.add("nuncio_refused", "Who and what was refused, by the door and the cause", all)
    }

    /// One more.
    pub fn count(&self, cause: Cause) {
        match cause {
            Cause::P2p(direction, cause) => self.p2p.increment((direction, cause)),
            Cause::Gate(cause) => self.gate.increment(cause),
            Cause::Sdk(cause) => self.sdk.increment(cause),
            Cause::Web(cause) => self.web.increment(cause),
            Cause::Admin(cause) => self.admin.increment(cause),
            Cause::Enrolment(cause) => self.enrolment.increment(cause),
            Cause::Issuer(cause) => self.issuer.increment(cause),
            Cause::Lists(cause) => self.lists.increment(cause),
            Cause::Rights(cause) => self.rights.increment(cause),
            Cause::Quota(cause) => self.quota.increment(cause),
            Cause::Files(cause) => self.files.increment(cause),
        }
    }

    /// Of every door its name, and of its causes how many.
    pub fn doors(&self) -> [(&'static str, Vec<(&'static str, u64)>); 11] {
        [
            ("p2p", causes(&self.p2p)),
            ("gate", causes(&self.gate)),
            ("sdk", causes(&self.sdk)),
            ("web", causes(&self.web)),
            ("admin", causes(&self.admin)),
            ("enrolment", causes(&self.enrolment)),
            ("issuer", causes(&self.issuer)),
            ("lists", causes(&self.lists)),
            ("rights", causes(&self.rights)),
            ("quota", causes(&self.quota)),
            ("files", causes(&self.files)),
        ]
    }
}

/// By the last label, whatever the others say.
fn causes<L: Label>(counted: &CounterBy<L>) -> Vec<(&'static str, u64)> {
    let mut causes: Vec<(&'static str, u64)> = Vec::new();
    for of in L::all() {
        let Some((_, word)) = of.pairs().pop() else { continue };
        match causes.iter_mut().find(|(known, _)| *known == word) {
            Some((_, sum)) => *sum += counted.read(of),
            None => causes.push((word, counted.read(of))),
        }
    }
    causes
}

impl EncodeMetric for Refusals {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (door, causes) in self.doors() {
            for (cause, count) in causes {
                let labels = [("door", door), ("cause", cause)];
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

impl Described for Refusals {
    const KIND: &'static str = "counter";

    fn labels(&self) -> Vec<Labelled> {
        let doors = self.doors();
        let words =
            |causes: &[(&'static str, u64)]| causes.iter().map(|(cause, _)| *cause).collect::<Vec<_>>().join(", ");
        let of_doors = doors.iter().map(|(door, causes)| format!("{door} – {}", words(causes)));
        let names = doors.iter().map(|(door, _)| *door).collect::<Vec<_>>().join(", ");
        vec![
            Labelled { key: "door", values: names },
            Labelled { key: "cause", values: of_doors.collect::<Vec<_>>().join("; ") },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every cause of a door, as somebody says it.
    fn all() -> Vec<Cause> {
        fn each<L: Label>(cause: impl Fn(L) -> Cause) -> Vec<Cause> {
            L::all().into_iter().map(cause).collect()
        }
        [
            each(|(direction, cause)| Cause::P2p(direction, cause)),
            each(Cause::Gate),
            each(Cause::Sdk),
            each(Cause::Web),
            each(Cause::Admin),
            each(Cause::Enrolment),
            each(Cause::Issuer),
            each(Cause::Lists),
            each(Cause::Rights),
            each(Cause::Quota),
            each(Cause::Files),
        ]
        .concat()
    }

    #[test]
    fn what_is_counted_stands_under_the_door_and_the_word_that_events_say() {
        for cause in all() {
            let refusals = Refusals::default();
            refusals.count(cause);
            let doors = refusals.doors().into_iter();
            let counted =
                doors.flat_map(|(door, words)| words.into_iter().map(move |(word, count)| (door, word, count)));
            let counted: Vec<_> = counted.filter(|(.., count)| *count > 0).collect();
            assert_eq!(counted, [(cause.door(), cause.word(), 1)], "{cause:?}");
        }
        assert_eq!(Refusals::default().doors().len(), 11, "all of them are tried here");
    }
}
