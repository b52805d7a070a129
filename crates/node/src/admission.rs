//! Who belongs: the decisions about nodes that are in already, or known. Newcomers are judged in the handshake, records in
//! the certifier, both by the same policy.

mod lists;
mod unlisted;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use nuncio_audit::{Audit, Event};
use nuncio_behaviour::Behaviour;
use nuncio_identity::NodeId;
use nuncio_metrics::{Cause, Direction, LinkRefusal};
use nuncio_pki::{Certificate, Policy, SharedPolicy};
use nuncio_protocol::status_sync::{IssuerId, Record};
use nuncio_transport::Admissions;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::sync::watch;

pub use self::lists::tell_gone;
pub(crate) use self::{lists::take_list, unlisted::Unlisted};
use crate::{agencies::Agencies, certifier::told_lists, event_loop::of_chain, lifetimes::Lifetimes};

/// How long those who are in are left alone after lists were taken from the network.
const LISTS_PAUSE: Duration = Duration::from_secs(1);

/// What the decisions are carried out on.
pub(crate) trait Network {
    /// Denies a node: links, record and routes go, what it sends is ignored.
    fn expel(&mut self, node: NodeId);
    /// Lets it in again, unless it is proven to equivocate.
    fn readmit(&mut self, node: NodeId);
    /// Whether it is denied now.
    fn is_expelled(&self, node: &NodeId) -> bool;
    /// Whether the certificate that a record carries is refused now.
    fn refuses(&self, record: &Record) -> bool;
    /// The records of other nodes whose certificate is refused now.
    fn refused_records(&self) -> Vec<Arc<Record>>;
    /// Has these found out beside what else there is to do, for [`Admission::handle_refused`].
    fn judge_members(&mut self);
    /// Tells the others which revocation lists are held.
    fn set_revocation_lists(&mut self, numbers: BTreeMap<IssuerId, u64>);
}

/// What is shared with handshakes and the certifier, which judge at the same time.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) policy: SharedPolicy,
    pub(crate) admissions: Admissions,
    pub(crate) agencies: Agencies,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) unlisted: Unlisted,
}

impl Shared {
    /// That nothing is known to yet.
    pub(crate) fn of(policy: SharedPolicy, admissions: Admissions) -> Self {
        let (agencies, lifetimes, unlisted) = (Agencies::default(), Lifetimes::default(), Unlisted::default());
        Self { policy, admissions, agencies, lifetimes, unlisted }
    }
}

/// Judges linked and known nodes again whenever the policy or the time has changed.
#[derive(Debug)]
pub(crate) struct Admission {
    own: NodeId,
    shared: Shared,
    /// Whom this node refuses. Bound: the deny list, and the nodes that had a certificate.
    expelled: BTreeMap<NodeId, Grounds>,
    /// Told of the agencies behind the lists in force, when lists were adopted.
    adoptions: Option<watch::Sender<Vec<Certificate>>>,
    /// Since those who are in were judged last.
    lists_taken: bool,
    /// When they were judged last because lists were taken.
    judged_at: Option<Instant>,
    audit: Audit,
}

/// Why a node is refused, to be looked at again.
#[derive(Debug)]
enum Grounds {
    /// The certificate that it showed in the handshake.
    Admission(Arc<nuncio_transport::Admission>),
    /// The certificate that its record carried.
    Record(Arc<Record>),
    /// The policy's lists, whatever its certificate.
    Lists,
}

impl Admission {
    pub(crate) fn new(
        own: NodeId,
        shared: Shared,
        adoptions: Option<watch::Sender<Vec<Certificate>>>,
        audit: Audit,
    ) -> Self {
        Self { own, shared, expelled: BTreeMap::new(), adoptions, lists_taken: false, judged_at: None, audit }
    }

    /// The certificates behind this node's own, renewed.
    pub(crate) fn meet(&self, chain: &[CertificateDer<'static>]) {
        self.shared.agencies.meet(chain, &self.shared.policy.load(), UnixTime::now());
    }

    /// Before any link: who is denied is expelled, so that not even what others relay for it is taken.
    pub(crate) fn begin(&mut self, network: &mut impl Network) {
        let policy = self.shared.policy.load_full();
        self.expel(self.denied(&policy), network);
        self.claim(UnixTime::now());
        self.tell(network);
    }

    /// Whether the policy's lists let a node through to the application, certified or not.
    pub(crate) fn admits(&self, node: &NodeId) -> bool {
        self.shared.policy.load().admits(node)
    }

    /// The name in the certificate of a node that was admitted.
    pub(crate) fn name_of(&self, node: &NodeId) -> String {
        self.shared.admissions.get(node).map(|admission| admission.certificate.name.clone()).unwrap_or_default()
    }

    /// Does what time asks for; says whether anything changed.
    pub(crate) fn handle_tick(&mut self, network: &mut impl Network, now: UnixTime, at: Instant) -> bool {
        let unlisted = self.shared.unlisted.take().into_iter().filter(|node| !self.admits(node));
        let unlisted: BTreeMap<_, _> = unlisted.map(|node| (node, Grounds::Lists)).collect();
        let is_changed = !unlisted.is_empty();
        self.tell_expelled(self.causes(&unlisted, now));
        self.expel(unlisted, network);
        self.note_readmitted(network);
        if self.shared.agencies.take_news() && self.claim(now) {
            self.tell(network);
        }
        let is_ended = self.shared.lifetimes.take_ended(now) || self.shared.admissions.any_ended(now);
        let is_told = self.judges_by_lists(at);
        if is_ended || is_told {
            // Others bring that about, as often as they like.
            network.judge_members();
            self.judge_by(Vec::new(), network, now);
        }
        if is_told {
            self.keep_lists();
        }
        is_changed || is_ended || is_told
    }

    /// Judges those who are in by the policy in force, and those who were expelled.
    pub(crate) fn judge_again(&mut self, network: &mut impl Network, now: UnixTime) {
        let records = network.refused_records();
        self.judge_by(records, network, now);
    }

    /// Expels those whose records were found to be refused, if they still are.
    pub(crate) fn handle_refused(&mut self, mut records: Vec<Arc<Record>>, network: &mut impl Network, now: UnixTime) {
        records.retain(|record| network.refuses(record));
        let newly = grounds(records).collect();
        self.tell_expelled(self.causes(&newly, now));
        self.expel(newly, network);
    }

    /// With these records refused.
    fn judge_by(&mut self, records: Vec<Arc<Record>>, network: &mut impl Network, now: UnixTime) {
        self.shared.agencies.judge_again(&self.shared.policy.load(), now);
        self.claim(now);
        let policy = self.shared.policy.load_full();
        let (refused, forgiven) = std::mem::take(&mut self.expelled).into_iter().partition(|(node, grounds)| {
            !policy.admits(node)
                || match grounds {
                    Grounds::Admission(admission) => policy.judge(&admission.chain, now).is_err(),
                    Grounds::Record(record) => network.refuses(record),
                    Grounds::Lists => false,
                }
        });
        self.expelled = refused;
        let forgiven: BTreeMap<NodeId, Grounds> = forgiven;
        for node in forgiven.into_keys() {
            network.readmit(node);
            // One that is proven to equivocate stays out.
            if !network.is_expelled(&node) {
                self.audit.record(Event::NodeReadmitted { node: node.into() });
            }
        }
        let mut newly = self.denied(&policy);
        newly.extend(grounds(records));
        let mut causes = self.causes(&newly, now);
        for (node, admission, reason) in self.shared.admissions.refused_by(&policy, now) {
            causes.insert(node, (of_chain(&reason), reason.to_string()));
            newly.insert(node, Grounds::Admission(admission));
        }
        self.tell_expelled(causes);
        self.expel(newly, network);
        self.tell(network);
    }

    /// The certifier took lists from the network: others are told at once, for they take them over from here. Those who are in
    /// are judged again, soon, for an authority that signs one list after the other is not to keep the node busy with that.
    pub(crate) fn handle_lists_taken(&mut self, network: &mut impl Network) {
        self.lists_taken = true;
        self.tell(network);
    }

    /// Whether lists were taken, and the last time that those who are in were judged for it is long enough ago.
    fn judges_by_lists(&mut self, at: Instant) -> bool {
        let is_due = self.lists_taken && self.judged_at.is_none_or(|last| last + LISTS_PAUSE <= at);
        if is_due {
            (self.lists_taken, self.judged_at) = (false, Some(at));
        }
        is_due
    }

    fn keep_lists(&self) {
        if let Some(keeper) = &self.adoptions {
            keeper.send_replace(self.shared.policy.load().lists().signers());
        }
    }

    /// Finds the signers of lists that came from files before their agencies were known, and of those for whom nobody vouches
    /// any more; says whether there were any.
    fn claim(&self, now: UnixTime) -> bool {
        let policy = self.shared.policy.load();
        if !policy.lacks_signers() && !policy.has_lost_ways(now) {
            return false;
        }
        let agencies = self.shared.agencies.all();
        self.shared.policy.rcu(|current| Policy::clone(current).claim(&agencies, now));
        true
    }

    fn tell(&self, network: &mut impl Network) {
        network.set_revocation_lists(told_lists(&self.shared.policy.load()));
    }

    fn denied(&self, policy: &Policy) -> BTreeMap<NodeId, Grounds> {
        let news = |node: &&NodeId| **node != self.own && !self.expelled.contains_key(node);
        policy.deny().iter().filter(news).map(|node| (*node, Grounds::Lists)).collect()
    }

    /// Why those are expelled who were not before.
    fn causes(&self, newly: &BTreeMap<NodeId, Grounds>, now: UnixTime) -> BTreeMap<NodeId, (LinkRefusal, String)> {
        let policy = self.shared.policy.load();
        let judged = |chain: &[CertificateDer<'_>]| match policy.judge(chain, now) {
            Err(error) => (of_chain(&error), error.to_string()),
            Ok(_) => (LinkRefusal::Chain, "its certificate is refused now".to_owned()),
        };
        let cause = |grounds: &Grounds| match grounds {
            Grounds::Lists => (LinkRefusal::Access, "the lists of allowed and denied nodes refuse it".to_owned()),
            Grounds::Admission(admission) => judged(&admission.chain),
            Grounds::Record(record) => judged(&chain_of(record)),
        };
        let news = newly.iter().filter(|(node, _)| !self.expelled.contains_key(node));
        news.map(|(node, grounds)| (*node, cause(grounds))).collect()
    }

    fn tell_expelled(&self, causes: BTreeMap<NodeId, (LinkRefusal, String)>) {
        for (node, (refused, cause)) in causes {
            let refused = Cause::P2p(Direction::Inbound, refused).into();
            self.audit.record(Event::NodeExpelled { refused, node: node.into(), cause: cause.into() });
        }
    }

    fn expel(&mut self, mut newly: BTreeMap<NodeId, Grounds>, network: &mut impl Network) {
        // From here on, only what they prove anew counts.
        self.shared.admissions.retain(|node, _| !newly.contains_key(node));
        for node in newly.keys() {
            self.shared.lifetimes.forget(node);
            network.expel(*node);
        }
        self.expelled.append(&mut newly);
    }

    /// The behaviour lets those back in who show another certificate that holds.
    fn note_readmitted(&mut self, network: &impl Network) {
        let readmitted: BTreeSet<NodeId> =
            self.expelled.extract_if(.., |node, _| !network.is_expelled(node)).map(|(node, _)| node).collect();
        for node in readmitted {
            self.audit.record(Event::NodeReadmitted { node: node.into() });
        }
    }
}

fn grounds(records: Vec<Arc<Record>>) -> impl Iterator<Item = (NodeId, Grounds)> {
    records.into_iter().map(|record| (record.status.node, Grounds::Record(record)))
}

/// The certificates that a record carries.
fn chain_of(record: &Record) -> Vec<CertificateDer<'static>> {
    let chain = nuncio_wire::status::chain_of(record.bytes.clone()).unwrap_or_default();
    chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect()
}

impl Network for Behaviour {
    fn expel(&mut self, node: NodeId) {
        self.expel(node);
    }

    fn readmit(&mut self, node: NodeId) {
        self.readmit(node);
    }

    fn is_expelled(&self, node: &NodeId) -> bool {
        self.overlay().is_expelled(node)
    }

    fn refuses(&self, record: &Record) -> bool {
        self.refuses(record)
    }

    fn refused_records(&self) -> Vec<Arc<Record>> {
        self.refused_records()
    }

    fn judge_members(&mut self) {
        self.judge_members();
    }

    fn set_revocation_lists(&mut self, numbers: BTreeMap<IssuerId, u64>) {
        self.set_revocation_lists(numbers);
    }
}
